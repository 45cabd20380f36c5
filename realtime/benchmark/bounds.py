"""What bounds a pipeline, from what each of its stages costs alone.

A pipeline is no faster than its slowest stage. Where several stages compute on the same cores, their processor time
adds up: together they take at least the sum divided by the number of cores. The larger of the two is the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from realtime.benchmark.measure import Round, Timing

CORES = "cores"


@dataclass(frozen=True, slots=True)
class Bound:
    """The fastest that stages can be together.

    Attributes:
        seconds: least wall-clock time per frame.
        by: name of the slowest stage, or "cores" where sharing them costs more than any stage alone.
        shares: each stage's share of all processor time, 0 to 1; all 0 where none was used.
    """

    seconds: float
    by: str
    shares: Mapping[str, float]


def bound(stages: Mapping[str, Timing], cores: int) -> Bound:
    """The bound of stages that work at the same time.

    Args:
        stages: what each stage costs alone, by its name; at least one.
        cores: number of cores that they share.
    """
    total = sum(timing.cpu_per_frame for timing in stages.values())
    shares = {name: timing.cpu_per_frame / total if total else 0.0 for name, timing in stages.items()}
    slowest = max(stages, key=lambda name: stages[name].per_frame)
    if total / cores > stages[slowest].per_frame:
        return Bound(total / cores, CORES, shares)
    return Bound(stages[slowest].per_frame, slowest, shares)


def bound_of(measured: Round, cores: int) -> Bound:
    """The bound of one round of measurements."""
    return bound({"decode": measured.decode, "network": measured.network, "encode": measured.encode}, cores)
