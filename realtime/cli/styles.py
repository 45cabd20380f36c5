"""`restyle styles`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import Debug, Json, Overwrite, print_json, say


def styles(
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="OUT", help="Write a picture of --input in every style there.", show_default=False
        ),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--input", metavar="PICTURE", help="The picture for the sheet.", show_default=False)
    ] = None,
    width: Annotated[int, typer.Option("--width", min=64, metavar="PX", help="Of one picture in the sheet.")] = 480,
    columns: Annotated[
        int | None, typer.Option("--columns", min=1, metavar="N", help="Of the sheet.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the styles that come with restyle; --sheet shows one picture in all of them."""
    from realtime.transnet.gallery import styles as gallery

    if (sheet is None) != (source is None):
        raise typer.BadParameter("--sheet and --input belong together: where to write, and which picture to show.")
    cards = gallery()
    if sheet is not None and source is not None:
        _write_sheet(sheet, source, [card.name for card in cards], width, columns, overwrite)
    if json:
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


def _write_sheet(
    target: Path, source: Path, names: list[str], width: int, columns: int | None, overwrite: bool
) -> None:
    from realtime.jobs.contact_sheet import contact_sheet
    from realtime.media.files.stills import check_image_target, read_image, write_image

    check_image_target(target, overwrite=overwrite)
    picture = read_image(source)
    write_image(target, contact_sheet(picture, names, width=width, columns=columns, progress=say), overwrite=overwrite)
