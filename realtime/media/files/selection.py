"""Which part of a video is read, and at which size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from realtime.errors import InputError
from realtime.frames import MAX_SIDE
from realtime.media.files.probe import MediaInfo

_MIN_SIDE = 16
_ROUNDING = Fraction(1, 1000)
"""Ticks by which a picture may be early and still be in a range: times in seconds are rounded."""


@dataclass(frozen=True)
class Selection:
    """The pictures of a file that are read. Raises InputError for an impossible range."""

    info: MediaInfo
    start: float = 0.0  # of a range, in seconds after the first picture; its times begin at 0
    end: float | None = None
    part: tuple[int | None, int | None] | None = None  # (first, stop) pts of a part, without `stop`; it keeps its times

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None and (not math.isfinite(value) or value < 0):
                raise InputError(f"--{name} {value}: a time in seconds, 0 or more, is needed")
        if self.end is not None and self.end <= self.start:
            raise InputError(f"--end {self.end} must lie after --start {self.start or 0}")
        if self.start and self.info.duration and self.start >= self.info.duration + 1:
            raise InputError(f"--start {self.start}: {self.info.path} is only {self.info.duration:.2f} s long")

    @property
    def is_cut(self) -> bool:
        """Whether it is a range, whose times begin at 0."""
        return self.start > 0 or self.end is not None

    @property
    def is_whole(self) -> bool:
        """Whether all pictures are read."""
        return not self.is_cut and self.part is None

    def bounds(self) -> tuple[int | None, int | None]:
        """(first, stop) in units of the stream's time base; None where there is no such bound."""
        if self.part is not None:
            return self.part
        base = self.info.time_base
        first = round(Fraction(self.info.start_time) / base)
        begin = first + math.ceil(self.start / base - _ROUNDING) if self.start > 0 else None
        stop = first + math.ceil(self.end / base - _ROUNDING) if self.end is not None else None
        return begin, stop

    def total_frames(self) -> int | None:
        """An estimate of how many pictures are read; None where nothing tells."""
        frames, duration = self.info.frames, self.info.duration
        if not self.is_cut or frames is None:
            return frames
        if not duration:
            return None
        span = min(self.end if self.end is not None else duration, duration) - self.start
        return max(1, min(frames, round(frames * span / duration)))

    def chapters(self, chapters: Iterable[Any]) -> list[dict[str, Any]]:
        """The chapters (PyAV's dictionaries) that are in the range, on its clock."""
        zero = Fraction(self.info.start_time).limit_denominator(10**6) + Fraction(self.start)
        last = None if self.end is None else Fraction(self.end - self.start)
        out: list[dict[str, Any]] = []
        for entry in map(dict, chapters):
            base = entry["time_base"]
            if not base:
                continue
            if self.is_cut:
                begin, finish = entry["start"] * base - zero, entry["end"] * base - zero
                if finish <= 0 or (last is not None and begin >= last):
                    continue
                finish = finish if last is None else min(finish, last)
                entry["start"], entry["end"] = round(max(begin, Fraction(0)) / base), round(finish / base)
            out.append(entry)
        return out


def output_shape(info: MediaInfo, size: int | tuple[int, int] | None) -> tuple[int, int, Fraction | None]:
    """(width, height, sample aspect ratio) of the frames of a file at a size; see `VideoReader`.

    Raises:
        InputError: the size is too small or too large.
    """
    width, height, aspect = info.width, info.height, info.sample_aspect_ratio
    if size is None or size == min(width, height):
        return width, height, aspect
    if isinstance(size, int):
        scale = Fraction(size, min(width, height))
        new = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
        said = str(size)
    else:
        new = (int(size[0]), int(size[1]))
        said = f"{size[0]}x{size[1]}"
        if info.rotation % 180:
            new = (new[1], new[0])
        square = aspect if aspect is not None else Fraction(1)
        square = square * width * new[1] / (height * new[0])
        aspect = aspect if (aspect is None and square == 1) else square.limit_denominator(10000)
    if min(new) < _MIN_SIDE or max(new) > MAX_SIDE:
        raise InputError(f"--size {said}: sides from {_MIN_SIDE} to {MAX_SIDE} pixels are possible")
    return new[0], new[1], aspect
