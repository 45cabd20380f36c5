"""Restyles one video file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime import pipeline
from realtime.engines.base import OnDevice, Trace
from realtime.errors import InputError
from realtime.frames import Frame
from realtime.jobs.painter import Painter
from realtime.jobs.scene_tracking import tracked
from realtime.jobs.timeline import for_film
from realtime.media.convert.split_screen import compare
from realtime.media.files.disk_space import check_space
from realtime.media.files.fragments import work_folder
from realtime.media.files.image_sequence import SequenceWriter, is_sequence
from realtime.media.files.reader import VideoReader
from realtime.media.files.resumable import ResumableWriter
from realtime.media.files.surfaces import CudaSurfaces
from realtime.media.files.writer import OutputWriter, VideoWriter
from realtime.options import VideoOptions
from realtime.results import Progress, StageSummary, VideoSummary

Report = Callable[[Progress], None]
"""Is told, about ten times a second, how far a job is."""


def restyle_video(
    painter: Painter,
    input: str | Path,
    output: str | Path,
    options: VideoOptions = VideoOptions(),
    *,
    progress: Report | None = None,
    cancel: threading.Event | None = None,
    trace: Trace | None = None,
    join_parts: bool = False,
) -> VideoSummary:
    """Restyles a video file. Sound, subtitles and metadata are kept; every frame keeps its time.

    Args:
        painter: the style.
        input, output: files. The output appears under its name when it is complete, and not before.
        options: see `VideoOptions`.
        progress: called in this thread.
        cancel: set it to end the run early; nothing is left then, except with `resume`.
        trace: told of each piece of work ("open", "decode", "infer", "paint", "encode", "finish"), by the thread that
            did it; see `realtime.benchmark.trace`.
        join_parts: the parts have been made by `paint_part`, and are kept although `overwrite` is given.

    Raises:
        InputError: a file or an option is wrong; nothing was written.
        DiskFull: the output does not fit; with `resume`, what is done is kept.
        RestyleError: the work failed; nothing is left of the output, unless it can be resumed.
    """
    engine = painter.engine
    if options.skip_existing and Path(output).is_file():
        return _skipped(painter, input, output)
    painter.check_paint(options)
    begun = time.perf_counter()
    surfaces = device_surfaces(painter)
    # With `compare` the CPU needs the source, so that it is decoded there.
    source = None if options.compare and options.decoder == "auto" else surfaces
    with VideoReader(
        input,
        start=options.start,
        end=options.end,
        size=options.size,
        hdr=options.hdr,
        decoder=options.decoder,
        surfaces=source,
    ) as reader:
        painter = for_film(painter, reader, options)
        plan = _Plan(painter, reader, output, options)
        with plan.open_writer(None if options.compare or plan.large else surfaces, join_parts) as writer:
            on_device = isinstance(writer, OutputWriter) and writer.takes_surfaces
            work = painting(painter, options, on_device=on_device, trace=trace)
            started = time.perf_counter()
            if trace is not None:
                trace("open", (), begun, started)
            report = pipeline.run(
                tracked(painter, reader),  # from the first frame on, those that an earlier run has painted included
                _Skip(plan.resumed, work) if plan.resumed else work,
                writer.write,
                **pipeline_sizes(painter, large=plan.large),
                fits=Frame.batches_with,
                progress=frames_reporter(progress, plan.total, started),
                cancel=cancel,
                trace=trace,
            )
            finishing = time.perf_counter()
            written = writer.finish()
            ended = time.perf_counter()
            if trace is not None:
                trace("finish", (), finishing, ended)
    seconds = ended - started
    return VideoSummary(
        input=str(input),
        output=str(output),
        style=painter.style.name,
        frames=written.frames,
        seconds=round(seconds, 4),
        fps=round(written.frames / seconds, 2),
        backend=engine.backend,
        device=engine.device,
        precision=engine.precision,
        decoder=reader.decoder,
        encoder=written.encoder,
        audio_streams=written.audio_streams,
        working_size=f"{reader.width}x{reader.height}",
        stages={
            name: StageSummary(round(stage.busy_seconds, 4), round(stage.fps, 2))
            for name, stage in report.stages.items()
        },
        copied=tuple(written.copied),
        converted=tuple(written.converted),
        dropped=tuple(written.dropped),
        notes=(*engine.notes, *reader.notes, *written.notes, *plan.notes),
        warnings=(*reader.warnings, *plan.warnings),
        resumed=plan.resumed,
    )


@dataclass
class _Plan:
    """What is known before the first frame: the number of frames, their size, and what the user should know."""

    painter: Painter
    reader: VideoReader
    output: str | Path
    options: VideoOptions
    total: int | None = None
    large: bool = False
    resumed: int = 0
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        reader, options, output = self.reader, self.options, self.output
        self.total = total = reader.total_frames
        self.large = self.painter.is_large(reader.width, reader.height)
        if note := self.painter.size_note(reader.width, reader.height):
            self.notes.append(note)
        size, copies = (reader.width, reader.height), 2 if options.resume else 1
        if warning := check_space(Path(output), reader.info, size=size, frames=total, copies=copies):
            self.warnings.append(warning)
        if not options.resume and work_folder(output).is_dir():
            self.notes.append(f"{work_folder(output)}: holds unfinished work on this output, which --resume continues")

    def open_writer(self, surfaces: CudaSurfaces | None, join_parts: bool) -> OutputWriter | SequenceWriter:
        """The writer that the output's name and the options ask for."""
        options = self.options
        if is_sequence(self.output):
            if options.resume:
                raise InputError(f"{self.output}: images cannot be resumed; leave --resume out")
            return SequenceWriter(self.output, self.reader, overwrite=options.overwrite)
        if not options.resume and not join_parts:
            return VideoWriter(
                self.output,
                self.reader,
                encoder=options.encoder,
                quality=options.quality,
                overwrite=options.overwrite,
                surfaces=surfaces,
            )
        writer = ResumableWriter(
            self.output,
            self.reader,
            job=identity(self.painter, options),
            encoder=options.encoder,
            quality=options.quality,
            overwrite=options.overwrite,
            discard_existing=options.overwrite and not join_parts,
        )
        self.resumed = writer.frames_done
        return writer


