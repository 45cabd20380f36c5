"""A clock that is moved by hand, and an engine and a codec of known speeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from realtime.benchmark.measure import Clock, Subject, Timing
from realtime.engines.base import DEFAULT_PAINT, Closing, Finish
from realtime.frames import Frame, chroma_shape
from realtime.options import PaintOptions


def picture(pts: int = 0, width: int = 8, height: int = 8) -> Frame:
    """A gray frame."""
    chroma = chroma_shape(height, width)
    planes = (np.full(shape, 128, np.uint8) for shape in ((height, width), chroma, chroma))
    return Frame(*planes, pts=pts, duration=1, time_base=Fraction(1, 25))


@dataclass(frozen=True)
class Cost:
    """Wall-clock and processor seconds of a frame."""

    wall: float
    cpu: float

    @property
    def timing(self) -> Timing:
        """One frame of this cost."""
        return Timing(1, self.wall, self.cpu)


class HandClock(Clock):
    """Moves only when something is said to have taken time."""

    def __init__(self) -> None:
        self._wall = self._cpu = 0.0

    def wall(self) -> float:
        return self._wall

    def cpu(self) -> float:
        return self._cpu

    def spend(self, cost: Cost) -> None:
        self._wall += cost.wall
        self._cpu += cost.cpu


@dataclass
class FakeEngine(Closing):
    """Returns its frames. Each moves the clock by `cost`; one that is painted alone, by `alone`."""

    clock: HandClock
    cost: Cost
    batch: int = 1
    alone: Cost | None = None
    calls: list[int] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    backend: str = "fake"
    device: str = "cpu"
    precision: str = "fp32"
    ahead: int = 1
    description: str = "a fake"
    notes: tuple[str, ...] = ()

    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> list[Frame]:
        return self.begin(frames, paint)()

    def begin(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT, **options: object) -> Finish:
        self.calls.append(len(frames))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)

        def finish() -> list[Frame]:
            self.under_way -= 1
            for _ in frames:
                self.clock.spend(self.alone if self.alone is not None and len(frames) == 1 else self.cost)
            return list(frames)

        return finish


@dataclass
class FakeSink:
    """Notes what it is given."""

    clock: HandClock
    cost: Cost
    times: list[int] = field(default_factory=list)
    finished: bool = False

    def write(self, frame: Frame) -> None:
        self.clock.spend(self.cost)
        self.times.append(frame.pts)

    def finish(self) -> None:
        self.finished = True


@dataclass
class FakeCodec:
    """Decodes and encodes nothing, at known speeds, and keeps the sinks that were opened."""

    clock: HandClock
    decode: Cost
    encode: Cost
    frames: int = 10**9
    sinks: list[FakeSink] = field(default_factory=list)

    def source(self, count: int) -> AbstractContextManager[Iterable[Frame]]:
        @contextmanager
        def opened() -> Iterator[Iterable[Frame]]:
            yield self._decoded(count)

        return opened()

    def _decoded(self, count: int) -> Iterator[Frame]:
        for number in range(min(count, self.frames)):
            self.clock.spend(self.decode)
            yield picture(number)

    def sink(self) -> AbstractContextManager[FakeSink]:
        @contextmanager
        def opened() -> Iterator[FakeSink]:
            self.sinks.append(FakeSink(self.clock, self.encode))
            yield self.sinks[-1]

        return opened()


def fake_subject(
    clock: HandClock,
    costs: Mapping[str, Cost],
    *,
    whole: Cost = Cost(1, 1),
    batch: int = 1,
    alone: Cost | None = None,
    frames: int = 10**9,
) -> Subject:
    """Stages ("decode", "network", "encode") and a whole that move the clock by known costs per frame.

    `alone`: of a frame that is painted alone. `frames`: of the clip.
    """
    engine = FakeEngine(clock, costs["network"], batch, alone)
    codec = FakeCodec(clock, costs["decode"], costs["encode"], frames)

    def run_whole(count: int, busy: dict[str, float]) -> int:
        for _ in range(min(count, frames)):
            clock.spend(whole)
        busy |= {"decode": 0.0, "infer": count * costs["network"].wall, "encode": 0.0}
        return min(count, frames)

    return Subject(engine, codec.source, codec.sink, run_whole)
