"""What a live run has done."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from realtime.media.live.recorder import Recording

End = Literal["frames", "seconds", "quit", "source ended", "source lost", "interrupted"]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that a `share` of the values does not exceed; 0 for no values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass
class Outcome:
    """What a run has done.

    Attributes:
        frames_in: pictures that were captured, up to the last one that was shown.
        frames_out: pictures that were shown.
        seconds: from the first to the last picture shown.
        latencies: of each picture shown, from capture to its being shown, in seconds (4 bytes a picture).
        first_shown: `time.perf_counter` when the first picture was shown; 0 where none was.
        end: why it ended.
        recordings: what was recorded.
        snapshots: how many pictures were saved.
        warnings: what went wrong without ending the run, in words.
        notes: what else is worth knowing.
    """

    frames_in: int = 0
    frames_out: int = 0
    seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("f"))
    first_shown: float = 0.0
    end: End = "source ended"
    recordings: list[Recording] = field(default_factory=list)
    snapshots: int = 0
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Pictures that the source gave and nobody saw."""
        return self.frames_in - self.frames_out

    @property
    def fps(self) -> float:
        """Pictures shown per second."""
        return (self.frames_out - 1) / self.seconds if self.seconds > 0 else 0.0
