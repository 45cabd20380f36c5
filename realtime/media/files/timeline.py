"""The times of an output's pictures: on its own clock, strictly ascending, each with a duration."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from realtime.frames import Frame
from realtime.media.files.output_spec import OutputSpec

_GIF_SHORTEST = 2
"""Ticks: players show anything shorter for a tenth of a second."""
_HEADER_PRECISION = Fraction(2, 1000)
_MOST_DURATIONS = 1024
"""Far more than the pictures that an encoder or a fragment holds back."""


class Timeline:
    """Gives each frame its time in the output, and each picture its duration.

    Attributes:
        shift: seconds that are subtracted from all times of the source.
        omitted: frames for which a GIF has no time.
    """

    def __init__(self, spec: OutputSpec, stream: Any) -> None:
        """`stream` is PyAV's, of an output that has been started: its clock is known then."""
        self.shift = spec.shift
        self.omitted = 0
        self._spec, self._base = spec, spec.time_base
        self._is_gif = spec.encoder == "gif"
        # Two pictures never share a tick of the container's own clock (a millisecond in Matroska).
        clock = Fraction(stream.time_base or self._base)
        self._shortest = max(1, math.ceil(clock / self._base))
        self._step = spec.step
        self._last: int | None = None
        self._last_duration = 0
        self._durations: dict[int, int] = {}
        self._durations_wrong = False

    def place(self, frame: Frame) -> int | None:
        """The frame's time in units of the output's time base; None where it is to be left out."""
        pts = self._ticks(frame.pts, frame.time_base) - round(self.shift / self._base)
        if self._last is None:
            if pts < 0:
                # An edit list would hide what lies before 0. The other streams are moved by as much.
                self.shift += pts * self._base
                pts = 0
        elif self._is_gif and pts < self._last + _GIF_SHORTEST:
            self.omitted += 1
            return None
        else:
            pts = max(pts, self._last + self._shortest)
        duration = self._ticks(frame.duration, frame.time_base) if frame.duration else 0
        if self._last is not None:
            self._step = pts - self._last
            if abs(self._last_duration - self._step) > 1:
                self._durations_wrong = True
            if self._last in self._durations:
                self._durations[self._last] = self._step
        if len(self._durations) > _MOST_DURATIONS:
            self._durations.clear()
        self._last, self._last_duration = pts, duration
        self._durations[pts] = duration or self._step
        return pts

    def _ticks(self, stamp: int, base: Fraction) -> int:
        return stamp if base == self._base else round(stamp * base / self._base)

    def duration(self, pts: int) -> int:
        """For how long a picture is shown, to be asked for once. Not every encoder hands the duration on."""
        return self._durations.pop(pts, self._step)

    def end(self, frames: int) -> None:
        """Set the duration of the last picture, as the source's header or the last frame tells it.

        MP4 stores the time between decoding times, which with B-frames and a variable rate is not that of showing. So
        where there is no header, and the other durations have proved wrong, it is the mean.

        Args:
            frames: how many were written.
        """
        source, base, last = self._spec.source, self._base, self._last
        if last is None or last not in self._durations:
            return
        if source.shown and source.frames == frames:
            # Counted from zero, with the pause before a late first picture.
            left = round(Fraction(source.shown) / base) - last
            if left > 0 and abs(left - self._durations[last]) * base > _HEADER_PRECISION:
                self._durations[last] = left
        elif self._durations_wrong:
            left = 0 if source.end is None else round(Fraction(source.end) / base) - last
            self._durations[last] = left if left > 0 else max(1, round(1 / source.rate / base))
