from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import MediaError, RestyleError, StageError
from realtime.pipeline import STAGES, Cancelled, Future, Report, run
from tests.helpers.waiting import WAIT, wait_for


def same(items: list[int]) -> list[int]:
    return items


def nothing(item: int) -> None:
    pass


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("restyle-")]


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    assert ours() == []


class Boom(Exception):
    pass


def interrupt() -> None:
    # A real signal: it also wakes a main thread that sits in a wait, as Ctrl-C does.
    signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)


# What goes through


def test_every_item_goes_through_in_order() -> None:
    out: list[int] = []
    report = run(range(100), lambda batch: [item * 2 for item in batch], out.append, batch=3)
    assert out == [item * 2 for item in range(100)]
    assert (report.frames_in, report.frames_out, report.dropped) == (100, 100, 0)


@given(st.integers(0, 30), st.integers(1, 4), st.integers(0, 3))
def test_work_that_gives_futures_keeps_the_order(count: int, batch: int, ahead: int) -> None:
    out: list[int] = []
    report = run(
        range(count), lambda items: Future(lambda: [-item for item in items]), out.append, batch=batch, ahead=ahead
    )
    assert out == [-item for item in range(count)]
    assert report.frames_out == count


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_so_many_futures_are_under_way_when_the_next_begins(ahead: int) -> None:
    told: list[tuple[str, int]] = []

    def work(items: list[int]) -> Future[int]:
        told.append(("begun", items[0]))

        def result() -> list[int]:
            told.append(("waited", items[0]))
            return items

        return Future(result)

    run(range(6), work, nothing, ahead=ahead)
    for item in range(6):
        begun_before = [n for what, n in told[: told.index(("waited", item))] if what == "begun"]
        assert begun_before == list(range(min(6, item + ahead + 1)))


def test_a_future_that_fails_is_a_failing_stage() -> None:
    def fail() -> list[int]:
        raise Boom("no")

    with pytest.raises(StageError, match="infer: Boom: no"):
        run(range(9), lambda items: Future(fail), nothing, ahead=1)


def test_an_empty_source_is_no_error() -> None:
    report = run([], same, nothing, batch=4)
    assert (report.frames_in, report.frames_out) == (0, 0)
    assert report.fps == 0
    assert [report.stages[name].fps for name in STAGES] == [0, 0, 0]


