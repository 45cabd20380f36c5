"""How the CUDA engine runs: the choice among measured plans, with made-up speeds, and what is stored of it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from realtime.engines.cuda import tuning
from realtime.engines.cuda.engine import Plan
from realtime.engines.cuda.tuning import Tuning, find_plan, tune
from realtime.transnet.network import Architecture
from tests.helpers.host_runtime import HostRuntime
from tests.helpers.transnets import random_network

SMALL = Architecture(width=8, body=16, dilations=(1,))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    return tmp_path


SPEEDS = {1: 500.0, 2: 900.0, 4: 1180.0, 8: 1200.0, 16: 1100.0}


@pytest.mark.parametrize(("gain", "graphs"), [(1.2, True), (0.8, False)])
def test_the_faster_way_and_the_smallest_batch_that_is_fast(gain: float, graphs: bool) -> None:
    def speed(plan: Plan) -> float:
        return SPEEDS[plan.batch] * (gain if plan.graphs else 1)

    plan, told = find_plan(tuple(SPEEDS), speed)
    assert plan == Plan(batch=4, graphs=graphs)  # within 3 % of the fastest
    assert told[str(plan)] == pytest.approx(1180 * (gain if graphs else 1))


def test_a_device_without_graphs_is_measured_without() -> None:
    plan, told = find_plan((1, 2), lambda plan: SPEEDS[plan.batch], graphs=False)
    assert plan == Plan(batch=2, graphs=False) and len(told) == 2


def test_what_does_not_run_is_not_chosen() -> None:
    plan, _ = find_plan((1, 2), lambda plan: 0.0 if plan.graphs else 5.0)
    assert plan == Plan(batch=1, graphs=False)


def test_measured_once_and_stored(cache: Path) -> None:
    ticks = count()

    def clock() -> float:
        return float(next(ticks))

    def tuned() -> Tuning:
        runtime = HostRuntime()
        return tune(network, precision="fp32", runtime=runtime, size=(32, 24), batches=(1, 2), clock=clock)

    network = random_network(SMALL)
    first = tuned()
    used = next(ticks)
    assert used > 10
    assert first.plan.batch == 2  # each call takes a tick, with one frame or with two
    assert (cache / "restyle" / "cuda.json").is_file()
    assert tuned().plan == first.plan
    assert next(ticks) == used + 1  # nothing was measured
    assert "batches of 2" in first.note and "by measurement" in first.note


def test_a_small_memory_tries_small_batches() -> None:
    runtime = HostRuntime(free=2 * 3 * 32 * 24 * tuning._BYTES_PER_PIXEL)
    note = tune(random_network(SMALL), precision="fp32", runtime=runtime, size=(32, 24)).note
    assert "batches of 1" in note and "batches of 4" not in note


@pytest.mark.parametrize(
    "found", [None, {}, [], {"batch": 0, "graphs": True, "speeds": {}}, {"batch": 2, "graphs": True, "speeds": "fast"}]
)
def test_a_damaged_measurement_is_made_again(found: object) -> None:
    assert tuning._read(found) is None
