"""`restyle styles`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from realtime.cli.common import Debug, Json, print_json, say


def styles(json: Json = False, debug: Debug = False) -> None:
    """List the styles that come with restyle."""
    from realtime.transnet.gallery import styles as gallery

    cards = gallery()
    if json:
        print_json({"styles": [{**asdict(card), "macs_per_pixel": card.macs_per_pixel} for card in cards]})
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
