"""No stage and no core can do more than the bound says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.benchmark.bounds import CORES, bound
from realtime.benchmark.measure import Timing

TIMING = st.builds(Timing, st.just(1), st.floats(1e-4, 1), st.floats(0, 8))
STAGES = st.fixed_dictionaries({"decode": TIMING, "network": TIMING, "encode": TIMING})


@given(STAGES, st.integers(1, 64))
def test_the_bound_is_the_slowest_stage_or_the_shared_cores(stages: dict[str, Timing], cores: int) -> None:
    found = bound(stages, cores)
    slowest = max(timing.seconds for timing in stages.values())
    shared = sum(timing.cpu_seconds for timing in stages.values()) / cores
    assert found.seconds == pytest.approx(max(slowest, shared))
    if found.by == CORES:
        assert found.seconds > slowest
    else:
        assert found.seconds == stages[found.by].seconds == slowest
    assert sum(found.shares.values()) == pytest.approx(1) or not shared


@given(STAGES, st.integers(1, 63))
def test_more_cores_never_slow_it_down(stages: dict[str, Timing], cores: int) -> None:
    assert bound(stages, cores + 1).seconds <= bound(stages, cores).seconds


def test_a_stage_that_does_not_compute_has_no_share() -> None:
    found = bound({"decode": Timing(1, 0.01, 0), "network": Timing(1, 0.02, 0)}, 2)
    assert (found.by, found.seconds, found.shares) == ("network", 0.02, {"decode": 0, "network": 0})


def test_a_gpu_leaves_the_cores_to_the_codec() -> None:
    stages = {"decode": Timing(1, 0.001, 0.002), "network": Timing(1, 0.003, 0.0005), "encode": Timing(1, 0.004, 0.012)}
    assert bound(stages, 16).by == "encode"
    assert bound(stages, 2).by == CORES
