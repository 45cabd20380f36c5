"""Three threads joined by two bounded queues: decode, infer, encode.

The stages, in order:
    1. decode: the source is iterated; every item goes into the first queue.
    2. infer: items are gathered into batches and worked on; the results go into the second queue one by one.
    3. encode: every result is handed to the sink.

A file waits when a queue is full and loses nothing; a live source drops its oldest item and never builds up latency.
Whatever ends a run early - an exception in a stage, Ctrl-C, a cancel event - ends all three stages, and no stage
stays blocked on a full or an empty queue. Nothing here knows what an item is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args

from realtime.bounded_queue import BoundedQueue
from realtime.errors import RestyleError, StageError, one_line

T = TypeVar("T")
U = TypeVar("U")

Stage = Literal["decode", "infer", "encode"]
Policy = Literal["wait", "drop-oldest"]
Trace = Callable[[str, Sequence[Any], float, float], None]
"""Is called after each call of a stage, in the stage's thread, with the stage, its items, and `time.perf_counter`
before and after the call."""

STAGES: tuple[Stage, ...] = get_args(Stage)
POLICIES: tuple[Policy, ...] = get_args(Policy)

TICK = 0.1
"""Seconds between two calls of `progress`, and the longest time until a `cancel` event is noticed."""


class Cancelled(RestyleError):
    """The caller's cancel event was set before the work was finished. Exit code 130, as for Ctrl-C."""

    exit_code = 130


class Future(Generic[U]):
    """Results that are not ready yet.

    Args:
        result: waits for the results and returns them in order, or raises what went wrong.
    """

    def __init__(self, result: Callable[[], Sequence[U]]) -> None:
        self.result = result


@dataclass(slots=True)
class StageTime:
    """The cost of one stage.

    Attributes:
        busy_seconds: wall-clock time inside the stage's callback, waiting on queues left out.
        frames: items that the callback has returned.
        cpu_seconds: CPU time of the stage's own thread. Threads that the callback starts itself (a network's or an
            encoder's workers) are not in it.
    """

    busy_seconds: float = 0.0
    frames: int = 0
    cpu_seconds: float = 0.0

    @property
    def fps(self) -> float:
        """Items per busy second: how fast this stage would run alone. 0 where nothing was measured."""
        return self.frames / self.busy_seconds if self.busy_seconds > 0 else 0.0


