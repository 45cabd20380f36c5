"""A benchmark's result whose every figure is known."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.benchmark.cases import Case
from realtime.benchmark.measure import measure_round, prepare
from realtime.benchmark.new_process import ProcessRun
from realtime.benchmark.result import BenchResult, case_result, compare, roof_result
from realtime.benchmark.roofline import Roof, Work
from tests.helpers.fakes import Cost, HandClock, fake_subject

ROOF = Roof(matrix=100e9, convolution=50e9, copy=10e9)
COSTS = {"decode": Cost(0.001, 0.002), "network": Cost(0.010, 0.018), "encode": Cost(0.002, 0.004)}
"""24 ms of processor time: 12 ms a frame on two cores."""


def known_case(
    *, rival: bool = False, slower: float = 1.0, whole: float = 0.015, drift: Sequence[float] = (1, 1, 1)
) -> Case:
    """A case of known costs: `COSTS`, the network's times `slower`; in round n all of them times drift[n]."""
    rounds = []
    for factor in drift:
        clock = HandClock()
        costs = {name: Cost(cost.wall * factor, cost.cpu * factor) for name, cost in COSTS.items()}
        costs["network"] = Cost(costs["network"].wall * slower, costs["network"].cpu * slower)
        subject = fake_subject(clock, costs, whole=Cost(whole * factor, 0.024), batch=2, alone=Cost(0.02, 0.03))
        rounds.append(measure_round(subject, prepare(subject, clock, seconds=1, frames=48), 1, clock))
    work = Work(macs=0.5e9, values=1e6)
    case = Case("johnson" if rival else "starry-night", rival, (640, 360), subject, work, None, rounds)
    if not rival:
        case.runs = [ProcessRun(2.5, 600 * 2**20), ProcessRun(2.0, 500 * 2**20), ProcessRun(3.0, None)]
    return case


def known_result(*cases: Case, skipped: Sequence[str] = (), warnings: Sequence[str] = ()) -> BenchResult:
    """The result of these cases; without any, of a style and a rival."""
    cases = cases or (known_case(), known_case(rival=True, slower=30, whole=0.301))
    engine = {"backend": "torch", "device": "cuda", "precision": "auto", "batch": None}
    return BenchResult(
        command="restyle bench --against johnson",
        date="2026-01-02T03:04+00:00",
        machine={
            "processor": "Test 9000", "cores": 2, "capability": "AVX512", "gpus": [], "python": "3.11.7",
            "restyle": "0.1.0", "packages": {"torch": "2.11.0", "numpy": "2.0"},
        },
        load=0.0,
        style={"name": "starry-night", "macs_per_pixel": 15000.0},
        clip="generated",
        encoder="auto",
        effort={"rounds": 3, "seconds": 1, "frames": 48, "memory": 2**28},
        roofs=(roof_result("cpu", "fp32", ROOF),),
        cases=tuple(case_result(case, 2, ROOF) for case in cases),
        against=tuple(compare(cases)),
        skipped=tuple({**engine, "reason": reason} for reason in skipped),
        warnings=tuple(warnings),
    )  # fmt: skip
