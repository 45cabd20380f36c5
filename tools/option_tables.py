"""Writes docs/options.md, the tables of all options, from their declarations: `python -m tools.option_tables`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from realtime import options as declared
from realtime.option_fields import Field, Options

PAGE = Path(__file__).parents[1] / "docs" / "options.md"

COMMANDS = {
    "video": ("TimelineOption", "VideoOptions", "StyleOptions", "MultiDeviceOptions"),
    "image": ("ImageOptions", "StyleOptions", "EngineOptions"),
    "webcam": ("LiveOptions", "StyleOptions", "EngineOptions"),
    "demo": ("DemoOptions", "StyleOptions", "EngineOptions"),
    "styles": ("StylesOptions",),
    "learn": ("LearnOptions",),
    "train": ("TrainFiles", "TrainOptions"),
    "train --any": ("TrainFiles", "AnyTrainFiles", "AnyTrainOptions"),
    "paint": ("PaintingOptions",),
    "evaluate": ("EvaluateOptions", "StyleOptions", "EngineOptions"),
    "export": ("ExportOptions", "StyleOptions"),
    "bench": ("BenchOptions", "StyleOptions"),
}
"""The options classes of each command."""

HEAD = """# Options

Made by `python -m tools.option_tables` from `realtime/options.py`; do not edit. Every command also has `--json`,
`--quiet` and `--debug`. In Python an option has the name in the column *Python*:
`stylizer.video("in.mp4", "out.mp4", strength=0.8)`.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for command, names in COMMANDS.items():
        parts.append(f"## restyle {command}\n")
        parts.append("| option | Python | default | what it does |\n|---|---|---|---|")
        for name in names:
            kind: type[Options] = getattr(declared, name)
            parts[-1] += "".join(f"\n{row(field)}" for field in kind.fields())
        parts[-1] += "\n"
    return "\n".join(parts)


def row(field: Field) -> str:
    """One option as a row of its table."""
    flags = "–" if field.info.python_only else ", ".join(f"`{flag}`" for flag in field.info.flags or (field.flag,))
    value = field.info.metavar or "|".join(map(str, field.choices))
    if value and not field.info.python_only:
        flags += f" `{value}`"
    extent = field.range_text
    text = field.info.help if not extent else f"{field.info.help} ({extent})"
    cells = (flags, f"`{field.name}`", default_of(field), text)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default_of(field: Field) -> str:
    """The default in words."""
    if field.default is dataclasses.MISSING:
        return "required"
    if field.info.shown_default:
        return field.info.shown_default
    if field.default in (None, (), ""):
        return "none"
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"`{field.default}`"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE, file=sys.stderr)
