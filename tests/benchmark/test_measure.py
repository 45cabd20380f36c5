"""The stopwatches: speeds that are known come out as they are, and the bound that is named is the right one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.benchmark.bounds import Cost, bound_of
from realtime.benchmark.measure import (
    Effort,
    Material,
    Subject,
    measure_round,
    percentile,
    prepare,
    spread,
    time_decode,
    time_device,
    time_encode,
    time_network,
    time_whole,
    to_and_fro,
)
from realtime.errors import RestyleError
from tests.helpers.fakes import (
    REAL,
    FakeCodec,
    FakeEngine,
    HandClock,
    Sleeping,
    Spending,
    picture,
    sleeping_subject,
    spending_subject,
)

COSTS = {"decode": Cost(0.002, 0.003), "network": Cost(0.010, 0.018), "encode": Cost(0.004, 0.006)}


# With a clock that goes by hand: exact


def test_every_stage_is_read_as_it_is() -> None:
    clock = HandClock()
    subject = spending_subject(clock, COSTS, whole=Cost(0.015, 0.027), batch=4, alone=Cost(0.03, 0.05))
    readings = measure_round(subject, prepare(subject, Effort(seconds=2), clock), Effort(seconds=2), clock)
    for stage, cost in COSTS.items():
        timing = getattr(readings, stage)
        assert (timing.per_frame, timing.cpu_per_frame) == pytest.approx((cost.wall, cost.cpu)), stage
        assert timing.fps == pytest.approx(1 / cost.wall)
    assert readings.latency.calls == pytest.approx([0.03] * len(readings.latency.calls))
    assert readings.network.calls == pytest.approx([0.010] * len(readings.network.calls))
    assert readings.whole.timing.per_frame == pytest.approx(0.015)
    # 27 ms of processor time on two cores are 13.5 ms, more than any stage takes alone.
    found = bound_of(readings, cores=2)
    assert (found.by, found.seconds) == ("cores", pytest.approx(0.0135))
    assert found.seconds / readings.whole.timing.per_frame == pytest.approx(0.9)
    assert bound_of(readings, cores=8).by == "network"


@pytest.mark.parametrize("slow", ["decode", "network", "encode"])
def test_the_slowest_stage_is_the_bound(slow: str) -> None:
    clock = HandClock()
    costs = {name: Cost(0.02 if name == slow else 0.005, 0.001) for name in COSTS}
    subject = spending_subject(clock, costs, whole=Cost(0.021, 0.003))
    effort = Effort(seconds=1)
    readings = measure_round(subject, prepare(subject, effort, clock), effort, clock)
    found = bound_of(readings, cores=2)
    assert (found.by, found.seconds) == (slow, pytest.approx(0.02))


def test_the_network_is_fed_in_its_own_batches_and_warmed_up() -> None:
    clock = HandClock()
    engine = FakeEngine(Spending(clock), Cost(0.01, 0.01), batch=3)
    timing = time_network(engine, [picture(n) for n in range(5)], 3, 0.3, clock)
    assert set(engine.calls) == {3}
    assert len(engine.calls) == len(timing.calls) + 1  # the first is not counted
    assert timing.frames == 3 * len(timing.calls)
    assert timing.seconds == pytest.approx(0.3)
    # A slow network is still called three times.
    assert len(time_network(engine, [picture()], 3, 0.0, clock).calls) == 3


def test_a_latency_is_that_of_one_frame() -> None:
    clock = HandClock()
    subject = spending_subject(clock, COSTS, whole=Cost(1, 1), batch=2)
    assert isinstance(subject.engine, FakeEngine)
    readings = measure_round(subject, prepare(subject, Effort(seconds=1), clock), Effort(seconds=1), clock)
    assert 1 in subject.engine.calls
    assert readings.latency.frames == len(readings.latency.calls)
    alone = spending_subject(clock, COSTS, whole=Cost(1, 1), batch=1)
    again = measure_round(alone, prepare(alone, Effort(seconds=1), clock), Effort(seconds=1), clock)
    assert again.latency is again.network  # the same thing, measured once


@pytest.mark.parametrize(
    ("network", "batch", "wanted"),
    [
        (0.01, 1, 100),  # a second of it
        (0.01, 8, 104),  # in whole batches
        (0.0001, 4, 240),  # no more than there are
        (3.0, 1, 2),  # two at least
        (3.0, 4, 8),  # and two batches
    ],
)
def test_as_many_frames_as_fit_the_time(network: float, batch: int, wanted: int) -> None:
    clock = HandClock()
    costs = {**COSTS, "network": Cost(network, network)}
    subject = spending_subject(clock, costs, whole=Cost(1, 1), batch=batch)
    material = prepare(subject, Effort(seconds=1, frames=240), clock)
    assert material.count == wanted
    assert len(material.styled) == wanted


def test_the_frames_kept_for_the_encoder_are_bounded_by_memory() -> None:
    clock = HandClock()
    subject = spending_subject(clock, COSTS, whole=Cost(1, 1))
    one = 8 * 8 * 3 // 2
    material = prepare(subject, Effort(seconds=1, memory=10 * one), clock)
    assert (len(material.styled), material.count) == (10, 100)


def test_the_encoder_gets_rising_times_and_is_finished() -> None:
    clock = HandClock()
    codec = FakeCodec(Spending(clock), Cost(0, 0), Cost(0.01, 0.01))
    subject = Subject(FakeEngine(Spending(clock), Cost(0, 0)), codec.source, codec.sink, lambda count: (count, {}))
    timing = time_encode(subject, [picture(n) for n in range(4)], 11, clock)
    assert (timing.frames, timing.seconds) == (11, pytest.approx(0.11))
    (sink,) = codec.sinks
    assert sink.finished
    assert all(a < b for a, b in itertools.pairwise(sink.times))


@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 1000), st.integers(1, 5))
def test_to_and_fro(many: int, count: int, first: int, step: int) -> None:
    frames = [picture(first + step * n) for n in range(many)]
    out = list(to_and_fro(frames, count))
    assert len(out) == count
    assert [frame.pts for frame in out] == [first + (step if many > 1 else 1) * n for n in range(count)]
    places = [next(i for i, frame in enumerate(frames) if frame.y is given.y) for given in out]
    assert all(abs(a - b) == (many > 1) for a, b in itertools.pairwise(places))  # never a jump


def test_nothing_to_measure_is_an_error() -> None:
    clock = HandClock()
    codec = FakeCodec(Spending(clock), Cost(0, 0), Cost(0, 0), frames=0)
    subject = Subject(FakeEngine(Spending(clock), Cost(0, 0)), codec.source, codec.sink, lambda count: (0, {}))
    with pytest.raises(RestyleError, match="no frame"):
        prepare(subject, Effort(), clock)
    with pytest.raises(RestyleError, match="no frame"):
        time_decode(subject, 5, clock)
    with pytest.raises(RestyleError, match="no frame"):
        time_whole(subject, 5, clock)


class Ticks:
    """A device's clock that ran two seconds in each call but the second, where it gave no event."""

    def __init__(self) -> None:
        self.taken = 0
        self.open = False

    def __enter__(self) -> Ticks:
        self.open = True
        return self

    def __exit__(self, *error: Any) -> None:
        self.open = False

    def take(self) -> float | None:
        assert self.open
        self.taken += 1
        return None if self.taken == 2 else 2.0


