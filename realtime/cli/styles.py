"""`restyle styles`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from realtime.cli.common import print_json, say
from realtime.options import ConsoleOptions, StylesOptions


def styles(options: StylesOptions, console: ConsoleOptions) -> None:
    """List the styles that come with restyle; --sheet shows one picture in all of them."""
    from realtime.transnet.gallery import styles as gallery

    cards = gallery()
    sheet = options.sheet
    if sheet is not None and options.input is not None:
        _write_sheet(sheet, options.input, [card.name for card in cards], options)
    if console.json:
        listed = [{**asdict(card), "macs_per_pixel": card.macs_per_pixel} for card in cards]
        print_json({"styles": listed} | ({"sheet": str(sheet)} if sheet else {}))
        return
    if sheet is not None:
        say(f"{sheet}: {len(cards)} styles")
        return
    if not cards:
        say("The gallery is empty. `restyle train` makes styles.")
        return
    rows = [("name", "title", "artist", "year", "kMAC/px")]
    for card in cards:
        cost = f"{card.macs_per_pixel / 1000:.1f}" if card.macs_per_pixel else ""
        rows.append((card.name, card.title or "", card.artist or "", str(card.year or ""), cost))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _write_sheet(target: Path, source: Path, names: list[str], options: StylesOptions) -> None:
    from realtime.jobs.contact_sheet import contact_sheet
    from realtime.media.files.stills import check_image_target, read_image, write_image

    check_image_target(target, overwrite=options.overwrite)
    sheet = contact_sheet(read_image(source), names, width=options.width, columns=options.columns, progress=say)
    write_image(target, sheet, overwrite=options.overwrite)
