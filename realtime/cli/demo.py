"""`restyle demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import (
    DEFAULT_STYLE,
    Style,
    check_style,
    print_json,
    progress_bar,
    refuse_existing,
    say,
    say_summary,
    warn,
)
from realtime.options import ConsoleOptions, DemoOptions, EngineOptions, StyleOptions


def demo(
    options: DemoOptions,
    style_options: StyleOptions,
    engine: EngineOptions,
    console: ConsoleOptions,
    output: Annotated[Path, typer.Argument(metavar="[OUTPUT]", help="The file to write.")] = Path("restyle-demo.mp4"),
    style: Style = DEFAULT_STYLE,
) -> None:
    """Restyle a generated clip with sound. Needs nothing."""
    from tempfile import TemporaryDirectory

    refuse_existing(output, options.overwrite)
    check_style(style, style_options)
    from realtime.media.synthetic.demo import write_demo_clip
    from realtime.stylizer import Stylizer

    with Stylizer(style, engine, style_options) as stylizer, TemporaryDirectory(prefix="restyle-") as folder:
        if not console.quiet:
            say(f"{stylizer.style.label}: {stylizer.description}")
        clip = Path(folder) / "clip.mp4"
        write_demo_clip(clip, seconds=options.seconds, size=options.size)
        with progress_bar(show=not console.quiet) as progress:
            summary = stylizer.video(
                clip, output, compare=options.compare, overwrite=options.overwrite, progress=progress
            )
    summary = summary.replace(input="generated")  # the clip itself is deleted
    if not console.quiet:
        say_summary(summary)
        say(f"The result is in {output.resolve()}")
    warn(summary)
    if console.json:
        print_json(summary.to_json())
