"""Stopwatches: what one stage costs when it runs alone, and what the whole costs.

All figures are made from one kind of reading: frames, wall-clock seconds, and seconds of processor time over all
threads of the process. Every stopwatch takes its clock as an argument, so that the figures can be checked without
waiting.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import cycle, islice
from types import TracebackType
from typing import Protocol

from realtime.engines.base import Engine
from realtime.errors import RestyleError
from realtime.frames import Frame

_FEWEST_CALLS = 3


class Clock(Protocol):
    """Where readings come from."""

    def wall(self) -> float:
        """Seconds that pass for everyone."""
        ...

    def cpu(self) -> float:
        """Seconds that the processor has worked for this process, all its threads together."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> float:
        """See `Clock.wall`."""
        return time.perf_counter()

    def cpu(self) -> float:
        """See `Clock.cpu`."""
        return time.process_time()


class Sink(Protocol):
    """What frames are written to."""

    def write(self, frame: Frame) -> None:
        """Takes one frame; times must rise."""
        ...

    def finish(self) -> object:
        """Writes what is left."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """What some frames have cost.

    Attributes:
        frames: how many.
        seconds: wall-clock time of all of them.
        cpu_seconds: processor time of all of them, over all threads of the process.
        calls: wall-clock seconds a frame of each call, where there were calls.
    """

    frames: int
    seconds: float
    cpu_seconds: float
    calls: tuple[float, ...] = ()

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds > 0 else math.inf

    @property
    def per_frame(self) -> float:
        """Wall-clock seconds a frame."""
        return self.seconds / self.frames

    @property
    def cpu_per_frame(self) -> float:
        """Processor seconds a frame."""
        return self.cpu_seconds / self.frames


@dataclass(frozen=True, slots=True)
class Whole:
    """What the whole has cost: `timing`, and the wall-clock seconds in which each stage was busy, by its name."""

    timing: Timing
    busy: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several readings, and how far they lie apart."""

    median: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """The distance between the extremes as a share of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


def spread(values: Sequence[float]) -> Spread:
    """Median and extremes of one or more values."""
    return Spread(percentile(values, 50), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` percent lie, linear between neighbours.

    Args:
        values: one or more.
        share: 0 to 100.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    at = (len(ordered) - 1) * share / 100
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


@dataclass(frozen=True)
class Subject:
    """A network and a codec, to be measured alone and together.

    Attributes:
        engine: runs the network.
        open_source: given a number of frames, opens something that decodes so many and ends (fewer, where there are
            no more).
        open_sink: opens something that encodes.
        run_whole: given a number of frames, runs the product itself on so many. Returns how many were written, and the
            busy seconds of each stage.
    """

    engine: Engine
    open_source: Callable[[int], AbstractContextManager[Iterable[Frame]]]
    open_sink: Callable[[], AbstractContextManager[Sink]]
    run_whole: Callable[[int], tuple[int, Mapping[str, float]]]


@dataclass(frozen=True)
class Material:
    """What a subject is measured on, made once.

    Attributes:
        inputs: decoded frames.
        styled: what the engine made of frames like them, for the encoder.
        count: frames in one run of the decoder, the encoder, and the whole.
    """

    inputs: Sequence[Frame]
    styled: Sequence[Frame]
    count: int


@dataclass(frozen=True)
class Round:
    """One round of readings: each stage alone, the network with a single frame, and the whole.

    `device` has seconds a frame of each call by the device's own clock, without the copies to and from it; none where
    the device has no such clock.
    """

    decode: Timing
    network: Timing
    latency: Timing
    encode: Timing
    whole: Whole
    device: tuple[float, ...] = ()


class Events(Protocol):
    """Readings of the device's own clock, taken while the network runs (see `realtime.benchmark.events`)."""

    def __enter__(self) -> Events: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def take(self) -> float | None:
        """Seconds of device time since the last call; None where the device gave no events."""
        ...


def time_decode(subject: Subject, count: int, clock: Clock) -> Timing:
    """The decoder alone: opening left out, the first frame's delay in.

    Raises:
        RestyleError: not one frame came out.
    """
    with subject.open_source(count) as source:
        wall, cpu = clock.wall(), clock.cpu()
        frames = sum(1 for _ in source)
        timing = Timing(frames, clock.wall() - wall, clock.cpu() - cpu)
    if not frames:
        raise RestyleError("the clip has no frame to measure with")
    return timing


def time_network(engine: Engine, inputs: Sequence[Frame], batch: int, seconds: float, clock: Clock) -> Timing:
    """The network alone, warm, fed as the pipeline feeds it: batch after batch, each waited for.

    Args:
        engine: runs it.
        inputs: frames that are used in turn.
        batch: frames in a call. The engine's own runs several side by side where it does so; 1 gives the latency.
        seconds: how long, at least; and never fewer than three calls.
        clock: read once a call.
    """
    supply = cycle(inputs)
    engine.stylize(list(islice(supply, batch)))  # others have run since the last round, and cooled the caches
    calls: list[float] = []
    begin, cpu = clock.wall(), clock.cpu()
    now = begin
    while now - begin < seconds or len(calls) < _FEWEST_CALLS:
        engine.stylize(list(islice(supply, batch)))
        before, now = now, clock.wall()
        calls.append((now - before) / batch)
    return Timing(len(calls) * batch, now - begin, clock.cpu() - cpu, tuple(calls))


