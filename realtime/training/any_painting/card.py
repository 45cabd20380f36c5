"""The card of a network for any painting: what its file says, in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from realtime.training.card import WEAKNESSES
from realtime.transnet.checkpoint import write_atomically
from realtime.transnet.hypernetwork import AnyPaintingCard

_ELSEWHERE = frozenset(
    "folders content hold_out output sources files squares photographs held_out losses steps_done".split()
)
"""Parts of the recipe that the card tells in words."""


def render(name: str, card: AnyPaintingCard, *, before: str = "") -> str:
    """A card as Markdown.

    Args:
        name: of the file, without its ending.
        card: of a run of the trainer.
        before: the previous card, whose known weaknesses are kept.
    """
    recipe = card.recipe
    _, mark, by_hand = before.partition(WEAKNESSES)
    cost = card.architecture.macs_per_pixel / 1000
    parts = [
        f"# {name}",
        f"A network that takes any painting, version {card.version}. The networks that it gives cost {cost:.1f} kMAC a"
        " pixel.",
        "## What it learned from",
        _pictures(recipe),
        f"Sources and licences of the pictures: {recipe['sources'] or 'unknown'}.",
        "## How it was made",
        f"{recipe['steps_done']:,} steps of {recipe['paintings']} paintings with {recipe['contents']} photographs each,"
        f" of {recipe['size']} px, in {recipe['seconds'] / 3600:.2f} hours on {recipe['device']}"
        f" ({_counted(recipe['processes'], 'process', 'processes')}), seed {recipe['seed']}.",
        _table("option", {key: value for key, value in recipe.items() if key not in _ELSEWHERE}),
        "Losses at the end, as running means, unweighted:",
        _table("loss", recipe["losses"]),
        mark + by_hand.rstrip() if mark else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _pictures(recipe: dict[str, Any]) -> str:
    lines = [
        f"- paintings: `{folder}`, {_counted(files, 'file', 'files')}, {_counted(squares, 'square', 'squares')}"
        for folder, files, squares in zip(recipe["folders"], recipe["files"], recipe["squares"], strict=True)
    ]
    lines.append(f"- photographs: `{recipe['content']}`, {_counted(recipe['photographs'], 'file', 'files')}")
    if recipe["hold_out"]:
        folders = ", ".join(f"`{folder}`" for folder in recipe["hold_out"])
        lines.append(
            f"- held out: what shows a painting of {folders} ({_counted(recipe['held_out'], 'file', 'files')})"
        )
    return "\n".join(lines)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _table(head: str, values: dict[str, Any]) -> str:
    rows = [f"| {name} | {'' if value is None else value} |" for name, value in values.items()]
    return "\n".join([f"| {head} | value |", "|---|---|", *rows])


def write_card(path: Path, name: str, card: AnyPaintingCard) -> None:
    """Write a card, or write it again; see `render`.

    Raises:
        RestyleError: it cannot be written.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_atomically(path, render(name, card, before=before).encode())
