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
    """Restyle images, or folders of images."""
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
        say(f"{summary['output']}: {pictures} in {summary['seconds']:.1f} s")
    warn(summary)
    if json:
        print_json(summary)
