"""`restyle demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import (
    DEFAULT_STYLE,
    Backend,
    Batch,
    Debug,
    Device,
    Json,
    Overwrite,
    Precision,
    Quiet,
    Style,
    Threads,
    announce,
    make_stylizer,
    print_json,
    progress_bar,
    refuse_existing,
    say,
    summarise,
    warn,
)


def demo(
    output: Annotated[Path, typer.Argument(metavar="[OUTPUT]", help="The file to write.")] = Path("restyle-demo.mp4"),
    style: Style = DEFAULT_STYLE,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", min=0.1, max=600, help="Length of the clip.")] = 4,
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
    """Restyle a generated clip with sound. Needs nothing."""
    from tempfile import TemporaryDirectory

    refuse_existing(output, overwrite)
    stylizer = make_stylizer(style, backend=backend, device=device, precision=precision, batch=batch, threads=threads)
    if not quiet:
        announce(stylizer)
    from realtime.media.synthetic.demo import write_demo_clip

    with TemporaryDirectory(prefix="restyle-") as folder:
        clip = Path(folder) / "clip.mp4"
        write_demo_clip(clip, seconds=seconds)
        with progress_bar(show=not quiet) as progress:
            summary = stylizer.video(clip, output, compare=compare, overwrite=overwrite, progress=progress)
    summary["input"] = "generated"  # the clip itself is gone
    if not quiet:
        summarise(summary)
        say(f"The result is in {output.resolve()}")
    warn(summary)
    if json:
        print_json(summary)
