"""A style's card: the contents of its checkpoint in Markdown, with the commands that make it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime.errors import InputError
from realtime.option_fields import Field
from realtime.options import TrainOptions
from realtime.training.run import NETWORK, NETWORK_OPTIONS, STEERING
from realtime.transnet.checkpoint import StyleCard, write_atomically
from realtime.transnet.hypernetwork import PAINT, STROKE
from realtime.transnet.network import Architecture

WEAKNESSES = "## Known weaknesses"
"""Heading of the part of a card that is written by hand, and kept."""

UNKNOWN = "unknown"
"""Licence of a painting of which nobody has said it."""

_LICENCE = re.compile(r"^Licence of the painting: .*$|^[^#!|\n].*\. Public domain\.$", re.MULTILINE)
"""The line of a card with the painting's licence, now and in older cards."""

_ELSEWHERE = {"start", "features", "precision", *NETWORK_OPTIONS, *STEERING}
"""Options that `command` writes at another place, or not at all: they depend on the machine."""


def command(recipe: Mapping[str, Any], made: Mapping[str, Architecture] | None = None) -> str:
    """The command line of a run.

    Args:
        recipe: of a checkpoint, as the trainer stores it. Options that it lacks did not exist when it ran.
        made: files that earlier runs have written, and the networks in them. Any other style that the run starts from
            is one of the gallery.

    Returns:
        `restyle train ...` with every option that is not at its default; by `torchrun` where the run had several
        processes. A run that starts from a style has that style's network by default, so the options of the network
        are those that differ from it, or all of them where it is unknown.
    """
    if is_learned(recipe):
        return _learn_command(recipe)
    processes = int(recipe.get("processes", 1))
    program = ["restyle"] if processes == 1 else f"torchrun --nproc-per-node {processes} -m realtime.cli".split()
    words = [*program, "train", recipe["style_image"]]
    words += ["--content", f"{recipe['content']}/", "--output", recipe["output"]]
    if recipe.get("features"):
        words += ["--features", recipe["features"]]
    for option in TrainOptions.fields():
        value = recipe.get(option.name)
        if option.name in _ELSEWHERE or option.info.python_only or value is None:
            continue
        if _plain(value) != _plain(option.default):
            words += [option.flag] if value is True else [option.flag, _plain(value)]
    known: Architecture | None = NETWORK
    if recipe.get("start"):
        file = f"{recipe['start']}.safetensors"
        known = (made or {}).get(file)
        words += ["--from", recipe["start"] if known is None else file]
    architecture = Architecture.from_dict(recipe["architecture"])
    for option in TrainOptions.fields():
        if option.name in NETWORK_OPTIONS:
            value = getattr(architecture, option.name)
            if known is None or value != getattr(known, option.name):
                words += _switch(option, value) if isinstance(value, bool) else [option.flag, _plain(value) or "none"]
    if recipe["steps_done"] < recipe["steps"]:
        words += ["--until", str(recipe["steps_done"])]
    return shlex.join(words)


def _switch(option: Field, value: bool) -> list[str]:
    """An option that is on or off, declared as "--name/--no-name"."""
    return [option.flag.split("/")[0 if value else 1]]


