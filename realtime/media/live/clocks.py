"""The clocks of live sources: rates, times, and whether a reader keeps up. Nothing here looks at a clock by itself."""

from __future__ import annotations

from collections import deque
from typing import Literal

Skip = Literal["DEFAULT", "NONREF", "NONKEY"]

_JUMP_SECONDS = 30.0
_ASLEEP_SECONDS = 5.0
_RATE_FRAMES = 60
_BEHIND_SECONDS = 1.0
_EARLY, _LATE = 0.1, 0.5
_SMOOTHING = 0.05


class RateMeter:
    """Pictures per second, counted over the last ones that came."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)

    def count(self, now: float) -> None:
        """A picture came."""
        self._times.append(now)

    def restart(self) -> None:
        """What comes next does not follow on what came."""
        self._times.clear()

    @property
    def rate(self) -> float | None:
        """Frames per second; None before there are enough to tell."""
        if len(self._times) < 10 or self._times[-1] <= self._times[0]:
            return None
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])


class Pace:
    """Holds a source that comes at any speed to its own."""

    def __init__(self) -> None:
        self._anchor: float | None = None
        self._last = 0.0

    def due(self, time: float, now: float) -> float:
        """When a picture is to be shown, on the clock of `now`.

        Args:
            time: of the picture in the source, in seconds. Where it jumps, the pictures go on at once.
            now: the present.
        """
        if self._anchor is None or not 0 <= time - self._last <= _JUMP_SECONDS:
            self._anchor = now - time
        self._last = time
        due = self._anchor + time
        if due < now - _ASLEEP_SECONDS:  # the machine was asleep: no race through what was missed
            self._anchor, due = now - time, now
        return due


class Timeline:
    """How a source's own times stand to the clock of this process, smoothed over the pictures of the last second.

    Pictures that waited somewhere arrive late, never early: an earlier one sets the clock at once.
    """

    def __init__(self) -> None:
        self.offset: float | None = None

    def picture(self, time: float, captured: float) -> None:
        """A picture of this time in the source was captured then."""
        offset = captured - time
        if self.offset is None or not -_EARLY < offset - self.offset < _LATE:
            self.offset = offset
        else:
            self.offset += _SMOOTHING * (offset - self.offset)


class Backlog:
    """Notices when more comes than can be decoded, and says what the decoder should leave out.

    A reader that keeps up waits for data most of the time. One that never waits for a second has fallen behind, and
    what it decodes grows older and older.
    """

    LEVELS: tuple[Skip, ...] = ("DEFAULT", "NONREF", "NONKEY")

    def __init__(self) -> None:
        self.level = 0
        self._since: float | None = None
        self._waited = 0.0

    def packet(self, waited: float, now: float) -> Skip:
        """FFmpeg's `skip_frame` from now on.

        Args:
            waited: seconds in which the reader had nothing to do before this packet.
            now: the present.
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
