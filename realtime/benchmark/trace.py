"""A recorder for `Stylizer.video`: every thread and every frame, in the Chrome trace event format.

The file opens in Perfetto (ui.perfetto.dev) and in chrome://tracing. Each thread of restyle is a track, each call of a
stage a slice on it, and arrows follow a frame from decoder to encoder; a gap is waiting. Threads inside FFmpeg and the
network's library do not report, but the counter "cores in use" has them: it is the processor time of the whole process.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from realtime.benchmark.machine import peak_memory
from realtime.release import __version__
from realtime.transnet.checkpoint import write_atomically

_FOLLOWED = ("decode", "infer", "paint", "encode")
_SAMPLE = 0.05
"""Seconds between two values of the counter, at least."""


class ChromeTrace:
    """Called by the pipeline's threads with what they have done; see `Stylizer.video`.

    Args:
        cpu: processor seconds of the process, for the counter.
    """

    def __init__(self, *, cpu: Callable[[], float] = time.process_time) -> None:
        self._cpu = cpu
        self._spans: list[tuple[str, tuple[int, ...], int, float, float]] = []
        self._threads: dict[int, str] = {}
        self._samples: list[tuple[float, float]] = []

    def __call__(self, what: str, items: Sequence[Any], begin: float, end: float) -> None:
        """Notes one piece of work of the calling thread. Quick, and safe from any thread.

        Args:
            what: the slice's name.
            items: the frames that were worked on, if any; only their `pts` are kept.
            begin, end: on `time.perf_counter`.
        """
        thread = threading.get_native_id()
        if thread not in self._threads:
            self._threads[thread] = threading.current_thread().name
        self._spans.append((what, tuple(item.pts for item in items), thread, begin, end))
        if what == "encode" and (not self._samples or end - self._samples[-1][0] >= _SAMPLE):
            self._samples.append((end, self._cpu()))

    def events(self) -> list[dict[str, Any]]:
        """Everything so far as trace events; times in microseconds of `time.perf_counter`."""
        process = os.getpid()
        found: list[dict[str, Any]] = [_named("process_name", process, 0, name=f"restyle {__version__}")]
        order = {thread: place for place, thread in enumerate(self._in_order())}
        for thread, place in order.items():
            found.append(_named("thread_name", process, thread, name=self._threads[thread]))
            found.append(_named("thread_sort_index", process, thread, sort_index=place))
        numbers = {pts: number for number, pts in enumerate(sorted({pts for span in self._spans for pts in span[1]}))}
        stations: dict[int, list[tuple[float, int]]] = {}
        for what, times, thread, begin, end in sorted(self._spans, key=lambda span: (span[3], -span[4])):
            event = {"name": what, "cat": "restyle", "ph": "X", "pid": process, "tid": thread}
            event |= {"ts": _micro(begin), "dur": _micro(end - begin)}
            if times:
                event["args"] = {"frames": [numbers[pts] for pts in times], "pts": list(times)}
            found.append(event)
            if what in _FOLLOWED:
                for pts in times:
                    stations.setdefault(numbers[pts], []).append((begin, thread))
        for number, places in stations.items():
            for place, (at, thread) in enumerate(places):
                phase = "s" if place == 0 else "f" if place == len(places) - 1 else "t"
                arrow = {"name": "frame", "cat": "frame", "ph": phase, "id": number, "pid": process, "tid": thread}
                found.append(arrow | {"ts": _micro(at)} | ({"bp": "e"} if phase == "f" else {}))
        for (before, used), (at, now) in zip(self._samples, self._samples[1:], strict=False):
            busy = {"cores": round((now - used) / (at - before), 3)}
            found.append({"name": "cores in use", "ph": "C", "pid": process, "ts": _micro(before), "args": busy})
        return found

    def _in_order(self) -> list[int]:
        """Threads in the order in which frames come to them: the caller's, decoder, network, its workers, encoder."""
        first: dict[int, int] = {}
        order = ("open", "decode", "infer", "paint", "encode")
        for what, _, thread, _, _ in self._spans:
            place = order.index(what) if what in order else len(order)
            first[thread] = min(first.get(thread, place), place)
        return sorted(first, key=lambda thread: (first[thread], self._threads[thread], thread))

    def save(self, path: Path) -> None:
        """Writes the file, and beside the events the most bytes of memory that this process ever held.

        The file is whole or not there.

        Raises:
            RestyleError: it cannot be written.
        """
        # A line for each event, so that a text tool can search the file.
        lines = ",\n".join(json.dumps(event) for event in self.events())
        other = json.dumps({"restyle": __version__, "peak_memory": peak_memory()})
        text = f'{{"displayTimeUnit": "ms", "otherData": {other}, "traceEvents": [\n{lines}\n]}}\n'
        write_atomically(path, text.encode())


def _micro(seconds: float) -> float:
    """Microseconds, to the nanosecond."""
    return round(seconds * 1e6, 3)


def _named(kind: str, process: int, thread: int, **values: Any) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": values}
