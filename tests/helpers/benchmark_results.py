"""Benchmark results for tests, of cases whose every reading is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from realtime.benchmark.bounds import Cost
from realtime.benchmark.cases import Case
from realtime.benchmark.fresh import Fresh
from realtime.benchmark.measure import Effort, measure_round, prepare
from realtime.benchmark.report import SCHEMA
from realtime.benchmark.result import case_entry, roof_entry
from realtime.benchmark.result import comparisons as compare
from realtime.benchmark.roofline import Roof, Work
from tests.helpers.fakes import HandClock, spending_subject

ROOF = Roof(matrix=100e9, convolution=50e9, copy=10e9)
COSTS = {"decode": Cost(0.001, 0.002), "network": Cost(0.010, 0.018), "encode": Cost(0.002, 0.004)}
"""24 ms of processor time: 12 ms a frame on two cores."""


def measured(
    *, rival: bool = False, slower: float = 1.0, whole: float = 0.015, drift: Sequence[float] = (1, 1, 1)
) -> Case:
    """A case whose every reading is known; in round n all of it takes drift[n] times as long."""
    rounds = []
    for factor in drift:
        clock = HandClock()
        costs = {name: Cost(cost.wall * factor, cost.cpu * factor) for name, cost in COSTS.items()}
        costs["network"] = Cost(costs["network"].wall * slower, costs["network"].cpu * slower)
        subject = spending_subject(clock, costs, whole=Cost(whole * factor, 0.024), batch=2, alone=Cost(0.02, 0.03))
        effort = Effort(rounds=1, seconds=1, frames=48)
        rounds.append(measure_round(subject, prepare(subject, effort, clock), effort, clock))
    work = Work(macs=0.5e9, values=1e6)
    case = Case("johnson" if rival else "starry-night", rival, (640, 360), subject, work, None, rounds)
    if not rival:
        case.runs = [Fresh(2.5, 600 * 2**20), Fresh(2.0, 500 * 2**20), Fresh(3.0, None)]
    return case


def result_of(*cases: Case) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": "restyle bench --against johnson",
        "date": "2026-01-02T03:04+00:00",
        "machine": {
            "processor": "Test 9000", "cores": 2, "capability": "AVX512", "gpus": [], "python": "3.11.7",
            "restyle": "0.1.0", "packages": {"torch": "2.11.0", "numpy": "2.0"},
        },
        "clip": "generated",
        "roofs": [roof_entry("cpu", "fp32", ROOF)],
        "effort": {"rounds": 3, "seconds": 1, "frames": 48},
        "cases": [case_entry(case, 2, ROOF) for case in cases],
        "against": compare(cases),
        "skipped": [],
        "warnings": [],
    }  # fmt: skip