def identity(painter: Painter, options: VideoOptions) -> dict[str, Any]:
    """What the pictures of an output depend on, beside its source and its encoder: work is resumed only if it is the
    same."""
    return {
        "style": painter.fingerprint,
        "engine": [painter.engine.backend, painter.engine.precision],
        "strength": options.strength,
        "keep_color": options.keep_color,
        **({"texture": options.texture} if painter.takes_texture else {}),
        "compare": options.compare,
        "start": options.start,
        "end": options.end,
        "hdr": options.hdr,
    }


def painting(
    painter: Painter, options: VideoOptions, *, on_device: bool = False, trace: Trace | None = None
) -> Callable[[list[Frame]], pipeline.Future[Frame]]:
    """The work of the pipeline's second stage."""

    def paint(frames: list[Frame]) -> pipeline.Future[Frame]:
        wait = painter.begin(frames, options, on_device=on_device, trace=trace)
        if not options.compare:
            return pipeline.Future(wait)
        return pipeline.Future(lambda: [compare(a, b) for a, b in zip(frames, wait(), strict=True)])

    return paint


def device_surfaces(painter: Painter) -> CudaSurfaces | None:
    """Frames that stay on the engine's GPU; None where the engine is not on one."""
    engine = painter.engine
    return CudaSurfaces(engine.index, engine.bind) if isinstance(engine, OnDevice) else None


def pipeline_sizes(painter: Painter, *, large: bool) -> dict[str, Any]:
    """Batch size and queue lengths. Very large frames fill the memory, so that few of them are under way at a time."""
    if large:
        return {"batch": 1, "ahead": 0, "depth": 1}
    return {"batch": painter.engine.batch, "ahead": painter.engine.ahead, "depth": 4}


def frames_reporter(progress: Report | None, total: int | None, started: float) -> Callable[[int], None] | None:
    """Makes a `Progress` of the pipeline's frame count."""
    if progress is None:
        return None
    return lambda frames: progress(Progress(frames, total, time.perf_counter() - started))


def _skipped(painter: Painter, input: str | Path, output: str | Path) -> VideoSummary:
    """The summary of a video that was not restyled because its output exists."""
    return VideoSummary(
        input=str(input),
        output=str(output),
        style=painter.style.name,
        status="skipped",
        backend=painter.engine.backend,
        device=painter.engine.device,
        precision=painter.engine.precision,
        stages={name: StageSummary() for name in pipeline.STAGES},
        notes=("skipped: the output exists",),
        skipped=True,
    )


class _Skip:
    """Work that leaves the first frames as they are: an earlier run has made them."""

    def __init__(self, frames: int, work: Callable[[list[Frame]], pipeline.Future[Frame]]) -> None:
        self._left, self._work = frames, work

    def __call__(self, frames: list[Frame]) -> pipeline.Future[Frame]:
        passed = min(self._left, len(frames))
        self._left -= passed
        if passed == len(frames):
            return pipeline.Future(lambda: frames)
        rest = self._work(frames[passed:])
        return pipeline.Future(lambda: [*frames[:passed], *rest.result()])