def test_the_device_has_a_clock_of_its_own() -> None:
    engine, ticks = FakeEngine(Spending(HandClock()), Cost(0, 0), batch=4), Ticks()
    assert time_device(engine, [picture()], 3, ticks) == (0.5, 0.5)
    assert not ticks.open


# Statistics


def test_percentiles() -> None:
    values = [4.0, 1.0, 3.0, 2.0]
    assert [percentile(values, share) for share in (0, 50, 100)] == [1, 2.5, 4]
    assert percentile([7.0], 95) == 7
    assert percentile(list(range(101)), 95) == 95
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=20))
def test_a_spread_holds_its_values(values: list[float]) -> None:
    found = spread(values)
    assert found.low == min(values) <= found.median <= max(values) == found.high
    assert found.width >= 0


# With real time: the fakes sleep, and note how long they really did


@pytest.mark.parametrize("slow", ["decode", "network", "encode"])
def test_known_speeds_are_measured_within_five_percent(slow: str) -> None:
    costs = {name: Cost(0.02 if name == slow else 0.004, 0) for name in COSTS}
    effort = Effort(rounds=1, seconds=0.8, frames=40)
    problems: list[str] = []
    for _ in range(4):  # a machine under load may wake a sleeper late: once is no proof
        work = Sleeping()
        subject = sleeping_subject(work, costs, batch=2)
        material = Material([picture(n) for n in range(4)], [picture(n) for n in range(4)], 40)
        readings = measure_round(subject, material, effort, REAL)
        problems = [
            f"{stage}: {getattr(readings, stage).per_frame:.5f} s a frame, slept {work.mean(stage):.5f} s"
            for stage in COSTS
            if getattr(readings, stage).per_frame != pytest.approx(work.mean(stage), rel=0.05)
        ]
        found = bound_of(readings, cores=2)
        assert found.by == slow
        # The real pipeline over sleeping stages: as fast as the slowest of them.
        if readings.whole.timing.per_frame != pytest.approx(work.mean(slow), rel=0.05):
            problems.append(f"whole: {readings.whole.timing.per_frame:.5f} s a frame")
        if not problems:
            return
    pytest.fail("; ".join(problems))
