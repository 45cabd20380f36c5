"""From what each stage costs alone to what all of them together can reach, and what keeps them from more.

Two things bound a pipeline. A stage can hand on no faster than it works alone. And where several stages compute on the
same cores, their processor time adds up: together they take at least its sum divided by the cores. Whichever is more is
the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from realtime.benchmark.measure import Round

CORES = "cores"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a stage costs alone: wall-clock and processor seconds a frame."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that stages allow together.

    Attributes:
        seconds: least wall-clock time a frame.
        by: the name of the stage that is slowest, or "cores" where their sharing costs more than any stage alone.
        shares: of each stage in the processor time of all, 0 to 1; all 0 where none was used.
    """

    seconds: float
    by: str
    shares: Mapping[str, float]

    @property
    def fps(self) -> float:
        """Most frames per second."""
        return 1 / self.seconds


def bound(costs: Mapping[str, Cost], cores: int) -> Bound:
    """What stages that work at the same time on `cores` cores can reach.

    Args:
        costs: by the stages' names; at least one.
        cores: that the process may use.
    """
    total = sum(cost.cpu for cost in costs.values())
    shares = {name: cost.cpu / total if total else 0.0 for name, cost in costs.items()}
    slowest = max(costs, key=lambda name: costs[name].wall)
    if total / cores > costs[slowest].wall:
        return Bound(total / cores, CORES, shares)
    return Bound(costs[slowest].wall, slowest, shares)


def bound_of(readings: Round, cores: int) -> Bound:
    """The bound of one round's readings."""
    stages = {"decode": readings.decode, "network": readings.network, "encode": readings.encode}
    return bound({name: Cost(timing.per_frame, timing.cpu_per_frame) for name, timing in stages.items()}, cores)