def test_batches_are_full_and_the_last_one_is_what_is_left() -> None:
    sizes: list[int] = []

    def work(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return batch

    def slow() -> Iterator[int]:
        for item in range(10):
            time.sleep(0.002)  # slower than the work: "wait" fills its batches all the same
            yield item

    run(slow(), work, nothing, batch=4)
    assert sizes == [4, 4, 2]


def test_a_batch_may_be_larger_than_the_queue() -> None:
    sizes: list[int] = []

    def work(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return batch

    run(range(20), work, nothing, batch=8, depth=1)
    assert sizes == [8, 8, 4]


def test_an_item_that_does_not_fit_begins_the_next_batch() -> None:
    batches: list[list[int]] = []

    def work(batch: list[int]) -> list[int]:
        batches.append(list(batch))
        return batch

    run([1, 1, 1, 2, 2, 3, 1, 1], work, nothing, batch=2, fits=lambda a, b: a == b)
    assert batches == [[1, 1], [1], [2, 2], [3], [1, 1]]


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 40),
    batch=st.integers(1, 9),
    depth=st.integers(1, 9),
    groups=st.integers(1, 5),
)
def test_nothing_is_lost_or_moved(count: int, batch: int, depth: int, groups: int) -> None:
    batches: list[list[int]] = []
    out: list[int] = []

    def work(items: list[int]) -> list[int]:
        batches.append(list(items))
        return items

    report = run(range(count), work, out.append, batch=batch, depth=depth, fits=lambda a, b: a // groups == b // groups)
    assert out == list(range(count))
    assert report.frames_in == report.frames_out == count
    assert [report.stages[name].frames for name in STAGES] == [count] * 3
    assert all(len(items) <= batch and len({item // groups for item in items}) == 1 for items in batches)
    for first, second in itertools.pairwise(batches):  # no batch ends early
        assert len(first) == batch or first[0] // groups != second[0] // groups


@pytest.mark.parametrize(("batch", "depth"), [(1, 1), (1, 4), (4, 2), (3, 8)])
def test_the_source_never_runs_further_ahead_than_the_bounds(batch: int, depth: int) -> None:
    given_out = 0
    taken = 0
    most = 0

    def source() -> Iterator[int]:
        nonlocal given_out, most
        for item in range(60):
            given_out += 1
            most = max(most, given_out - taken)
            yield item

    def sink(item: int) -> None:
        nonlocal taken
        time.sleep(0.002)
        taken += 1

    run(source(), same, sink, batch=batch, depth=depth)
    assert most <= 2 * depth + batch + 2


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"batch": 0}, "batch"),
        ({"ahead": -1}, "ahead"),
        ({"depth": 0}, "depth"),
        ({"policy": "drop"}, "wait, drop-oldest"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        run(range(3), same, nothing, **options)


# Times


def test_the_stages_overlap() -> None:
    """Each waits until the two others are at work: on the item after the next, the next, and this one."""
    count, meeting = 20, threading.Barrier(3, timeout=WAIT)

    def source() -> Iterator[int]:
        for item in range(count):
            if item >= 2:
                meeting.wait()
            yield item

    def work(batch: list[int]) -> list[int]:
        if 1 <= batch[0] <= count - 2:
            meeting.wait()
        return batch

    def sink(item: int) -> None:
        if item <= count - 3:
            meeting.wait()

    assert run(source(), work, sink).frames_out == count


def test_busy_time_leaves_waiting_out() -> None:
    def slow(item: int) -> None:
        time.sleep(0.005)

    report = run(range(40), same, slow)
    assert report.stages["encode"].busy_seconds >= 40 * 0.005
    assert report.stages["decode"].busy_seconds < report.seconds / 2
    assert report.stages["infer"].busy_seconds < report.seconds / 2
    assert report.stages["encode"].fps == pytest.approx(40 / report.stages["encode"].busy_seconds)


def test_cpu_time_is_counted_by_stage() -> None:
    def burn(batch: list[int]) -> list[int]:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return batch

    report = run(range(5), burn, nothing)
    assert report.stages["infer"].cpu_seconds >= 0.09
    assert report.stages["encode"].cpu_seconds < 0.09


def test_progress_is_called_by_the_caller_and_at_the_end() -> None:
    calls: list[tuple[int, str]] = []

    def progress(done: int) -> None:
        calls.append((done, threading.current_thread().name))

    run(range(30), same, lambda item: time.sleep(0.01), progress=progress)
    counts = [done for done, _ in calls]
    assert counts == sorted(counts)
    assert counts[-1] == 30
    assert 2 <= len(counts) <= 30
    assert {name for _, name in calls} == {threading.current_thread().name}


# Ends


def failing(stage: str, at: int, error: BaseException) -> tuple[Any, Any, Any]:
    """A source, work and sink over 0..19 of which one stage fails at an item."""

    def check(name: str, item: int) -> None:
        if name == stage and item == at:
            raise error

    def source() -> Iterator[int]:
        for item in range(20):
            check("decode", item)
            yield item

    def work(batch: list[int]) -> list[int]:
        for item in batch:
            check("infer", item)
        return batch

    return source(), work, lambda item: check("encode", item)


@pytest.mark.parametrize("at", [0, 9, 19])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("batch", [1, 4])
def test_a_failing_stage_is_named_and_ends_all(stage: str, at: int, batch: int) -> None:
    cause = Boom("the disk\nis full")
    source, work, sink = failing(stage, at, cause)
    with pytest.raises(StageError, match=f"^{stage}: Boom: the disk is full$") as caught:
        run(source, work, sink, batch=batch, depth=2)
    assert caught.value.stage == stage
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("stage", STAGES)
def test_our_own_errors_come_out_as_they_are(stage: str) -> None:
    error = MediaError("clip.mp4 is damaged")
    source, work, sink = failing(stage, 5, error)
    with pytest.raises(MediaError) as caught:
        run(source, work, sink)
    assert caught.value is error
    assert caught.value.stage == stage  # type: ignore[attr-defined]
    assert any(stage in note for note in caught.value.__notes__)


@pytest.mark.parametrize("stage", STAGES)
def test_even_a_system_exit_in_a_stage_is_an_error(stage: str) -> None:
    source, work, sink = failing(stage, 3, SystemExit(0))
    with pytest.raises(StageError, match=stage):
        run(source, work, sink)


@pytest.mark.parametrize("results", [[], [1, 2, 3]])
def test_work_must_give_one_result_for_each_item(results: list[int]) -> None:
    with pytest.raises(StageError, match="infer: .*2 frames went in"):
        run(range(4), lambda batch: results, nothing, batch=2)


def endless() -> Iterator[int]:
    item = 0
    while True:
        yield item
        item += 1


@pytest.mark.parametrize("stage", ["infer", "encode"])
def test_a_source_held_back_by_a_full_queue_is_let_go(stage: str) -> None:
    def fail_late(value: Any) -> Any:
        time.sleep(0.05)  # the queues before this stage are full by now
        raise Boom

    begin = time.perf_counter()
    with pytest.raises(StageError, match=stage):
        run(endless(), fail_late if stage == "infer" else same, fail_late if stage == "encode" else nothing, depth=1)
    assert time.perf_counter() - begin < WAIT


def test_stages_that_wait_on_an_empty_queue_are_let_go() -> None:
    def source() -> Iterator[int]:
        yield 0
        time.sleep(0.05)
        raise Boom

    with pytest.raises(StageError, match="decode"):
        run(source(), same, nothing, batch=4)


def test_cancel_ends_the_run() -> None:
    cancel = threading.Event()
    timer = threading.Timer(0.05, cancel.set)
    timer.start()
    begin = time.perf_counter()
    with pytest.raises(Cancelled) as caught:
        run(endless(), same, lambda item: time.sleep(0.001), cancel=cancel)
    assert time.perf_counter() - begin < WAIT
    assert isinstance(caught.value, RestyleError)
    assert caught.value.exit_code == 130
    timer.join()


def test_a_busy_callback_finishes_its_call_and_no_other() -> None:
    cancel = threading.Event()
    entered: list[int] = []
    left: list[int] = []

    def sink(item: int) -> None:
        entered.append(item)
        cancel.set()
        time.sleep(0.3)
        left.append(item)

    with pytest.raises(Cancelled):
        run(endless(), same, sink, cancel=cancel)
    assert entered == left == [0]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_run() -> None:
    timer = threading.Timer(0.05, interrupt)
    timer.start()
    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run(endless(), same, lambda item: time.sleep(0.001))
    assert time.perf_counter() - begin < WAIT
    timer.join()


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_every_stage_waits() -> None:
    release = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        release.wait(WAIT)  # a camera that gives no more frames

    timers = [threading.Timer(0.05, interrupt), threading.Timer(0.2, release.set)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(source(), same, nothing)
    for timer in timers:
        timer.join()


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_leaves_a_stuck_callback_behind() -> None:
    release = threading.Event()

    def stuck(item: int) -> None:
        release.wait(WAIT)

    timers = [threading.Timer(0.05, interrupt), threading.Timer(0.3, interrupt)]
    for timer in timers:
        timer.start()
    begin = time.perf_counter()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(endless(), same, stuck)
        assert time.perf_counter() - begin < WAIT
    finally:
        release.set()
        for timer in timers:
            timer.join()
    wait_for(lambda: not ours(), "end of the threads")


def test_an_error_in_progress_ends_the_run() -> None:
    def progress(done: int) -> None:
        raise Boom

    with pytest.raises(Boom):
        run(endless(), same, lambda item: time.sleep(0.001), progress=progress)


class Source:
    """An iterable that notes in which thread it is closed."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count, self.fail_at = count, fail_at
        self.generator_closed = ""
        self.closed: list[str] = []

    def __iter__(self) -> Iterator[int]:
        try:
            for item in range(self.count):
                if item == self.fail_at:
                    raise Boom
                yield item
        finally:
            self.generator_closed = threading.current_thread().name

    def close(self) -> None:
        self.closed.append(threading.current_thread().name)


def fails(value: Any) -> Any:
    raise Boom


@pytest.mark.parametrize(
    ("source", "sink"),
    [(Source(5), nothing), (Source(5, fail_at=2), nothing), (Source(1000), fails)],
    ids=["clean end", "source fails", "sink fails"],
)
def test_the_source_is_closed_once_in_its_own_thread(source: Source, sink: Callable[[int], None]) -> None:
    with contextlib.suppress(StageError):
        run(source, same, sink)
    assert source.generator_closed == "restyle-decode"
    assert source.closed == ["restyle-decode"]


def test_an_error_while_closing_is_an_error() -> None:
    class Bad(Source):
        def close(self) -> None:
            raise Boom("cannot close")

    with pytest.raises(StageError, match="decode: Boom: cannot close"):
        run(Bad(3), same, nothing)


def test_the_first_error_is_the_one_reported() -> None:
    class Bad(Source):
        def close(self) -> None:
            raise Boom("a consequence")

    def sink(item: int) -> None:
        raise Boom("the cause")

    with pytest.raises(StageError, match="encode: Boom: the cause"):
        run(Bad(1000), same, sink)


# Live sources


def test_a_live_source_drops_its_oldest() -> None:
    out: list[int] = []

    def source() -> Iterator[int]:
        for item in range(60):
            time.sleep(0.002)
            yield item

    def slow(batch: list[int]) -> list[int]:
        time.sleep(0.012)
        return batch

    report = run(source(), slow, out.append, depth=2, policy="drop-oldest")
    assert report.dropped > 0
    assert report.frames_in == 60 == report.frames_out + report.dropped
    assert out == sorted(set(out))
    assert out[-1] == 59  # the newest is never the one dropped


def test_a_live_source_is_never_held_back() -> None:
    released = threading.Event()
    gave = threading.Event()

    def source() -> Iterator[int]:
        yield from range(50)
        gave.set()

    def stuck(batch: list[int]) -> list[int]:
        # Until the source is through, which it can be only if the full queue did not stop it.
        assert gave.wait(WAIT)
        released.set()
        return batch

    out: list[int] = []
    report = run(source(), stuck, out.append, depth=3, policy="drop-oldest")
    assert released.is_set()
    assert out[-3:] == [47, 48, 49]
    assert report.frames_out + report.dropped == 50


def test_a_live_batch_takes_what_is_there() -> None:
    sizes: list[int] = []
    seen = threading.Semaphore(0)

    def source() -> Iterator[int]:
        for item in range(5):
            yield item
            assert seen.acquire(timeout=5)  # the next frame comes only when this one has been shown

    def work(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return batch

    run(source(), work, lambda item: seen.release(), batch=4, policy="drop-oldest")
    assert sizes == [1, 1, 1, 1, 1]


def test_a_live_batch_grows_when_frames_wait() -> None:
    sizes: list[int] = []
    gave = threading.Event()

    def source() -> Iterator[int]:
        yield from range(9)
        gave.set()

    def work(batch: list[int]) -> list[int]:
        assert gave.wait(WAIT)
        sizes.append(len(batch))
        return batch

    report: Report = run(source(), work, nothing, batch=4, depth=8, policy="drop-oldest")
    assert max(sizes) == 4
    assert report.frames_out + report.dropped == 9
