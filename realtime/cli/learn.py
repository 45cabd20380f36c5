"""`restyle learn`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import clock, every, print_json, say
from realtime.options import ConsoleOptions, LearnOptions
from realtime.results import TrainProgress

Painting = Annotated[Path, typer.Argument(metavar="PAINTING", help="Any picture.", show_default=False)]
Output = Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .safetensors file to write.", show_default=False)]


def learn(*, painting: Painting, output: Output, options: LearnOptions, console: ConsoleOptions) -> None:
    """Make a style file of any painting, polished for some minutes.

    Ctrl-C stops the polish after its current step; the same command with --resume continues it.
    """
    from realtime.training.learn_files import check_files

    check_files(painting, output, options)
    from realtime.training.learn import learn as run

    summary = run(painting, output, options, report=None if console.quiet else _reporter())
    if not console.quiet:
        if summary.finished:
            say(f"{summary.output}: {summary.steps} steps in {clock(summary.seconds)} on {summary.device}")
        else:
            say(f"{summary.output}: stopped after {summary.steps} steps; continue with --resume")
    if console.json:
        print_json(summary.to_json())
    if summary.interrupted:
        raise typer.Exit(130)


def _reporter() -> Callable[[TrainProgress], None]:
    """Prints the progress of the polish every five seconds."""
    due = every(5)

    def report(now: TrainProgress) -> None:
        if due():
            losses = "  ".join(f"{name} {now.losses[name]:.4g}" for name in ("content", "style"))
            say(f"step {now.step} of about {now.steps}  {losses}  {clock(now.seconds_left)} left")

    return report
