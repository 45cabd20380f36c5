"""From readings to the result: plain values, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from realtime.benchmark.bounds import bound_of
from realtime.benchmark.cases import Case
from realtime.benchmark.measure import Spread, Timing, percentile, spread
from realtime.benchmark.roofline import Roof, limit

_UNEASY = 0.1
"""Readings that lie farther apart than this share of their median are remarked on."""


def case_entry(case: Case, cores: int, roof: Roof | None) -> dict[str, Any]:
    """The readings of a case.

    Args:
        case: with one round or more.
        cores: that the stages share.
        roof: of its device in its precision; None where there is none (see `has_roof`).

    Returns:
        milliseconds a frame, frames per second, mebibytes, and shares of 1; see `run_benchmark`.
    """
    engine, rounds = case.subject.engine, case.rounds
    bounds = [bound_of(readings, cores) for readings in rounds]
    # The round whose bound is the median speaks for all.
    middle = sorted(bounds, key=lambda found: found.seconds)[len(bounds) // 2]
    reached = [found.seconds / r.whole.timing.per_frame for found, r in zip(bounds, rounds, strict=True)]
    wholes = [r.whole for r in rounds]
    device = [seconds for r in rounds for seconds in r.device]
    first = [run.first_frame for run in case.runs]
    return {
        "style": case.style,
        "rival": case.rival,
        "size": list(case.size),
        "backend": engine.backend,
        "device": engine.device,
        "precision": engine.precision,
        "batch": engine.batch,
        "decode": _stage([r.decode for r in rounds]),
        "network": {
            **_stage([r.network for r in rounds]),
            "call_ms": _calls([r.network for r in rounds]),
            "device_ms": _milliseconds(device) if device else None,
        },
        "latency": {"call_ms": _calls([r.latency for r in rounds])},
        "encode": _stage([r.encode for r in rounds]),
        "whole": {
            **_stage([whole.timing for whole in wholes]),
            "frames": wholes[0].timing.frames,
            "busy": {
                name: number(percentile([whole.busy[name] / whole.timing.seconds for whole in wholes], 50))
                for name in wholes[0].busy
            },
        },
        "bound": {
            "by": middle.by,
            "fps": spread_entry(spread([found.fps for found in bounds])),
            "shares": {name: number(share) for name, share in middle.shares.items()},
            "cores": cores,
            "reached": spread_entry(spread(reached)),
        },
        "roofline": None if roof is None else _roofline(case, roof, [r.network.per_frame for r in rounds], device),
        "memory_mib": {
            "process": _mebibytes([run.memory for run in case.runs]),
            "device": _mebibytes([case.device_memory or None]),
        },
        "first_frame_s": spread_entry(spread(first)) if first else None,
    }


def _roofline(case: Case, roof: Roof, seconds: Sequence[float], device: Sequence[float]) -> dict[str, Any] | None:
    if case.work is None:
        return None
    traffic = case.work.traffic(case.subject.engine.precision, *case.size)
    least = limit(case.work.macs, traffic, roof)
    return {
        "macs": number(case.work.macs),
        "bytes": number(traffic),
        "ms": number(1000 * least.seconds),
        "by": least.by,
        "reached": number(least.seconds / percentile(seconds, 50)),
        "device_reached": number(least.seconds / percentile(device, 50)) if device else None,
    }


def comparisons(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """How many times as fast each case is as the rival on its device: the median of the rounds' own ratios."""
    found = []
    for case in cases:
        engine = case.subject.engine
        for rival in cases:
            if case.rival or not rival.rival or engine.device != rival.subject.engine.device:
                continue
            pairs = list(zip(case.rounds, rival.rounds, strict=True))
            found.append(
                {
                    "rival": rival.style,
                    "style": case.style,
                    "size": list(case.size),
                    "backend": engine.backend,
                    "device": engine.device,
                    "precision": engine.precision,
                    "batch": engine.batch,
                    "network": spread_entry(spread([a.network.fps / b.network.fps for a, b in pairs])),
                    "whole": spread_entry(spread([a.whole.timing.fps / b.whole.timing.fps for a, b in pairs])),
                }
            )
    return found


def roof_entry(device: str, precision: str, roof: Roof) -> dict[str, Any]:
    """A roof in thousand millions of multiply-accumulates, and of bytes, a second."""
    return {
        "device": device,
        "precision": precision,
        **{f"{name}_{unit}": number(asdict(roof)[name] / 1e9) for name, unit in
           (("matrix", "gmacs"), ("convolution", "gmacs"), ("copy", "gbytes"))},
    }  # fmt: skip


def load_warnings(load: float | None, cores: int) -> list[str]:
    """What a busy machine does to figures; nothing where it was idle.

    Args:
        load: cores that other work kept busy before the start.
        cores: that there are.
    """
    if load is None or load < max(0.5, 0.1 * cores):
        return []
    return [f"other work ran on this machine (load {load:.1f} before the start): the figures are too low"]


def spread_warnings(cases: Sequence[Case]) -> list[str]:
    """Where the rounds do not agree."""
    found = []
    for case in cases:
        for name, timings in (
            ("network", [r.network for r in case.rounds]),
            ("whole", [r.whole.timing for r in case.rounds]),
        ):
            width = spread([timing.fps for timing in timings]).width
            if width > _UNEASY:
                found.append(f"{case.label}: the rounds' fps of the {name} differ by {width:.0%}")
    return found


def _stage(timings: Sequence[Timing]) -> dict[str, Any]:
    """Frames per second, wall-clock and processor milliseconds a frame."""
    return {
        "fps": spread_entry(spread([timing.fps for timing in timings])),
        "ms": number(1000 * percentile([timing.per_frame for timing in timings], 50)),
        "cpu_ms": number(1000 * percentile([timing.cpu_per_frame for timing in timings], 50)),
    }


def _calls(timings: Sequence[Timing]) -> dict[str, float]:
    return _milliseconds([seconds for timing in timings for seconds in timing.calls])


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": number(1000 * percentile(seconds, 50)), "p95": number(1000 * percentile(seconds, 95))}


def spread_entry(value: Spread) -> dict[str, float]:
    """Median and extremes."""
    return {"median": number(value.median), "low": number(value.low), "high": number(value.high)}


def _mebibytes(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return round(max(known) / 2**20) if known else None


def number(value: float) -> float:
    """Four digits: the fifth was never measured."""
    return float(f"{value:.4g}")