def is_learned(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe is one of `restyle learn`."""
    return "any_painting" in recipe


def _learn_command(recipe: Mapping[str, Any]) -> str:
    words = ["restyle", "learn", recipe["style_image"], recipe["output"]]
    if "steps" not in recipe:
        words += ["--minutes", "0"]
    elif recipe["length_minutes"] is None:
        words += ["--steps", str(recipe["steps"])]
    else:
        words += ["--minutes", _plain(recipe["length_minutes"])]
    content = [name for name in recipe.get("content", "").split(", ") if name]
    for flag, name in zip(("--on", "--content"), content, strict=False):
        words += [flag, name]
    for name, default in (("paint", PAINT), ("stroke", STROKE), ("seed", 0)):
        value = recipe.get(name, default)
        if value != default:
            words += [f"--{name}", _plain(value)]
    return shlex.join(words)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_plain(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def render(card: StyleCard, *, before: str = "", picture: str | None = None) -> str:
    """A card as Markdown.

    Args:
        card: with metrics; one of `restyle learn` may do without.
        before: the previous card. Its picture (unless another is given) and its known weaknesses are kept, and what it
            says of the painting's licence where the checkpoint says nothing.
        picture: address of a picture made by this style, relative to the card.

    Raises:
        InputError: the checkpoint has not been evaluated, or was not trained.
    """
    scored = "style" in card.metrics
    if "steps_done" not in card.recipe or not (scored or is_learned(card.recipe)):
        raise InputError(f"{card.name}: has no scores or no recipe to write a card from; run restyle evaluate --save")
    known = re.search(r"^!\[.*\]\(.*\)$", before, re.MULTILINE)
    shown = f"![A picture made by this style]({picture})" if picture else known.group() if known else ""
    _, mark, by_hand = before.partition(WEAKNESSES)
    legs = [*card.recipe.get("legs", []), card.recipe]
    parts = [f"# {card.name}", _painting(card), _licence(card, before), shown]
    parts += ["## Scores", _scores(card.metrics)] if scored else []
    parts += ["## How it was made", _origin(card.recipe)]
    parts += [_making(card.metrics, legs), mark + by_hand.rstrip() if mark else ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def _painting(card: StyleCard) -> str:
    known = ", ".join(str(v) for v in (card.title, card.artist, card.year) if v)
    return f"{known}." if known else f"Painting: `{card.recipe.get('style_image', card.name)}`."


def _licence(card: StyleCard, before: str) -> str:
    """The painting's licence: what the checkpoint says, or else the previous card, or else that it is unknown."""
    licence = card.recipe.get("licence") or UNKNOWN
    earlier = _LICENCE.search(before)
    if licence == UNKNOWN and earlier:
        line = earlier.group()
        return line if line.startswith("Licence") else "Licence of the painting: public domain."
    return f"Licence of the painting: {licence.rstrip('.')}."


def _origin(recipe: Mapping[str, Any]) -> str:
    """Of a style that `restyle learn` made: from what."""
    if not is_learned(recipe):
        return ""
    pictures = ", ".join(f"`{p.get('name', '')}` (SHA-256 {p.get('sha256', UNKNOWN)})" for p in recipe["pictures"])
    lines = [
        f"Emitted by the network that takes any painting, version {recipe['any_painting']}, for {pictures}: paint"
        f" {recipe['paint']:g}, stroke {recipe['stroke']:g}."
    ]
    if recipe["steps_done"]:
        lines.append(
            f"Polished for {recipe['steps_done']:,} steps in {recipe['seconds']:.0f} s, with seed {recipe['seed']}, on"
            f" content of this kind: {recipe['content_kind']}."
        )
    return "\n".join(lines)


def _scores(m: Mapping[str, Any]) -> str:
    def row(name: str, values: Mapping[str, Any]) -> str:
        numbers = [f"{values[k]:.3f}" if values.get(k) is not None else "" for k in ("content", "style")]
        numbers.append(" ".join(f"{v:.3f}" for v in values["layers"]))
        numbers.append(f"{values['local']:.3f}")
        numbers.append(f"{values['grid']:.2f}")
        numbers.append(f"{values['e_warp']:.4f}" if values.get("e_warp") is not None else "")
        return f"| {name} | " + " | ".join(numbers) + " |"

    clip = f" and, for e_warp, {m['pairs'] + 1} frames of `{m['video']}`" if m.get("video") else ""
    cost = f"{m['macs_per_pixel'] / 1000:.1f} kMAC a pixel, {m['params']:,} trained values"
    table = [
        "| | content | style | relu1_1, 2_1, 3_1, 4_1 | local | grid | e_warp |",
        "|---|---|---|---|---|---|---|",
        row("this style", m),
    ]
    if m.get("untouched"):
        table.append(row("untouched", {"content": 0.0, **m["untouched"]}))
    return "\n".join(
        [
            f"By `restyle evaluate` (its `--help` has the definitions), on {m['images']} photographs at their own size"
            f"{clip}.",
            f"The painting's scale that fits best: {m['style_scale']} px. Cost: {cost}.",
            "",
            *table,
        ]
    )


def _making(m: Mapping[str, Any], legs: list[Mapping[str, Any]]) -> str:
    seen = sum(leg["pictures_seen"] for leg in legs)
    steps = sum(leg["steps_done"] for leg in legs)
    lines = [
        f"{steps:,} steps, {seen:,} crops" + (f", in {len(legs)} legs" if len(legs) > 1 else "") + ":",
        "",
        "```sh",
    ]
    made: dict[str, Architecture] = {}
    for leg in legs:
        lines.append(_wrapped(command(leg, made)))
        made[leg["output"]] = Architecture.from_dict(leg["architecture"])
    lines += [_wrapped(_evaluation(m, legs[-1]))] if "style" in m else []
    lines.append("```")
    return "\n".join(lines)


def _evaluation(m: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    words = ["restyle", "evaluate", Path(recipe["output"]).stem, "--content", "evaluation/", "--style-image"]
    words += [str(m.get("style_image") or recipe["style_image"])]
    for option, value in (("--features", m.get("features")), ("--video", m.get("video"))):
        words += [option, str(value)] if value else []
    return shlex.join(words)


def _wrapped(text: str, width: int = 110) -> str:
    """A command over several lines, each option on one line with its value."""
    lines, line = [], ""
    for part in re.split(r" (?=--)", text):
        if line and len(line) + 1 + len(part) > width:
            lines.append(line + " \\")
            line = "    " + part
        else:
            line = f"{line} {part}" if line else part
    return "\n".join([*lines, line])


def write_card(card: StyleCard, path: Path, *, picture: str | None = None) -> None:
    """Write a card, or write it again; see `render`.

    Raises:
        InputError: see `render`.
        RestyleError: it cannot be written.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_atomically(path, render(card, before=before, picture=picture).encode())
