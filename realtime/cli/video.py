"""`restyle video`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from realtime.cli.common import (
    Backend,
    Batch,
    Debug,
    Devices,
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
    one_line,
    print_json,
    progress_bar,
    say,
    summarise,
    warn,
)

if TYPE_CHECKING:
    from realtime.jobs.multi_device import Fleet
    from realtime.stylizer import Stylizer

HdrName = Literal["tonemap", "error"]
DecoderName = Literal["auto", "software", "cuda"]


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
    profile: Annotated[
        Path | None,
        typer.Option(
            "--profile", metavar="FILE", help="Write what each thread did with each frame: JSON for ui.perfetto.dev."
        ),
    ] = None,
    hdr: Annotated[
        HdrName, typer.Option("--hdr", help="HDR (PQ, HLG): make it SDR in bt709, or refuse it.")
    ] = "tonemap",
    decoder: Annotated[
        DecoderName,
        typer.Option("--decoder", help="Where video is decoded; cuda: on the GPU that paints, and frames stay there."),
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what is done beside the output, and go on from there the next time.")
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what has been restyled: its output exists.")
    ] = False,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="EXT", help="Container of the files in a folder. [default: as the source]"),
    ] = None,
    overwrite: Overwrite = False,
    backend: Backend = "auto",
    device: Devices = "auto",
    precision: Precision = "auto",
    batch: Batch = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Restyle a video file, or many into a folder. Audio, subtitles and metadata are kept."""
    from realtime.media.files.inputs import plan

    work = plan(paths[:-1], paths[-1], suffix=format)
    trace = None
    if profile is not None:
        from realtime.benchmark.files import check_target
        from realtime.benchmark.trace import ChromeTrace

        if not work.alone:
            raise typer.BadParameter("--profile is for one video.")
        check_target(profile, overwrite=overwrite)
        trace = ChromeTrace()
    if device == "all" or "," in device:
        from realtime.jobs.multi_device import expand

        devices = expand(device)
    else:
        devices = [device]
    if trace is not None and len(devices) > 1:
        raise typer.BadParameter("--profile is for one device.")
    began = time.perf_counter()
    engine: dict[str, Any] = {"backend": backend, "precision": precision, "batch": batch, "threads": threads}
    stylizer: Stylizer | Fleet
    if len(devices) > 1:
        from realtime.jobs.multi_device import Fleet

        stylizer = Fleet(style, devices, **engine)
    else:
        stylizer = make_stylizer(style, device=devices[0], **engine)
    if trace is not None:
        trace("load", (), began, time.perf_counter())
    if not quiet:
        announce(stylizer)
    options: dict[str, Any] = {
        "strength": strength,
        "keep_color": keep_color,
        "size": size,
        "start": start,
        "end": end,
        "encoder": encoder,
        "quality": quality,
        "compare": compare,
        "overwrite": overwrite,
        "hdr": hdr,
        "decoder": decoder,
        "resume": resume,
        "skip_existing": skip_existing,
    }
    if not work.alone:
        _many(stylizer, paths, format, options, quiet=quiet, json=json)
        return
    with _ending(stylizer), progress_bar(show=not quiet) as progress, _resumable(resume):
        summary = stylizer.video(work.jobs[0].source, work.jobs[0].target, progress=progress, trace=trace, **options)
    if trace is not None and profile is not None:
        trace.save(profile)
    if not quiet:
        summarise(summary)
    warn(summary)
    if json:
        print_json(summary)


def _many(
    stylizer: Stylizer | Fleet,
    paths: list[Path],
    format: str | None,
    options: dict[str, Any],
    *,
    quiet: bool,
    json: bool,
) -> None:
    """Restyles several videos, says what became of each, and ends with exit code 1 where one has failed."""

    def done(entry: dict[str, Any]) -> None:
        if entry["status"] == "failed":
            say(f"failed: {one_line(entry['error'])}")
        elif not quiet and entry["status"] == "skipped":
            say(f"{entry['output']}: exists, skipped")
        elif not quiet:
            summarise(entry)
        warn(entry)

    with _ending(stylizer), progress_bar(show=not quiet) as progress, _resumable(bool(options["resume"])):
        summary = stylizer.videos(paths[:-1], paths[-1], format=format, done=done, progress=progress, **options)
    if not quiet:
        say(
            f"{summary['output']}: {summary['done']} restyled, {summary['skipped']} skipped, {summary['failed']} "
            f"failed; {summary['frames']} frames in {summary['seconds']:.1f} s, {summary['fps']:.1f} fps"
        )
    if json:
        print_json(summary)
    if summary["failed"]:
        raise typer.Exit(1)


@contextmanager
def _ending(stylizer: Stylizer | Fleet) -> Iterator[None]:
    """Processes on other devices end with the work."""
    try:
        yield
    finally:
        close = getattr(stylizer, "close", None)
        if close is not None:
            close()


@contextmanager
def _resumable(resume: bool) -> Iterator[None]:
    """Tells someone who interrupts the work how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if resume:
            say("what is done is kept; run the same command again to go on")
        raise
