"""A video in parts: planned from the file's packets, painted by several processes, joined without re-encoding.

`plan_parts` says what the parts are, `paint_part` makes one, and `restyle_video` with `join_parts` puts them together.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from realtime import pipeline
from realtime.frames import Frame
from realtime.jobs.painter import Painter
from realtime.jobs.scene_tracking import tracked
from realtime.jobs.timeline import for_film
from realtime.jobs.video import Report, device_surfaces, frames_reporter, identity, painting, pipeline_sizes
from realtime.media.convert.scene_motion import Travel
from realtime.media.files.fragments import Part
from realtime.media.files.frame_times import picture_times
from realtime.media.files.reader import VideoReader
from realtime.media.files.resumable import ResumableWriter
from realtime.options import VideoOptions
from realtime.results import PartSummary, StageSummary


def plan_parts(
    painter: Painter, input: str | Path, output: str | Path, count: int, options: VideoOptions
) -> tuple[list[Part], int]:
    """Begins the work on an output that several processes will share.

    Args:
        painter: the style.
        input, output: files.
        count: number of processes.
        options: as for `restyle_video`; without `resume` earlier work is thrown away.

    Returns:
        the parts that are to be made before they are joined, and the number of frames that earlier work has made.

    Raises:
        Unclear: the packets do not tell the time of every frame.
        InputError: as for `restyle_video`.
    """
    with VideoReader(input, size=options.size, hdr=options.hdr, decoder="software") as reader:
        painter = for_film(painter, reader, options)
        times = picture_times(input, reader.info)
        writer = ResumableWriter(
            output,
            reader,
            job=identity(painter, options),
            encoder=options.encoder,
            quality=options.quality,
            overwrite=options.overwrite,
            discard_existing=options.overwrite or not options.resume,
        )
        try:
            return writer.split(times, count)
        finally:
            writer.close()


def paint_part(
    painter: Painter,
    input: str | Path,
    output: str | Path,
    part: Part,
    options: VideoOptions,
    *,
    start: Travel = Travel(),
    progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> PartSummary:
    """Makes one part of an output that `plan_parts` has begun.

    Args:
        painter: the style.
        input, output: files.
        part: what to make.
        options: those that were given to `plan_parts`.
        start: how far the frames before the part have gone on the texture plane (`scene_tracking.starts`).
        progress, cancel: as for `restyle_video`.

    Raises:
        RestyleError: as for `restyle_video`. The fragments that are finished are kept.
    """
    started = time.perf_counter()
    surfaces = None if options.compare and options.decoder == "auto" else device_surfaces(painter)
    # The motion to the part's first frame begins at the frame before.
    follows = painter.takes_texture and part.before is not None
    with (
        VideoReader(
            input,
            size=options.size,
            hdr=options.hdr,
            decoder=options.decoder,
            surfaces=surfaces,
            part=(part.before if follows else part.begin, part.stop),
        ) as reader,
        ResumableWriter(
            output,
            reader,
            job=identity(painter, options),
            part=part.first,
            encoder=options.encoder,
            quality=options.quality,
            overwrite=options.overwrite,
        ) as writer,
    ):
        report = pipeline.run(
            tracked(painter, reader, start, part.begin),
            painting(for_film(painter, reader, options), options),
            writer.write,
            **pipeline_sizes(painter, large=painter.is_large(reader.width, reader.height)),
            fits=Frame.batches_with,
            progress=frames_reporter(progress, None, started),
            cancel=cancel,
        )
        frames = writer.finish().frames
    return PartSummary(
        frames=frames,
        stages={name: StageSummary(stage.busy_seconds, stage.fps) for name, stage in report.stages.items()},
        decoder=reader.decoder,
        notes=(*painter.engine.notes, *reader.notes),
    )
