from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.benchmark.bounds import CORES, Cost, bound

COST = st.builds(Cost, st.floats(1e-4, 1), st.floats(0, 8))
COSTS = st.fixed_dictionaries({"decode": COST, "network": COST, "encode": COST})


@given(COSTS, st.integers(1, 64))
def test_no_stage_and_no_core_can_do_more(costs: dict[str, Cost], cores: int) -> None:
    found = bound(costs, cores)
    assert all(found.seconds >= cost.wall for cost in costs.values())
    assert found.seconds >= sum(cost.cpu for cost in costs.values()) / cores * (1 - 1e-9)
    if found.by == CORES:
        assert found.seconds > max(cost.wall for cost in costs.values())
    else:
        assert found.seconds == costs[found.by].wall == max(cost.wall for cost in costs.values())
    total = sum(found.shares.values())
    assert total == pytest.approx(1) or not any(cost.cpu for cost in costs.values())


@given(COSTS, st.integers(1, 63))
def test_more_cores_never_slow_it_down(costs: dict[str, Cost], cores: int) -> None:
    assert bound(costs, cores + 1).seconds <= bound(costs, cores).seconds


def test_what_does_not_compute_has_no_share() -> None:
    found = bound({"decode": Cost(0.01, 0), "network": Cost(0.02, 0)}, 2)
    assert (found.by, found.fps, found.shares) == ("network", 50, {"decode": 0, "network": 0})


def test_a_gpu_leaves_the_cores_to_the_codec() -> None:
    costs = {"decode": Cost(0.001, 0.002), "network": Cost(0.003, 0.0005), "encode": Cost(0.004, 0.012)}
    assert bound(costs, 16).by == "encode"
    assert bound(costs, 2).by == CORES
