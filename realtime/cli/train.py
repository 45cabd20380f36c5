"""`restyle train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.command import Given
from realtime.cli.common import clock, every, print_json, say
from realtime.options import ConsoleOptions, TrainFiles, TrainOptions
from realtime.results import TrainProgress

StyleImage = Annotated[
    Path | None,
    typer.Argument(metavar="[STYLE_IMAGE]", help="The painting; not needed with --resume.", show_default=False),
]


def train(
    *,
    style_image: StyleImage = None,
    files: TrainFiles,
    options: TrainOptions,
    given: Given,
    console: ConsoleOptions,
) -> None:
    """Train a style from a painting and photographs.

    Ctrl-C stops a run after its current step; restyle train --resume FILE continues it.
    On several GPUs or machines: torchrun --nproc-per-node 4 -m realtime.cli train ...
    """
    if files.resume is None and style_image is None:
        raise typer.BadParameter("STYLE_IMAGE is missing; a new run needs it.")
    from realtime.training.devices import is_main_process
    from realtime.training.run import TrainingRun
    from realtime.training.trainer import resume
    from realtime.training.trainer import train as run

    report = None if console.quiet else _reporter()
    if files.resume is not None:
        changes = {field.name: getattr(options, field.name) for field in TrainOptions.fields() if field.name in given}
        summary = resume(files.resume, style_image=style_image, content=files.content, options=changes, report=report)
    else:
        assert style_image is not None and files.content is not None and files.output is not None
        new = TrainingRun.new(style_image, files.content, files.output, options)
        summary = run(new, overwrite=files.overwrite, report=report)
    if not is_main_process():
        return  # the first process reports for all
    if not console.quiet:
        rest = "" if summary.finished else f"; continue with --resume {summary.output}"
        say(
            f"{summary.output}: step {summary.steps} after {clock(summary.seconds)}"
            f" on {summary.device}, {summary.precision}{rest}"
        )
    if console.json:
        print_json(summary.to_json())
    if summary.interrupted:
        raise typer.Exit(130)


def _reporter() -> Callable[[TrainProgress], None]:
    """Prints the progress of a run every ten seconds."""
    due = every(10)

    def report(now: TrainProgress) -> None:
        if due() or now.step == now.steps:
            losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
            say(f"step {now.step}/{now.steps}  {losses}  {clock(now.seconds_left)} left")

    return report
