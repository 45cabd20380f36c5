"""`restyle image`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import (
    Backend,
    Debug,
    Device,
    Json,
    KeepColor,
    Overwrite,
    Precision,
    Quiet,
    Size,
    Strength,
    Style,
    Threads,
    announce,
    make_stylizer,
    one_line,
    print_json,
    progress_bar,
    say,
    warn,
)


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
    size: Size = None,
    strength: Strength = 1.0,
    keep_color: KeepColor = False,
    overwrite: Overwrite = False,
    backend: Backend = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Restyle images, or folders of images.

    Transparency, EXIF and colour profile are kept where the format can hold them. A picture that cannot be read is
    named and left out; the others are done, and the exit code is 1.
    """
    if len(paths) < 2:
        raise typer.BadParameter("give at least one image, and the file or folder to write.")
    stylizer = make_stylizer(
        style, backend=backend, device=device, precision=precision, batch=None, threads=threads, faithful=True
    )
    if not quiet:
        announce(stylizer)
    with progress_bar(show=not quiet) as progress:
        summary = stylizer.pictures(
            paths[:-1],
            paths[-1],
            strength=strength,
            keep_color=keep_color,
            size=size,
            overwrite=overwrite,
            progress=progress,
        )
    if not quiet:
        pictures = "1 picture" if summary["images"] == 1 else f"{summary['images']} pictures"
        failed = f", {summary['failed']} failed" if summary["failed"] else ""
        say(f"{summary['output']}: {pictures} in {summary['seconds']:.1f} s{failed}")
        for note in summary["notes"]:
            say(f"note: {one_line(note)}")
    warn(summary)
    if json:
        print_json(summary)
    if summary["failed"]:
        raise typer.Exit(1)