def time_device(engine: Engine, inputs: Sequence[Frame], calls: int, events: Events) -> tuple[float, ...]:
    """Seconds a frame of each of some calls by the device's own clock; empty where it gave no events.

    Apart from `time_network`, whose calls are to be as quick as they are without anybody looking.
    """
    supply, taken = cycle(inputs), []
    with events:
        for _ in range(calls):
            engine.stylize(list(islice(supply, engine.batch)))
            taken.append(events.take())
    return tuple(seconds / engine.batch for seconds in taken if seconds is not None)


def time_encode(subject: Subject, styled: Sequence[Frame], count: int, clock: Clock) -> Timing:
    """The encoder alone: opening left out, finishing the file in.

    Args:
        subject: has the encoder.
        styled: frames that are written to and fro, so that the motion stays that of film.
        count: how many are written.
        clock: read at both ends.
    """
    with subject.open_sink() as sink:
        wall, cpu = clock.wall(), clock.cpu()
        for frame in to_and_fro(styled, count):
            sink.write(frame)
        sink.finish()
        return Timing(count, clock.wall() - wall, clock.cpu() - cpu)


def time_whole(subject: Subject, count: int, clock: Clock) -> Whole:
    """The product itself, from opening the source to the finished file.

    Raises:
        RestyleError: not one frame was written.
    """
    wall, cpu = clock.wall(), clock.cpu()
    frames, busy = subject.run_whole(count)
    timing = Timing(frames, clock.wall() - wall, clock.cpu() - cpu)
    if not frames:
        raise RestyleError("the whole has written no frame")
    return Whole(timing, dict(busy))


def to_and_fro(frames: Sequence[Frame], count: int) -> Iterable[Frame]:
    """`count` frames out of the given ones, forwards and backwards in turn, each a frame's time after the last."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    first = frames[0]
    step = frames[1].pts - first.pts if len(frames) > 1 else max(1, first.duration)
    for number, frame in enumerate(islice(cycle(there_and_back), count)):
        # Same planes, another time: a frame's memory is only read.
        moved = frame.with_planes(frame.y, frame.u, frame.v)
        moved.pts, moved.duration = first.pts + number * step, step
        yield moved


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: times that everything is measured.
        seconds: of the whole in one round, about; its number of frames is chosen for it.
        frames: of the whole in one round, at most.
        memory: bytes of styled frames that are kept for the encoder, at most.
    """

    rounds: int = 5
    seconds: float = 4.0
    frames: int = 240
    memory: int = 256 * 2**20

    @property
    def network_seconds(self) -> float:
        """Of the network alone in one round; its latency takes half as long."""
        return self.seconds / 4


def prepare(subject: Subject, effort: Effort, clock: Clock) -> Material:
    """Decode, warm up, and choose how many frames a round takes.

    Raises:
        RestyleError: there is no frame to measure with.
    """
    engine = subject.engine
    batch = engine.batch
    enough = max(2 * batch, 16)
    with subject.open_source(min(effort.frames, enough)) as source:
        inputs = list(source)
    if not inputs:
        raise RestyleError("the clip has no frame to measure with")
    engine.stylize(inputs[:1])
    rough = time_network(engine, inputs, batch, 0, clock)
    fitting = math.ceil(effort.seconds / max(rough.per_frame, 1e-9) / batch) * batch
    count = max(min(effort.frames, fitting), min(effort.frames, 2 * batch))
    kept = max(2, effort.memory // max(1, _bytes(inputs[0])))
    styled: list[Frame] = []
    with subject.open_source(min(count, kept)) as source:
        supply = iter(source)
        while group := list(islice(supply, batch)):
            styled += engine.stylize(group)
    return Material(inputs, styled, count)


def measure_round(
    subject: Subject, material: Material, effort: Effort, clock: Clock, events: Events | None = None
) -> Round:
    """Every reading once.

    Raises:
        RestyleError: what is measured failed, or gave no frame.
    """
    engine, inputs = subject.engine, material.inputs
    decode = time_decode(subject, material.count, clock)
    network = time_network(engine, inputs, engine.batch, effort.network_seconds, clock)
    latency = network
    if engine.batch > 1:
        latency = time_network(engine, inputs, 1, effort.network_seconds / 2, clock)
    encode = time_encode(subject, material.styled, material.count, clock)
    whole = time_whole(subject, material.count, clock)
    device = () if events is None else time_device(engine, inputs, min(len(network.calls), 50), events)
    return Round(decode, network, latency, encode, whole, device)


def _bytes(frame: Frame) -> int:
    return int(frame.y.nbytes + frame.u.nbytes + frame.v.nbytes)
