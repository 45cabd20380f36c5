"""A clock that goes by hand, and an engine and a codec of known speeds."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from realtime import pipeline
from realtime.benchmark.bounds import Cost
from realtime.benchmark.measure import Subject, SystemClock
from realtime.frames import Frame, chroma_shape


def picture(pts: int = 0, width: int = 8, height: int = 8) -> Frame:
    """A gray frame."""
    chroma = chroma_shape(height, width)
    planes = (np.full(shape, 128, np.uint8) for shape in ((height, width), chroma, chroma))
    return Frame(*planes, pts=pts, duration=1, time_base=Fraction(1, 25))


class HandClock:
    """Goes only when something is said to have taken time."""

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
class Spending:
    """Work that takes no time but moves a clock by what it is said to cost."""

    clock: HandClock

    def __call__(self, stage: str, cost: Cost) -> None:
        self.clock.spend(cost)


@dataclass
class Sleeping:
    """Work that sleeps, and notes how long the system really let it sleep."""

    slept: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, stage: str, cost: Cost) -> None:
        begin = time.perf_counter()
        time.sleep(cost.wall)
        with self.lock:
            self.slept[stage].append(time.perf_counter() - begin)

    def mean(self, stage: str) -> float:
        """Seconds of a frame, really."""
        return sum(self.slept[stage]) / len(self.slept[stage])


@dataclass
class FakeEngine:
    """Gives back what it gets. A batch costs what its frames cost one after the other; `alone`, a single one."""

    work: Callable[[str, Cost], None]
    cost: Cost
    batch: int = 1
    alone: Cost | None = None
    calls: list[int] = field(default_factory=list)
    backend: str = "fake"
    device: str = "cpu"
    precision: str = "fp32"
    description: str = "a fake"
    notes: list[str] = field(default_factory=list)

    def stylize(self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False) -> list[Frame]:
        self.calls.append(len(frames))
        for _ in frames:
            self.work("network", self.alone if self.alone is not None and len(frames) == 1 else self.cost)
        return list(frames)


class FakeSink:
    def __init__(self, work: Callable[[str, Cost], None], cost: Cost) -> None:
        self.work, self.cost = work, cost
        self.times: list[int] = []
        self.finished = False

    def write(self, frame: Frame) -> None:
        self.work("encode", self.cost)
        self.times.append(frame.pts)

    def finish(self) -> None:
        self.finished = True


@dataclass
class FakeCodec:
    """Decodes and encodes nothing, at known speeds, and keeps what was written to."""

    work: Callable[[str, Cost], None]
    decode: Cost
    encode: Cost
    frames: int = 10**9
    sinks: list[FakeSink] = field(default_factory=list)

    def source(self, count: int) -> AbstractContextManager[Iterable[Frame]]:
        @contextmanager
        def opened() -> Iterator[Iterable[Frame]]:
            yield self.decoded(count)

        return opened()

    def decoded(self, count: int) -> Iterator[Frame]:
        for number in range(min(count, self.frames)):
            self.work("decode", self.decode)
            yield picture(number)

    def sink(self) -> AbstractContextManager[FakeSink]:
        @contextmanager
        def opened() -> Iterator[FakeSink]:
            self.sinks.append(FakeSink(self.work, self.encode))
            yield self.sinks[-1]

        return opened()


def spending_subject(
    clock: HandClock, costs: Mapping[str, Cost], *, whole: Cost, batch: int = 1, alone: Cost | None = None
) -> Subject:
    """Stages and a whole that move the clock by known costs a frame."""
    work = Spending(clock)
    engine = FakeEngine(work, costs["network"], batch, alone)
    codec = FakeCodec(work, costs["decode"], costs["encode"])

    def run_whole(count: int) -> tuple[int, dict[str, float]]:
        for _ in range(count):
            clock.spend(whole)
        return count, {"decode": 0.0, "infer": count * costs["network"].wall, "encode": 0.0}

    return Subject(engine, codec.source, codec.sink, run_whole)


def sleeping_subject(work: Sleeping, costs: Mapping[str, Cost], *, batch: int = 1) -> Subject:
    """Stages that sleep, and as the whole the real pipeline over them."""
    engine = FakeEngine(work, costs["network"], batch)
    codec = FakeCodec(work, costs["decode"], costs["encode"])

    def run_whole(count: int) -> tuple[int, dict[str, float]]:
        sink = FakeSink(work, costs["encode"])
        report = pipeline.run(codec.decoded(count), engine.stylize, sink.write, batch=batch)
        return report.frames_out, {name: stage.busy_seconds for name, stage in report.stages.items()}

    return Subject(engine, codec.source, codec.sink, run_whole)


REAL = SystemClock()
