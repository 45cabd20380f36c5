"""`--profile`: every thread and every frame, in a file that Perfetto opens."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realtime import Stylizer, pipeline
from realtime.benchmark.files import check_target
from realtime.benchmark.trace import ChromeTrace
from realtime.errors import InputError, RestyleError, StageError
from realtime.media.synthetic.demo import write_demo_clip
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.transnets import random_network


def check_format(events: Sequence[dict[str, Any]]) -> None:
    """What the Trace Event Format asks for, of the kinds of events that are written."""
    needed = {
        "M": {"name", "pid", "tid", "args"},
        "X": {"name", "cat", "pid", "tid", "ts", "dur"},
        "C": {"name", "pid", "ts", "args"},
        **{phase: {"name", "cat", "id", "pid", "tid", "ts"} for phase in "stf"},
    }
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    slices: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        assert needed[event["ph"]] <= set(event), event
        if event["ph"] == "X":
            assert event["tid"] in named
            assert event["dur"] >= 0
            slices.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for spans in slices.values():  # slices of a track lie in one another or apart
        open_until: list[float] = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= begin:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)
    for number in {event["id"] for event in events if event["ph"] == "s"}:
        way = [event for event in events if event.get("id") == number]
        assert "".join(event["ph"] for event in way) == "s" + "t" * (len(way) - 2) + "f"
        assert [event["ts"] for event in way] == sorted(event["ts"] for event in way)
        for event in way:  # an arrow must begin and end within a slice
            assert any(begin <= event["ts"] <= end for begin, end in slices[event["tid"]])


@dataclass
class Item:
    pts: int


def test_the_pipeline_tells_of_every_call_in_its_own_thread() -> None:
    told: list[tuple[str, tuple[int, ...], str]] = []
    spans: list[tuple[float, float]] = []

    def trace(what: str, items: Sequence[Any], begin: float, end: float) -> None:
        told.append((what, tuple(item.pts for item in items), threading.current_thread().name))
        spans.append((begin, end))

    before = time.perf_counter()
    pipeline.run((Item(n) for n in range(5)), lambda items: items, lambda item: None, batch=2, trace=trace)
    assert Counter(told) == Counter(
        [("decode", (n,), "restyle-decode") for n in range(5)]
        + [("infer", pair, "restyle-infer") for pair in ((0, 1), (2, 3), (4,))]
        + [("encode", (n,), "restyle-encode") for n in range(5)]
    )
    assert all(before <= begin <= end <= time.perf_counter() for begin, end in spans)


def test_a_trace_that_fails_ends_the_run() -> None:
    def trace(*what: object) -> None:
        raise OSError("the disk is full")

    with pytest.raises(StageError, match="decode: OSError: the disk is full"):
        pipeline.run((Item(n) for n in range(5)), lambda items: items, lambda item: None, trace=trace)


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stylizer]:
    path = tmp_path_factory.mktemp("styles") / "noise.safetensors"
    save_checkpoint(path, random_network(Architecture(width=8, body=16, dilations=(1,))), StyleCard("noise"))
    with Stylizer(path, backend="torch", device="cpu", precision="fp32", batch=2, threads=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_demo_clip(path, seconds=0.5, size=(96, 64))
    return path


def test_a_run_on_a_file(stylizer: Stylizer, clip: Path, tmp_path: Path) -> None:
    used = iter(range(10**6))
    trace = ChromeTrace(cpu=lambda: float(next(used)))
    stylizer.video(clip, tmp_path / "out.mp4", trace=trace)
    trace.save(tmp_path / "trace.json")
    told = json.loads((tmp_path / "trace.json").read_text())
    events = told["traceEvents"]
    check_format(events)
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    order = sorted(
        (event["args"]["sort_index"], names[event["tid"]]) for event in events if event["name"] == "thread_sort_index"
    )
    assert [name for _, name in order] == [
        "MainThread",
        "restyle-decode",
        "restyle-infer",
        "torch-worker_0",
        "torch-worker_1",
        "restyle-encode",
    ]
    slices = [event for event in events if event["ph"] == "X"]
    for stage in ("decode", "infer", "paint", "encode"):
        seen = [number for event in slices if event["name"] == stage for number in event["args"]["frames"]]
        assert sorted(seen) == list(range(15)), stage
    once = [event["name"] for event in slices if names[event["tid"]] == "MainThread"]
    assert once == ["open", "finish"]
    arrows = Counter(event["id"] for event in events if event["ph"] in "stf")
    assert arrows == dict.fromkeys(range(15), 4)
    assert told["otherData"]["peak_memory"] > 2**20


def test_the_counter_is_processor_time() -> None:
    used = iter([1.0, 1.2, 1.3])
    trace = ChromeTrace(cpu=lambda: next(used))
    for number, end in enumerate([10.0, 10.01, 10.1, 10.2]):  # the second comes too soon
        trace("encode", [Item(number)], end - 0.001, end)
    counts = [event for event in trace.events() if event["ph"] == "C"]
    assert [event["args"]["cores"] for event in counts] == pytest.approx([2.0, 1.0], rel=1e-3)
    assert [event["ts"] for event in counts] == pytest.approx([10.0e6, 10.1e6])


def test_a_trace_of_nothing_is_a_trace() -> None:
    check_format(ChromeTrace().events())


def test_where_a_trace_cannot_go(tmp_path: Path) -> None:
    with pytest.raises(RestyleError, match="cannot be written"):
        ChromeTrace().save(tmp_path / "none" / "trace.json")
    taken = tmp_path / "trace.json"
    taken.write_text("mine")
    for path, why in [(taken, "--overwrite"), (tmp_path, "folder"), (tmp_path / "none" / "a.json", "does not exist")]:
        with pytest.raises(InputError, match=why):
            check_target(path, overwrite=False)
    check_target(taken, overwrite=True)
    check_target(tmp_path / "new.json", overwrite=False)
    assert taken.read_text() == "mine"
