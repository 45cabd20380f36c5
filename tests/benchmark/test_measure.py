"""Stages of known costs are measured as they are. The clock is moved by hand, so that the figures are exact."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.benchmark.bounds import bound_of
from realtime.benchmark.measure import (
    Clock,
    Subject,
    back_and_forth,
    measure_round,
    prepare,
    time_decode,
    time_encode,
    time_network,
    time_on_device,
)
from realtime.engines.cuda.engine import CudaEngine
from realtime.errors import RestyleError
from realtime.transnet.network import identity_network
from tests.helpers.fakes import Cost, FakeCodec, FakeEngine, HandClock, fake_subject, picture
from tests.helpers.host_runtime import HostRuntime

COSTS = {"decode": Cost(0.002, 0.003), "network": Cost(0.010, 0.018), "encode": Cost(0.004, 0.006)}


def test_every_stage_is_measured_as_it_is() -> None:
    clock = HandClock()
    subject = fake_subject(clock, COSTS, whole=Cost(0.015, 0.027), batch=4, alone=Cost(0.03, 0.05))
    measured = measure_round(subject, prepare(subject, clock, seconds=2, frames=240), 2, clock)
    for stage, cost in COSTS.items():
        timing = getattr(measured, stage)
        assert (timing.per_frame, timing.cpu_per_frame) == pytest.approx((cost.wall, cost.cpu)), stage
        assert timing.fps == pytest.approx(1 / cost.wall)
    assert measured.latency.calls == pytest.approx([0.03] * len(measured.latency.calls))
    assert measured.network.calls == pytest.approx([0.010] * len(measured.network.calls))
    assert measured.whole.per_frame == pytest.approx(0.015)
    assert measured.busy["infer"] == pytest.approx(0.010 * measured.whole.frames)
    # 27 ms of processor time on two cores are 13.5 ms, more than any stage takes alone.
    found = bound_of(measured, cores=2)
    assert (found.by, found.seconds) == ("cores", pytest.approx(0.0135))
    assert bound_of(measured, cores=8).by == "network"


@pytest.mark.parametrize("slow", ["decode", "network", "encode"])
def test_the_slowest_stage_is_the_bound(slow: str) -> None:
    clock = HandClock()
    costs = {name: Cost(0.02 if name == slow else 0.005, 0.001) for name in COSTS}
    subject = fake_subject(clock, costs, whole=Cost(0.021, 0.003))
    measured = measure_round(subject, prepare(subject, clock, seconds=1, frames=240), 1, clock)
    found = bound_of(measured, cores=2)
    assert (found.by, found.seconds) == (slow, pytest.approx(0.02))


def test_the_network_is_fed_in_batches_and_warmed_up() -> None:
    clock = HandClock()
    engine = FakeEngine(clock, Cost(0.01, 0.01), batch=3)
    timing = time_network(engine, [picture(n) for n in range(5)], 3, 0.3, clock)
    assert set(engine.calls) == {3}
    assert len(engine.calls) == len(timing.calls) + 1  # the first is not counted
    assert timing.frames == 3 * len(timing.calls)
    assert timing.seconds == pytest.approx(0.3)
    assert engine.most_under_way == 1
    # A slow network is still called three times.
    assert len(time_network(engine, [picture()], 3, 0.0, clock).calls) == 3


def test_calls_ahead_are_begun_before_the_first_is_waited_for() -> None:
    clock = HandClock()
    engine = FakeEngine(clock, Cost(0.01, 0.01), batch=2)
    timing = time_network(engine, [picture()], 2, 0.2, clock, ahead=2)
    assert engine.most_under_way == 3
    assert engine.under_way == 0
    assert timing.per_frame == pytest.approx(0.01)


def test_frames_stay_in_the_memory_of_a_device() -> None:
    runtime = HostRuntime()
    engine = CudaEngine(identity_network(), precision="fp32", batch=2, runtime=runtime)
    timing = time_on_device(engine, [picture(n, 64, 48) for n in range(2)], 0, Clock())
    assert timing.frames == 6
    assert "bind" not in runtime.log


def test_the_latency_is_that_of_one_frame() -> None:
    clock = HandClock()
    subject = fake_subject(clock, COSTS, batch=2)
    assert isinstance(subject.engine, FakeEngine)
    measured = measure_round(subject, prepare(subject, clock, seconds=1, frames=240), 1, clock)
    assert 1 in subject.engine.calls
    assert measured.latency.frames == len(measured.latency.calls)
    alone = fake_subject(clock, COSTS, batch=1)
    again = measure_round(alone, prepare(alone, clock, seconds=1, frames=240), 1, clock)
    assert again.latency is again.network  # the same, measured once


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
    subject = fake_subject(clock, {**COSTS, "network": Cost(network, network)}, batch=batch)
    material = prepare(subject, clock, seconds=1, frames=240)
    assert material.count == wanted
    assert len(material.styled) == wanted


def test_the_frames_held_for_the_encoder_are_bounded_by_memory() -> None:
    clock = HandClock()
    one = 8 * 8 * 3 // 2
    material = prepare(fake_subject(clock, COSTS), clock, seconds=1, frames=240, memory=10 * one)
    assert (len(material.styled), material.count) == (10, 100)


def test_the_encoder_gets_rising_times_and_is_finished() -> None:
    clock = HandClock()
    codec = FakeCodec(clock, Cost(0, 0), Cost(0.01, 0.01))
    subject = Subject(FakeEngine(clock, Cost(0, 0)), codec.source, codec.sink, lambda count, busy: count)
    timing = time_encode(subject, [picture(n) for n in range(4)], 11, clock)
    assert (timing.frames, timing.seconds) == (11, pytest.approx(0.11))
    (sink,) = codec.sinks
    assert sink.finished
    assert all(a < b for a, b in itertools.pairwise(sink.times))


@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 1000), st.integers(1, 5))
def test_back_and_forth(many: int, count: int, first: int, step: int) -> None:
    frames = [picture(first + step * n) for n in range(many)]
    out = list(back_and_forth(frames, count))
    assert len(out) == count
    assert [frame.pts for frame in out] == [first + (step if many > 1 else 1) * n for n in range(count)]
    places = [next(i for i, frame in enumerate(frames) if frame.y is given.y) for given in out]
    assert all(abs(a - b) == (many > 1) for a, b in itertools.pairwise(places))  # neighbours only


def test_no_frames_are_an_error() -> None:
    clock = HandClock()
    subject = fake_subject(clock, COSTS, frames=0)
    with pytest.raises(RestyleError, match="no frames"):
        prepare(subject, clock, seconds=1, frames=240)
    with pytest.raises(RestyleError, match="no frames"):
        time_decode(subject, 5, clock)
    with pytest.raises(RestyleError, match="no frames"):
        clock.time(lambda: subject.run_whole(5, {}))
