"""`restyle image`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import Style, check_style, finish, progress_bar, say, say_notes, warn
from realtime.options import ConsoleOptions, EngineOptions, ImageOptions, StyleOptions


def image(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT... OUTPUT",
            help="Images or folders of images; last, the file or folder to write.",
            show_default=False,
        ),
    ],
    style: Style,
    options: ImageOptions,
    style_options: StyleOptions,
    engine: EngineOptions,
    console: ConsoleOptions,
) -> None:
    """Restyle images, or folders of images.

    Transparency, EXIF and colour profile are kept where the format can hold them. A picture that cannot be read is
    named and left out; the others are done, and the exit code is 1.
    """
    if len(paths) < 2:
        raise typer.BadParameter("give at least one image, and the file or folder to write.")
    check_style(style, style_options)
    from realtime.stylizer import Stylizer

    with (
        Stylizer(style, engine, style_options, allow_int8=False) as stylizer,
        progress_bar(show=not console.quiet) as progress,
    ):
        if not console.quiet:
            say(f"{stylizer.style.label}: {stylizer.description}")
        summary = stylizer.pictures(paths[:-1], paths[-1], options, progress=progress)
    if not console.quiet:
        pictures = "1 picture" if summary.images == 1 else f"{summary.images} pictures"
        failed = f", {summary.failed} failed" if summary.failed else ""
        say(f"{summary.output}: {pictures} in {summary.seconds:.1f} s{failed}")
        say_notes(summary.notes)
    warn(summary)
    finish(summary, json=console.json)
