"""Clocks of live sources: rates, times, and whether a reader keeps up. The caller tells the time."""

from __future__ import annotations

from collections import deque
from typing import Literal

Skip = Literal["DEFAULT", "NONREF", "NONKEY"]
"""FFmpeg's `skip_frame`: pictures that a decoder leaves out."""

_JUMP_SECONDS = 30.0
_ASLEEP_SECONDS = 5.0
_RATE_FRAMES = 60
_FEWEST_FRAMES = 10
_BEHIND_SECONDS = 1.0
_EARLY, _LATE = 0.1, 0.5
_SMOOTHING = 0.05


class RateMeter:
    """Measures frames per second over the last pictures."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)

    def count(self, now: float) -> None:
        """Count a picture."""
        self._times.append(now)

    def restart(self) -> None:
        """Forget the pictures so far: the next does not follow on them."""
        self._times.clear()

    @property
    def rate(self) -> float | None:
        """Frames per second; None while there are too few pictures to tell."""
        if len(self._times) < _FEWEST_FRAMES or self._times[-1] <= self._times[0]:
            return None
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])


class Pace:
    """Holds a source that can be read at any speed to its own times."""

    def __init__(self) -> None:
        self._anchor: float | None = None
        self._last = 0.0

    def due(self, time: float, now: float) -> float:
        """When a picture is to be shown, on the clock of `now`, all in seconds.

        Args:
            time: of the picture in the source. After a jump of these times, the pictures continue at once.
            now: the present.
        """
        if self._anchor is None or not 0 <= time - self._last <= _JUMP_SECONDS:
            self._anchor = now - time
        self._last = time
        due = self._anchor + time
        if due < now - _ASLEEP_SECONDS:  # the machine was asleep: what was missed is not caught up
            self._anchor, due = now - time, now
        return due


class Timeline:
    """The offset from a source's own times to the clock of this process, smoothed over about the last second.

    Pictures can be late, because they waited somewhere, but never early: an early one sets the offset at once.
    """

    def __init__(self) -> None:
        self.offset: float | None = None

    def picture(self, time: float, captured: float) -> None:
        """Take in a picture: its time in the source, and when it was captured, in seconds."""
        offset = captured - time
        if self.offset is None or not -_EARLY < offset - self.offset < _LATE:
            self.offset = offset
        else:
            self.offset += _SMOOTHING * (offset - self.offset)


class Backlog:
    """Notices when more arrives than can be decoded, and tells what the decoder should leave out.

    A reader that keeps up waits for data most of the time. One that has not waited for a second has fallen behind, and
    decodes pictures that get older and older.
    """

    LEVELS: tuple[Skip, ...] = ("DEFAULT", "NONREF", "NONKEY")

    def __init__(self) -> None:
        self.level = 0
        self._since: float | None = None
        self._waited = 0.0

    def packet(self, waited: float, now: float) -> Skip:
        """What to leave out from now on.

        Args:
            waited: seconds for which the reader waited for this packet.
            now: the present, in seconds.
        """
        if self._since is None:
            self._since = now
        self._waited += waited
        span = now - self._since
        if span >= _BEHIND_SECONDS:
            share = self._waited / span
            if share < 0.01:
                self.level = min(self.level + 1, len(self.LEVELS) - 1)
            elif share > 0.1:
                self.level = 0
            self._since, self._waited = now, 0.0
        return self.LEVELS[self.level]
