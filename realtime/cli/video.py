"""`restyle video`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.cli.common import (
    Style,
    check_style,
    finish,
    print_json,
    progress_bar,
    say,
    say_summary,
    warn,
)
from realtime.errors import one_line
from realtime.options import ConsoleOptions, MultiDeviceOptions, StyleOptions, VideoOptions

if TYPE_CHECKING:
    from realtime.benchmark.trace import ChromeTrace
    from realtime.jobs.batch import Entry
    from realtime.jobs.multi_device import MultiDevice
    from realtime.stylizer import Stylizer


def _paths(paths: list[Path]) -> list[Path]:
    if len(paths) < 2:
        raise typer.BadParameter("give at least one video, and the OUTPUT: the file or folder to write.")
    return paths


def video(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT... OUTPUT",
            help="Videos, folders of videos or patterns; last, the file (its ending says the container) or the folder "
            "to write.",
            show_default=False,
            callback=_paths,
        ),
    ],
    style: Style,
    options: VideoOptions,
    style_options: StyleOptions,
    engine: MultiDeviceOptions,
    console: ConsoleOptions,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="EXT",
            help="Container of the files in a folder. [default: as the source]",
            rich_help_panel="Output",
        ),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            "--profile",
            metavar="FILE",
            help="Write what each thread did with each frame: JSON for ui.perfetto.dev.",
            rich_help_panel="Output",
        ),
    ] = None,
) -> None:
    """Restyle a video file, or many into a folder. Audio, subtitles and metadata are kept."""
    check_style(style, style_options)
    from realtime.media.files.inputs import plan

    work = plan(paths[:-1], paths[-1], suffix=format)
    devices = _devices(engine.device)
    if profile is not None:
        _check_profile(profile, alone=work.alone, devices=devices, overwrite=options.overwrite)
    with _trace(profile) as trace, _opened(style, style_options, devices, engine, trace) as runner:
        if not console.quiet:
            say(f"{runner.style.label}: {runner.description}")
        with progress_bar(show=not console.quiet) as progress, _hint_to_resume(options.resume):
            if work.alone:
                job = work.jobs[0]
                traced: dict[str, Any] = {} if trace is None else {"trace": trace}
                summary = runner.video(job.source, job.target, options, progress=progress, **traced)
            else:
                done = partial(_tell, quiet=console.quiet)
                result = runner.videos(paths[:-1], paths[-1], options, format=format, done=done, progress=progress)
    if work.alone:
        _tell(summary, quiet=console.quiet)
        if console.json:
            print_json(summary.to_json())
        return
    if not console.quiet:
        say(
            f"{result.output}: {result.done} restyled, {result.skipped} skipped, {result.failed} failed;"
            f" {result.frames} frames in {result.seconds:.1f} s, {result.fps:.1f} fps"
        )
    finish(result, json=console.json)


def _tell(entry: Entry, *, quiet: bool) -> None:
    """Says what became of one file."""
    if entry.status == "failed":
        say(f"failed: {one_line(entry.error)}")
        return
    if not quiet and entry.skipped:
        say(f"{entry.output}: exists, skipped")
    elif not quiet:
        say_summary(entry)
    warn(entry)


def _devices(device: str) -> list[str]:
    """The devices that the option names."""
    if device != "all" and "," not in device:
        return [device]
    from realtime.jobs.multi_device import expand

    return expand(device)


def _check_profile(path: Path, *, alone: bool, devices: list[str], overwrite: bool) -> None:
    from realtime.benchmark.files import check_target

    if not alone:
        raise typer.BadParameter("--profile is for one video.")
    if len(devices) > 1:
        raise typer.BadParameter("--profile is for one device.")
    check_target(path, overwrite=overwrite)


@contextmanager
def _trace(path: Path | None) -> Iterator[ChromeTrace | None]:
    """A recorder of each thread's work, which is saved after a run without an error; None without a path."""
    if path is None:
        yield None
        return
    from realtime.benchmark.trace import ChromeTrace

    trace = ChromeTrace()
    yield trace
    trace.save(path)


def _opened(
    style: str,
    style_options: StyleOptions,
    devices: list[str],
    engine: MultiDeviceOptions,
    trace: ChromeTrace | None,
) -> Stylizer | MultiDevice:
    """The style on one device, or on several."""
    if len(devices) > 1:
        from realtime.jobs.multi_device import MultiDevice

        return MultiDevice(style, devices, engine, style_options)
    from realtime.stylizer import Stylizer

    began = time.perf_counter()
    stylizer = Stylizer(style, engine.replace(device=devices[0]), style_options)
    if trace is not None:
        trace("load", (), began, time.perf_counter())
    return stylizer


@contextmanager
def _hint_to_resume(resume: bool) -> Iterator[None]:
    """Tells a user who interrupts the work how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if resume:
            say("what is done is kept; run the same command again to go on")
        raise
