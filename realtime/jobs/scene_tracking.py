"""The frames of a film at their places on the texture plane, for styles that have one.

A film is followed from its first frame. A part of it begins where the frames before it have led. A pass that only
decodes finds that: over each stretch between the beginnings of two parts (`stretches`, `travel_over`), side by side,
and then by adding up (`starts`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from realtime.engines.cuda.surfaces import luma_sums
from realtime.frames import Frame
from realtime.jobs.painter import Painter
from realtime.media.convert.scene_motion import SceneMotion, Travel
from realtime.media.files.fragments import Part
from realtime.media.files.reader import VideoReader
from realtime.media.files.surfaces import CudaSurfaces
from realtime.options import VideoOptions
from realtime.pipeline import Cancelled


def scene_motion(start: Travel = Travel()) -> SceneMotion:
    """Follows frames in the CPU's and in a device's memory."""
    return SceneMotion(start, luma_sums)


class TrackedFrames:
    """The frames of a reader, each at its place on the texture plane.

    Args:
        reader: where the frames come from; closed with this.
        start: how far the frames before have gone.
        begin: pts of the first frame that is handed out. Those before it are only looked at.
    """

    def __init__(self, reader: VideoReader, start: Travel = Travel(), begin: int | None = None) -> None:
        self._reader, self._start, self._begin = reader, start, begin

    def __iter__(self) -> Iterator[Frame]:
        motion = scene_motion(self._start)
        for frame in self._reader:
            placed = motion(frame)
            if self._begin is None or frame.pts >= self._begin:
                yield placed

    def close(self) -> None:
        """Closes the reader."""
        self._reader.close()


def tracked(
    painter: Painter, reader: VideoReader, start: Travel = Travel(), begin: int | None = None
) -> Iterable[Frame]:
    """The frames of a reader, at their places if the style takes the texture plane; see `TrackedFrames`."""
    return TrackedFrames(reader, start, begin) if painter.takes_texture else reader


Stretch = tuple[int | None, int]
"""Frames with first <= pts < stop of a file; None is the beginning."""


def stretches(parts: Sequence[Part]) -> list[Stretch]:
    """What lies between the beginnings of the parts of a film, and before the first.

    Each begins with the last frame of the one before, as there is motion between these two. The first is empty where
    the first part begins with the film.
    """
    begins = [None, *(part.before for part in parts[:-1])]
    return [(begin, part.begin) for begin, part in zip(begins, parts, strict=True)]


def travel_over(
    input: str | Path,
    stretch: Stretch,
    options: VideoOptions,
    surfaces: CudaSurfaces | None = None,
    cancel: threading.Event | None = None,
) -> Travel:
    """How far a stretch of a film goes. Its frames are decoded as they are for painting.

    Raises:
        Cancelled: `cancel` was set.
        RestyleError: the file cannot be read.
    """
    motion = scene_motion()
    with VideoReader(
        input, size=options.size, hdr=options.hdr, decoder=options.decoder, surfaces=surfaces, part=stretch
    ) as reader:
        for frame in reader:
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled")
            motion(frame)
    return motion.travel


def starts(travels: Sequence[Travel]) -> list[Travel]:
    """How far the frames before each part have gone, from the travels over the stretches."""
    return list(accumulate(travels, Travel.then))
