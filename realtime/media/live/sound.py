"""Sound beside a live picture: pieces, each with the time at which it was heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST_CHUNKS = 2000
_CLOCK_WINDOW = 200


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound.

    Attributes:
        samples: (channels, N) float32, -1 to 1.
        rate: samples per second.
        time: when its first sample was heard, in seconds of `time.perf_counter`.
    """

    samples: np.ndarray
    rate: int
    time: float


class SoundFeed:
    """Sound on its way from a source's thread to a recorder's. Keeps nothing while nobody listens."""

    def __init__(self) -> None:
        self._chunks: deque[Sound] = deque(maxlen=_MOST_CHUNKS)  # a recorder that stalls must not fill the memory
        self._listening = False

    @property
    def listening(self) -> bool:
        """Whether somebody wants the sound: where not, a source need not decode it."""
        return self._listening

    def listen(self, wanted: bool) -> None:
        """Begin to keep sound, or forget what there is and stop."""
        self._listening = wanted
        if not wanted:
            self._chunks.clear()

    def put(self, sound: Sound) -> None:
        """Add a piece, if it is wanted."""
        if self._listening:
            self._chunks.append(sound)

    def take(self) -> Iterator[Sound]:
        """All that has come since the last call."""
        while self._chunks:
            yield self._chunks.popleft()


def sounds_of(frame: Any, clock: float) -> Sound | None:
    """A decoded PyAV audio frame as a `Sound`; None where it is empty.

    Args:
        frame: of any sample format; more than two channels are mixed to their mean.
        clock: seconds to add to the frame's own time.
    """
    samples = frame.to_ndarray()
    if not samples.size:
        return None
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, channels).T
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    else:
        samples = samples.astype(np.float32)
    if channels > 2:
        samples = samples.mean(0, keepdims=True)
    return Sound(np.ascontiguousarray(samples), frame.sample_rate, float(frame.time or 0) + clock)


class ArrivalClock:
    """When sound was heard that comes with time stamps of a clock of its own.

    A piece cannot arrive before its last sample is heard. So the least delay between a piece's end and its arrival,
    over the last few seconds, tells how the two clocks stand to each other; it follows a clock that runs fast or slow.
    """

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=_CLOCK_WINDOW)

    def offset(self, end: float, arrived: float) -> float:
        """Seconds to add to the source's times.

        Args:
            end: of the newest piece, on the source's clock, in seconds.
            arrived: when it came, on the other clock.
        """
        self._delays.append(arrived - end)
        return min(self._delays)
