"""`restyle train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.command import Given
from realtime.cli.common import clock, every, print_json, say
from realtime.option_fields import Options
from realtime.options import AnyTrainFiles, AnyTrainOptions, ConsoleOptions, TrainFiles, TrainOptions
from realtime.results import AnyTrainProgress, AnyTrainSummary, TrainProgress, TrainSummary

StyleImage = Annotated[
    Path | None,
    typer.Argument(metavar="[STYLE_IMAGE]", help="The painting; not with --resume or --any.", show_default=False),
]


def train(
    *,
    style_image: StyleImage = None,
    files: TrainFiles,
    options: TrainOptions,
    any_files: AnyTrainFiles,
    any_options: AnyTrainOptions,
    given: Given,
    console: ConsoleOptions,
) -> None:
    """Train a style from a painting and photographs; with --any the network that takes any painting.

    Ctrl-C stops a run after its current step; restyle train --resume FILE continues it.
    On several GPUs or machines: torchrun --nproc-per-node 4 -m realtime.cli train ...
    """
    if any_files.any and (style_image is not None or files.resume is not None):
        other = "STYLE_IMAGE" if files.resume is None else "--resume"
        raise typer.BadParameter(f"--any: cannot be given with {other}")
    if files.resume is None and style_image is None and not any_files.any:
        raise typer.BadParameter("STYLE_IMAGE is missing; a new run needs it, or --any DIR.")
    from realtime.training.any_painting.state import is_state_of_any_painting
    from realtime.training.devices import is_main_process

    for_any = bool(any_files.any) or (files.resume is not None and is_state_of_any_painting(files.resume))
    if for_any:
        _refuse_others(given, (TrainOptions, AnyTrainOptions), "training on one painting")
        summary: TrainSummary | AnyTrainSummary = _train_any(files, any_files, any_options, given, quiet=console.quiet)
    else:
        _refuse_others(given, (AnyTrainOptions, TrainOptions), "--any")
        if any_files.hold_out:
            raise typer.BadParameter("--hold-out: is for --any")
        summary = _train(style_image, files, options, given, quiet=console.quiet)
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


def _refuse_others(given: Given, kinds: tuple[type[Options], type[Options]], what: str) -> None:
    """Refuses options of the first class that the second does not have."""
    others, mine = ({field.name: field.flag for field in kind.fields()} for kind in kinds)
    for name, flag in others.items():
        if name in given and name not in mine:
            raise typer.BadParameter(f"{flag}: is for {what}")


def _train(
    style_image: Path | None, files: TrainFiles, options: TrainOptions, given: Given, *, quiet: bool
) -> TrainSummary:
    from realtime.training.run import TrainingRun
    from realtime.training.trainer import resume
    from realtime.training.trainer import train as run

    report = None if quiet else _reporter()
    if files.resume is not None:
        changes = {field.name: getattr(options, field.name) for field in TrainOptions.fields() if field.name in given}
        return resume(files.resume, style_image=style_image, content=files.content, options=changes, report=report)
    assert style_image is not None and files.content is not None and files.output is not None
    new = TrainingRun.new(style_image, files.content, files.output, options)
    return run(new, overwrite=files.overwrite, report=report)


def _train_any(
    files: TrainFiles, any_files: AnyTrainFiles, options: AnyTrainOptions, given: Given, *, quiet: bool
) -> AnyTrainSummary:
    from realtime.training.any_painting.run import AnyTrainRun
    from realtime.training.any_painting.trainer import resume_any, train_any

    report, note = (None, None) if quiet else (_any_reporter(), say)
    if files.resume is not None:
        changes = {f.name: getattr(options, f.name) for f in AnyTrainOptions.fields() if f.name in given}
        return resume_any(files.resume, options=changes, report=report, note=note)
    assert files.content is not None and files.output is not None
    run = AnyTrainRun.new(any_files.any, files.content, files.output, options, hold_out=any_files.hold_out)
    return train_any(run, overwrite=files.overwrite, report=report, note=note)


def _reporter() -> Callable[[TrainProgress], None]:
    """Prints the progress of a run every ten seconds."""
    due = every(10)

    def report(now: TrainProgress) -> None:
        if due() or now.step == now.steps:
            losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
            say(f"step {now.step}/{now.steps}  {losses}  {clock(now.seconds_left)} left")

    return report


def _any_reporter() -> Callable[[AnyTrainProgress], None]:
    """Prints the progress of a run every ten seconds."""
    due = every(10)

    def report(now: AnyTrainProgress) -> None:
        if due() or now.share >= 1:
            losses = "  ".join(f"{name} {value:.3g}" for name, value in now.losses.items())
            pace = (
                f"{now.steps_per_second:.2f} steps/s"
                if now.steps_per_second >= 1
                else f"{1 / now.steps_per_second:.2f} s/step"
            )
            say(f"step {now.step}  {now.share:.1%}  {losses}  {pace}  {clock(now.seconds_left)} left")

    return report
