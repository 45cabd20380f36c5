"""`restyle video`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import (
    Backend,
    Batch,
    Debug,
    Device,
    End,
    Json,
    KeepColor,
    Overwrite,
    Precision,
    Quiet,
    Size,
    Start,
    Strength,
    Style,
    Threads,
    announce,
    make_stylizer,
    print_json,
    progress_bar,
    summarise,
    warn,
)


def video(
    input: Annotated[Path, typer.Argument(metavar="INPUT", help="The video to restyle.", show_default=False)],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to write; its ending says the container.")],
    style: Style,
    size: Size = None,
    strength: Strength = 1.0,
    keep_color: KeepColor = False,
    start: Start = None,
    end: End = None,
    encoder: Annotated[
        str,
        typer.Option("--encoder", metavar="auto|NAME", help="Video encoder; `restyle doctor` lists those there are."),
    ] = "auto",
    quality: Annotated[
        float | None,
        typer.Option("--quality", metavar="N", help="The encoder's CRF or CQ: lower is better and larger."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Show the source beside the result.")] = False,
    overwrite: Overwrite = False,
    backend: Backend = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    batch: Batch = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Restyle a video file. Audio, subtitles and metadata are kept."""
    stylizer = make_stylizer(style, backend=backend, device=device, precision=precision, batch=batch, threads=threads)
    if not quiet:
        announce(stylizer)
    with progress_bar(show=not quiet) as progress:
        summary = stylizer.video(
            input,
            output,
            strength=strength,
            keep_color=keep_color,
            size=size,
            start=start,
            end=end,
            encoder=encoder,
            quality=quality,
            compare=compare,
            overwrite=overwrite,
            progress=progress,
        )
    if not quiet:
        summarise(summary)
    warn(summary)
    if json:
        print_json(summary)
