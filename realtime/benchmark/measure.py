"""Times each stage of the pipeline alone, and all of them together.

Every measurement is a `Timing`: frames, wall-clock seconds, and processor seconds of all threads of the process. The
clock is an argument, so that tests can check the figures without waiting.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Protocol

from realtime.engines.base import Engine
from realtime.errors import RestyleError
from realtime.frames import Frame

STYLED_MEMORY = 256 * 2**20
"""Most bytes of painted frames that are held for the encoder."""

_FEWEST_CALLS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """What some frames cost.

    Attributes:
        frames: number of frames.
        seconds: wall-clock time.
        cpu_seconds: processor time of all threads of the process.
        calls: wall-clock seconds per frame of each call of an engine; empty for other stages.

    Raises:
        RestyleError: there are no frames.
    """

    frames: int
    seconds: float
    cpu_seconds: float
    calls: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.frames:
            raise RestyleError("the clip has no frames to measure with")

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds > 0 else math.inf

    @property
    def per_frame(self) -> float:
        """Wall-clock seconds per frame."""
        return self.seconds / self.frames

    @property
    def cpu_per_frame(self) -> float:
        """Processor seconds per frame."""
        return self.cpu_seconds / self.frames


class Clock:
    """The machine's clocks."""

    def wall(self) -> float:
        """Wall-clock seconds."""
        return time.perf_counter()

    def cpu(self) -> float:
        """Processor seconds of all threads of this process."""
        return time.process_time()

    def time(self, work: Callable[[], int]) -> Timing:
        """Time a function that returns the number of frames it handled."""
        wall, cpu = self.wall(), self.cpu()
        frames = work()
        return Timing(frames, self.wall() - wall, self.cpu() - cpu)


class Sink(Protocol):
    """Takes frames, as a video writer does; `finish` writes what is left."""

    def write(self, frame: Frame) -> None: ...
    def finish(self) -> object: ...


@dataclass(frozen=True)
class Subject:
    """A network and a codec, to be measured alone and together.

    Attributes:
        engine: runs the network.
        open_source: opens a decoder of at most so many frames.
        open_sink: opens an encoder.
        run_whole: runs the product itself on at most so many frames. Returns how many it wrote, and puts each stage's
            busy seconds into the dictionary.
    """

    engine: Engine
    open_source: Callable[[int], AbstractContextManager[Iterable[Frame]]]
    open_sink: Callable[[], AbstractContextManager[Sink]]
    run_whole: Callable[[int, dict[str, float]], int]


@dataclass(frozen=True)
class Material:
    """What a subject is measured on, made once.

    Attributes:
        inputs: decoded frames, for the network.
        styled: painted frames, for the encoder.
        count: frames in one run of the decoder, the encoder, and the whole.
    """

    inputs: Sequence[Frame]
    styled: Sequence[Frame]
    count: int


@dataclass(frozen=True)
class Round:
    """One round of measurements: each stage alone, the network with one frame at a time (`latency`), the whole, and the
    seconds of the whole in which each stage was busy."""

    decode: Timing
    network: Timing
    latency: Timing
    encode: Timing
    whole: Timing
    busy: Mapping[str, float]


def time_decode(subject: Subject, count: int, clock: Clock) -> Timing:
    """Time the decoder alone, without opening the file, on at most `count` frames."""
    with subject.open_source(count) as source:
        return clock.time(lambda: sum(1 for _ in source))


