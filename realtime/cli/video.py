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
    StyleUnlessTimeline,
    check_style,
    finish,
    print_json,
    progress_bar,
    say,
    say_summary,
    warn,
)
from realtime.errors import one_line
from realtime.options import ConsoleOptions, MultiDeviceOptions, StyleOptions, TimelineOption, VideoOptions
from realtime.style.timeline import Timeline, read_timeline

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
    styles: TimelineOption,
    options: VideoOptions,
    style_options: StyleOptions,
    engine: MultiDeviceOptions,
    console: ConsoleOptions,
    style: StyleUnlessTimeline = None,
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
    wanted = _style_or_timeline(style, styles.timeline, style_options)
    from realtime.media.files.inputs import plan

    work = plan(paths[:-1], paths[-1], suffix=format)
    if isinstance(wanted, Timeline) and work.alone:
        _check_length(wanted, work.jobs[0].source)
    devices = _devices(engine.device)
    if profile is not None:
        _check_profile(profile, alone=work.alone, devices=devices, overwrite=options.overwrite)
    with _trace(profile) as trace, _opened(wanted, style_options, devices, engine, trace) as runner:
        if not console.quiet:
            label = wanted.label if isinstance(wanted, Timeline) else runner.style.label
            say(f"{label}: {runner.description}")
        with progress_bar(show=not console.quiet) as progress, _hint_to_resume(options.resume):
            more: dict[str, Any] = {"progress": progress}
            if isinstance(wanted, Timeline) and len(devices) == 1:
                more["timeline"] = wanted
            if work.alone:
                job = work.jobs[0]
                traced: dict[str, Any] = {} if trace is None else {"trace": trace}
                summary = runner.video(job.source, job.target, options, **traced, **more)
            else:
                done = partial(_tell, quiet=console.quiet)
                result = runner.videos(paths[:-1], paths[-1], options, format=format, done=done, **more)
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


def _style_or_timeline(style: str | None, timeline: str | None, options: StyleOptions) -> str | Timeline:
    """The style, or what was given in its place, checked as far as that needs no network."""
    if timeline is None:
        if style is None:
            raise typer.BadParameter("--style: name one; `restyle styles` lists them. Or give a --timeline.")
        check_style(style, options)
        return style
    if style is not None:
        raise typer.BadParameter("--timeline: names the styles, so leave --style out.")
    from realtime.style.check import check_timeline

    found = read_timeline(timeline)
    check_timeline(found, options)
    return found


def _check_length(timeline: Timeline, film: Path) -> None:
    """Refuses a timeline that is longer than the film, before anything heavy is imported."""
    from realtime.media.files.probe import probe

    seconds = probe(film).duration
    if seconds:
        timeline.check_length(seconds, film)


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
    style: str | Timeline,
    style_options: StyleOptions,
    devices: list[str],
    engine: MultiDeviceOptions,
    trace: ChromeTrace | None,
) -> Stylizer | MultiDevice:
    """The style, or the timeline, on one device or on several."""
    if len(devices) > 1:
        from realtime.jobs.multi_device import MultiDevice

        return MultiDevice(style, devices, engine, style_options)
    from realtime.stylizer import Stylizer

    began = time.perf_counter()
    stylizer = Stylizer(_first(style), engine.replace(device=devices[0]), style_options)
    if trace is not None:
        trace("load", (), began, time.perf_counter())
    return stylizer


def _first(style: str | Timeline) -> str:
    """The style to open first: of a timeline one that takes all options, if there is one."""
    if isinstance(style, str):
        return style
    from realtime.style.reference import parse_style

    return next((name for name in style.styles if parse_style(name).is_adjustable), style.styles[0])


@contextmanager
def _hint_to_resume(resume: bool) -> Iterator[None]:
    """Tells a user who interrupts the work how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if resume:
            say("what is done is kept; run the same command again to go on")
        raise