@dataclass(slots=True)
class Report:
    """The counts and times of a run.

    Attributes:
        frames_in: items from the source.
        frames_out: items that the sink received.
        dropped: items that the "drop-oldest" policy dropped; frames_in = frames_out + dropped.
        seconds: wall-clock time of the whole run.
        stages: busy time by stage: "decode", "infer", "encode".
    """

    frames_in: int = 0
    frames_out: int = 0
    dropped: int = 0
    seconds: float = 0.0
    stages: dict[str, StageTime] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Items out per wall-clock second."""
        return self.frames_out / self.seconds if self.seconds > 0 else 0.0


class _Run(Generic[T, U]):
    """The state of one run: what the three stages and the waiting caller share."""

    def __init__(
        self,
        source: Iterable[T],
        work: Callable[[list[T]], Sequence[U] | Future[U]],
        sink: Callable[[U], None],
        batch: int,
        ahead: int,
        fits: Callable[[T, T], bool] | None,
        depth: int,
        policy: Policy,
        trace: Trace | None,
    ) -> None:
        self.source, self.work, self.sink = source, work, sink
        self.batch, self.ahead, self.fits, self.trace = batch, ahead, fits, trace
        self.times: dict[Stage, StageTime] = {name: StageTime() for name in STAGES}
        self.decoded: BoundedQueue[T] = BoundedQueue(depth, drop_oldest=policy == "drop-oldest")
        self.inferred: BoundedQueue[U] = BoundedQueue(depth, drop_oldest=False)
        self.finished = threading.Event()
        self._ended: dict[Stage, threading.Event] = {name: threading.Event() for name in STAGES}
        self.failure: tuple[Stage, BaseException] | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._traced = 0.0  # end of the last slice of "infer"
        self._running = len(STAGES)
        bodies: dict[Stage, Callable[[StageTime], None]] = {
            "decode": self._decode,
            "infer": self._infer,
            "encode": self._encode,
        }
        # Daemons, so that a second Ctrl-C can leave behind a stage whose callback never returns.
        self.threads = [
            threading.Thread(target=self._stage, args=(name, body), name=f"restyle-{name}", daemon=True)
            for name, body in bodies.items()
        ]

    def stop(self) -> None:
        """Ends every stage after the callback it is in."""
        self._stopped = True
        self.decoded.stop()
        self.inferred.stop()

    def join(self) -> None:
        """Waits for the stages that were started. Ctrl-C gets through."""
        for thread, ended in zip(self.threads, self._ended.values(), strict=True):
            if thread.ident is None:
                continue
            # On an event first: a signal that hits Thread.join makes Python 3.11 take the thread for a finished one.
            # With a timeout: Windows lets no signal into a wait without one.
            while not ended.wait(TICK):
                pass
            thread.join()

    def _stage(self, name: Stage, body: Callable[[StageTime], None]) -> None:
        times = self.times[name]
        started = time.thread_time()
        try:
            body(times)
        except BaseException as error:  # in a thread of its own even SystemExit would be lost otherwise
            self._fail(name, error)
        finally:
            times.cpu_seconds = time.thread_time() - started
            with self._lock:
                self._running -= 1
                last = not self._running
            self._ended[name].set()
            if last:
                self.finished.set()

    def _fail(self, name: Stage, error: BaseException) -> None:
        with self._lock:
            if self.failure is None:  # later ones are mostly consequences of the first
                self.failure = (name, error)
        self.stop()

    def _decode(self, times: StageTime) -> None:
        clock = time.perf_counter
        iterator = None
        try:
            begin = clock()
            iterator = iter(self.source)
            times.busy_seconds += clock() - begin
            while not self._stopped:
                begin = clock()
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                finally:
                    times.busy_seconds += clock() - begin
                times.frames += 1
                if self.trace is not None:
                    self.trace("decode", [item], begin, clock())
                if not self.decoded.put(item):
                    break
                del item  # while the source is busy with the next one, the queue alone holds this one
        except BaseException as error:
            self._fail("decode", error)  # before closing, which can take its time
            raise
        finally:
            # Here and not in the caller: a generator can be closed only by the thread that is not running it, and a
            # decoder should be closed where it was used.
            begin = clock()
            try:
                _close(iterator)
            finally:
                if iterator is not self.source:
                    _close(self.source)
                times.busy_seconds += clock() - begin
        self.decoded.end()

    def _infer(self, times: StageTime) -> None:
        clock = time.perf_counter
        begun: deque[tuple[list[T], Sequence[U] | Future[U], float]] = deque()
        more = True
        while more or begun:
            if more and (items := self.decoded.take(self.batch, self.fits)):
                begin = clock()
                answer = self.work(items)
                times.busy_seconds += clock() - begin
                begun.append((items, answer, begin))
                del items  # the inputs' memory is free while the outputs wait for the sink
                if len(begun) <= self.ahead:
                    continue
            else:
                more = False
            if not begun:
                break
            if self._stopped:
                return
            items, answer, first = begun.popleft()
            begin = clock()
            results = answer.result() if isinstance(answer, Future) else answer
            times.busy_seconds += clock() - begin
            if len(results) != len(items):
                raise ValueError(f"{len(items)} frames went in and {len(results)} came out")
            times.frames += len(items)
            if self.trace is not None:
                self.trace("infer", items, max(first, self._traced), clock())
                self._traced = clock()
            del items, answer
            for result in results:
                if not self.inferred.put(result):
                    return
            del results, result
        self.inferred.end()

    def _encode(self, times: StageTime) -> None:
        clock = time.perf_counter
        while results := self.inferred.take(1):
            begin = clock()
            self.sink(results[0])
            times.busy_seconds += clock() - begin
            times.frames += 1
            if self.trace is not None:
                self.trace("encode", results, begin, clock())
            del results


def _close(source: object) -> None:
    close = getattr(source, "close", None)
    if callable(close):
        close()


def _described(error: BaseException) -> str:
    text = one_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _raise(stage: Stage, error: BaseException) -> None:
    """Raises a stage's error in the caller: one of restyle's own as it is, any other as a StageError."""
    if isinstance(error, RestyleError):
        error.__dict__.setdefault("stage", stage)
        error.add_note(f"raised by the {stage} stage")
        raise error
    raise StageError(stage, _described(error)) from error


def run(
    source: Iterable[T],
    work: Callable[[list[T]], Sequence[U] | Future[U]],
    sink: Callable[[U], None],
    *,
    batch: int = 1,
    ahead: int = 0,
    fits: Callable[[T, T], bool] | None = None,
    depth: int = 4,
    policy: Policy = "wait",
    progress: Callable[[int], None] | None = None,
    cancel: threading.Event | None = None,
    trace: Trace | None = None,
) -> Report:
    """Pulls items from a source through a function into a sink, each in a thread of its own. Order is kept.

    At most 2 * depth + batch * (ahead + 1) + 2 items are between the source and the sink at any time.

    Args:
        source: iterated in the decode thread, and closed there if it has a `close`.
        work: takes 1 to `batch` items and returns one result for each, in order, or a `Future` of them.
        sink: takes one result.
        batch: most items in one call of `work`. "wait" fills batches as long as the source has more; "drop-oldest"
            takes what has arrived.
        ahead: number of calls of `work` that may be unfinished when the next is made. With one, workers that have
            finished their part of a batch begin the next batch while others still finish this one.
        fits: whether b may join a batch that begins with a, as fits(a, b); None: always. Must be quick, and must not
            raise.
        depth: bound of each of the two queues, in items.
        policy: what a full queue after the source does: "wait" holds the source back, "drop-oldest" drops and counts.
        progress: called in the caller's thread about ten times a second, and once at the end, with the number of
            items that the sink has taken. What it raises ends the run.
        cancel: ends the run when set.
        trace: called after each call of a stage, in the stage's thread. Must be quick; what it raises ends the run.

    Returns:
        Counts and times, once every item has gone through and every thread has ended.

    Raises:
        RestyleError: raised by a stage; raised again as it is, with a `stage` attribute.
        StageError: any other exception in a stage, which is its cause.
        Cancelled: `cancel` was set before the end.
        KeyboardInterrupt: Ctrl-C in the caller. Another one while the stages end leaves at once.
        ValueError: a wrong option.
    """
    if batch < 1:
        raise ValueError(f"batch must be 1 or more, not {batch}")
    if ahead < 0:
        raise ValueError(f"ahead must be 0 or more, not {ahead}")
    if depth < 1:
        raise ValueError(f"depth must be 1 or more, not {depth}")
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy!r}")

    state = _Run(source, work, sink, batch, ahead, fits, depth, policy, trace)
    begin = time.perf_counter()
    encoded = state.times["encode"]
    try:
        for thread in state.threads:
            thread.start()
        while True:
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled")
            if state.finished.wait(TICK):
                break
            if progress is not None:
                progress(encoded.frames)
    finally:
        # After a clean end this does nothing. The stages are stopped first, whatever raised, and only then waited for.
        state.stop()
        state.join()
    if state.failure is not None:
        _raise(*state.failure)
    if progress is not None:
        progress(encoded.frames)
    return Report(
        frames_in=state.times["decode"].frames,
        frames_out=encoded.frames,
        dropped=state.decoded.dropped,
        seconds=time.perf_counter() - begin,
        stages={name: state.times[name] for name in STAGES},
    )