def time_network(
    engine: Engine,
    inputs: Sequence[Frame],
    batch: int,
    seconds: float,
    clock: Clock,
    *,
    ahead: int = 0,
    on_device: bool = False,
) -> Timing:
    """Time the network alone, batch after batch.

    Args:
        engine: runs the network.
        inputs: frames that are used in turn.
        batch: frames in a call; 1 gives the latency.
        seconds: least duration; there are three calls at least.
        clock: read once per call.
        ahead: calls that are begun before the first is waited for.
        on_device: leave the results in the engine's memory (`realtime.engines.base.OnDevice`).
    """
    supply = cycle(inputs)

    def begin() -> Callable[[], object]:
        frames = list(islice(supply, batch))
        # With nothing else under way, all threads may share a single frame.
        return engine.begin(frames, on_device=on_device) if ahead or on_device else partial(engine.stylize, frames)

    begin()()  # other work since the last round has emptied the caches
    waiting = deque(begin() for _ in range(ahead))
    calls: list[float] = []
    now = first = clock.wall()
    cpu = clock.cpu()
    while now - first < seconds or len(calls) < _FEWEST_CALLS:
        waiting.append(begin())
        waiting.popleft()()
        before, now = now, clock.wall()
        calls.append((now - before) / batch)
    timing = Timing(len(calls) * batch, now - first, clock.cpu() - cpu, tuple(calls))
    for finish in waiting:
        finish()
    return timing


def time_on_device(engine: Engine, inputs: Sequence[Frame], seconds: float, clock: Clock) -> Timing:
    """Time the network of an `OnDevice` engine without copies to its device and back, on one batch of even sizes."""
    there = engine.begin(inputs, on_device=True)()
    return time_network(engine, there, len(there), seconds, clock, ahead=engine.ahead, on_device=True)


def time_encode(subject: Subject, styled: Sequence[Frame], count: int, clock: Clock) -> Timing:
    """Time the encoder alone, without opening the file, on `count` frames."""
    with subject.open_sink() as sink:

        def write() -> int:
            for frame in back_and_forth(styled, count):
                sink.write(frame)
            sink.finish()
            return count

        return clock.time(write)


def back_and_forth(frames: Sequence[Frame], count: int) -> Iterator[Frame]:
    """`count` frames at equal distances in time: the given ones forwards, backwards, and so on.

    Motion stays as in the source, without the cut that starting again would make.
    """
    first = frames[0]
    step = frames[1].pts - first.pts if len(frames) > 1 else max(1, first.duration)
    for number, frame in enumerate(islice(cycle([*frames, *frames[-2:0:-1]]), count)):
        moved = frame.with_planes(frame.y, frame.u, frame.v)
        moved.pts, moved.duration = first.pts + number * step, step
        yield moved


def prepare(subject: Subject, clock: Clock, *, seconds: float, frames: int, memory: int = STYLED_MEMORY) -> Material:
    """Decode and paint frames to measure with, and choose how many a round takes.

    Args:
        subject: what is to be measured.
        clock: times a few calls of the network.
        seconds: approximate length of one run of the whole.
        frames: most frames of it.
        memory: most bytes of painted frames.

    Raises:
        RestyleError: there is no frame.
    """
    engine, batch = subject.engine, subject.engine.batch
    with subject.open_source(min(frames, max(2 * batch, 16))) as source:
        inputs = list(source)
    if not inputs:
        raise RestyleError("the clip has no frames to measure with")
    engine.stylize(inputs[:1])
    rough = time_network(engine, inputs, batch, 0, clock)
    fitting = math.ceil(seconds / max(rough.per_frame, 1e-9) / batch) * batch
    count = min(frames, max(fitting, 2 * batch))
    size = sum(plane.nbytes for plane in (inputs[0].y, inputs[0].u, inputs[0].v))
    styled: list[Frame] = []
    with subject.open_source(min(count, max(2, memory // size))) as source:
        supply = iter(source)
        while group := list(islice(supply, batch)):
            styled += engine.stylize(group)
    return Material(inputs, styled, count)


def measure_round(subject: Subject, material: Material, seconds: float, clock: Clock) -> Round:
    """Measure everything once. The network alone takes a quarter of `seconds`.

    Raises:
        RestyleError: a stage failed, or handled no frame.
    """
    engine, inputs, count = subject.engine, material.inputs, material.count
    decode = time_decode(subject, count, clock)
    network = latency = time_network(engine, inputs, engine.batch, seconds / 4, clock)
    if engine.batch > 1:
        latency = time_network(engine, inputs, 1, seconds / 8, clock)
    encode = time_encode(subject, material.styled, count, clock)
    busy: dict[str, float] = {}
    whole = clock.time(lambda: subject.run_whole(count, busy))
    return Round(decode, network, latency, encode, whole, busy)
