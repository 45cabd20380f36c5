"""How the CUDA engine runs: the choice among measured ways, with made-up speeds, and what is kept of it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
import torch

from realtime.engines.cuda import tuning
from realtime.engines.cuda.device import HostDevice
from realtime.engines.cuda.engine import Plan
from realtime.engines.cuda.tuning import find_plan, tune, ways
from realtime.transnet.network import Architecture
from tests.transnet.test_network import random_network

SMALL = Architecture(width=8, body=16, dilations=(1,))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    return tmp_path


def test_the_fastest_way_and_the_smallest_batch_that_is_fast() -> None:
    speeds = {1: 500.0, 2: 900.0, 4: 1180.0, 8: 1200.0, 16: 1100.0}

    def speed(plan: Plan) -> float:
        return speeds[plan.batch] * (1.5 if plan.ends == "triton" else 1) * (1.2 if plan.graphs else 1)

    plan, told = find_plan([Plan(), Plan(ends="triton"), Plan(graphs=False)], (1, 2, 4, 8, 16), speed)
    assert plan == Plan(batch=4, ends="triton")  # within 3 % of the fastest
    assert told[str(plan)] == 1180 * 1.5 * 1.2


def test_what_does_not_run_is_not_taken() -> None:
    plan, _ = find_plan([Plan(), Plan(network="cudnn")], (1, 2), lambda plan: 0.0 if plan.network == "cudnn" else 5.0)
    assert plan == Plan(batch=1)


def test_the_ways_of_a_device() -> None:
    assert ways(torch.device("cpu"), torch.float32, records=True) == [Plan(), Plan(graphs=False)]
    assert ways(torch.device("cpu"), torch.float32, records=False) == [Plan(graphs=False)]


def test_measured_once_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BATCHES", (1, 2))
    ticks = count()

    def clock() -> float:
        return float(next(ticks))

    network = random_network(SMALL)
    first = tune(network, precision="fp32", runs_on=HostDevice(), size=(32, 24), clock=clock)
    used = next(ticks)
    assert used > 10
    assert first.plan.batch == 2  # each call takes a tick, with one frame or with two
    assert (cache / "restyle" / "cuda.json").is_file()
    again = tune(network, precision="fp32", runs_on=HostDevice(), size=(32, 24), clock=clock)
    assert next(ticks) == used + 1  # nothing was measured
    assert (again.plan, again.speeds) == (first.plan, first.speeds)
    assert "batches of 2" in again.note and "by measurement" in again.note


def test_a_small_memory_tries_small_batches() -> None:
    size = (32, 24)
    device = HostDevice(free=2 * 3 * 32 * 24 * tuning._BYTES_PER_PIXEL)
    found = tune(random_network(SMALL), precision="fp32", runs_on=device, size=size)
    assert {name.partition(",")[0] for name in found.speeds} <= {"batches of 1", "batches of 2"}


@pytest.mark.parametrize("kept", [None, {}, {"plan": {"batch": 0}, "speeds": {}}, {"plan": {"x": 1}, "speeds": {}}, []])
def test_what_was_kept_and_is_not_that(kept: object) -> None:
    assert tuning._read(kept) is None
