"""What a benchmark returns, and how it follows from the measurements.

`to_json()` is what `restyle bench --json` prints. Figures have four digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

import numpy as np

from realtime.benchmark.bounds import bound_of
from realtime.benchmark.cases import Case
from realtime.benchmark.measure import Timing
from realtime.benchmark.roofline import Roof
from realtime.results import Summary

SCHEMA = 1
"""Version of the JSON; another one may name its values otherwise."""

_LARGE_SPREAD = 0.1
"""Rounds that differ by more than this share of their median get a warning."""


def rounded(value: float) -> float:
    """Four digits: a fifth was never measured."""
    return float(f"{value:.4g}")


@dataclass(frozen=True)
class Spread(Summary):
    """Median and extremes of the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of one or more values."""
        return cls(rounded(median(values)), rounded(min(values)), rounded(max(values)))


@dataclass(frozen=True)
class CallTimes(Summary):
    """Milliseconds per frame: median and 95th percentile of all calls of the network."""

    median: float
    p95: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """From one or more times in seconds per frame."""
        return cls(*(rounded(1000 * float(value)) for value in np.percentile(list(seconds), (50, 95))))


@dataclass(frozen=True, kw_only=True)
class StageResult(Summary):
    """A stage alone, or the whole: frames per second, median wall-clock and processor milliseconds per frame."""

    fps: Spread
    ms: float
    cpu_ms: float

    @classmethod
    def of(cls, timings: Sequence[Timing], **more: Any) -> Self:
        """From one timing of each round, and the other attributes."""
        return cls(
            fps=Spread.of([timing.fps for timing in timings]),
            ms=rounded(1000 * median(timing.per_frame for timing in timings)),
            cpu_ms=rounded(1000 * median(timing.cpu_per_frame for timing in timings)),
            **more,
        )


@dataclass(frozen=True, kw_only=True)
class NetworkResult(StageResult):
    """The network alone, fed in batches. `device_ms`: the same where the planes stay in a CUDA device's memory; None
    for other engines."""

    call_ms: CallTimes
    device_ms: CallTimes | None


@dataclass(frozen=True, kw_only=True)
class WholeResult(StageResult):
    """The product itself: frames of one run, and the share of its time in which each stage was busy."""

    frames: int
    busy: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class BoundResult(Summary):
    """What keeps the whole from being faster; see `realtime.benchmark.bounds`.

    Attributes:
        by: name of the slowest stage, or "cores".
        fps: most frames per second that the stages allow.
        shares: each stage's share of the processor time.
        cores: that the stages share.
        reached: fps of the whole / fps of the bound.
    """

    by: str
    fps: Spread
    shares: dict[str, float]
    cores: int
    reached: Spread


@dataclass(frozen=True, kw_only=True)
class RooflineResult(Summary):
    """The network against the machine's peaks; see `realtime.benchmark.roofline`.

    Attributes:
        macs, bytes: multiply-accumulates and memory traffic per frame.
        ms: least milliseconds per frame.
        by: what limits them: "compute" or "memory".
        reached, device_reached: the least time / the network's own, and / its time on the device.
    """

    macs: float
    bytes: float
    ms: float
    by: str
    reached: float
    device_reached: float | None


@dataclass(frozen=True, kw_only=True)
class CaseResult(Summary):
    """One network on one engine at one size.

    Attributes:
        style: name of the network.
        rival: whether it is there for comparison only.
        size: (width, height).
        backend, device, precision, batch: of the engine.
        latency: `call_ms` of one frame at a time.
        roofline: None where the network's work or the device's peaks are unknown.
        memory_mib: peak in a new process of `restyle video` ("process"), and of PyTorch on a CUDA device ("device").
        first_frame_s: seconds from starting such a process until its first frame was encoded.
    """

    style: str
    rival: bool
    size: tuple[int, int]
    backend: str
    device: str
    precision: str
    batch: int
    decode: StageResult
    network: NetworkResult
    latency: dict[str, CallTimes]
    encode: StageResult
    whole: WholeResult
    bound: BoundResult
    roofline: RooflineResult | None
    memory_mib: dict[str, int | None]
    first_frame_s: Spread | None


@dataclass(frozen=True, kw_only=True)
class Comparison(Summary):
    """A case against the rival on the same device: ratios of fps, of the networks alone and of the whole."""

    rival: str
    style: str
    size: tuple[int, int]
    backend: str
    device: str
    precision: str
    batch: int
    network: Spread
    whole: Spread


@dataclass(frozen=True, kw_only=True)
class BenchResult(Summary):
    """A benchmark.

    Attributes:
        schema: version of this structure.
        command: command line that measures the same.
        date: ISO 8601.
        machine: see `realtime.benchmark.machine.describe`.
        load: cores that other work kept busy before the start.
        style: its `name` and `macs_per_pixel`; None for other people's networks.
        clip: name of the video, or "generated".
        encoder: as it was asked for.
        effort: how long was measured.
        roofs: the devices' measured peaks, in 10^9 multiply-accumulates and bytes per second.
        cases: one for each size and engine, and for the rival.
        against: comparisons with the rival.
        skipped: engines that are not available (`backend`, `device`, `precision`, `batch`), and the `reason`.
        warnings: why the figures may be wrong.
    """

    schema: int = SCHEMA
    command: str
    date: str
    machine: dict[str, Any]
    load: float
    style: dict[str, Any]
    clip: str
    encoder: str
    effort: dict[str, float]
    roofs: tuple[dict[str, Any], ...]
    cases: tuple[CaseResult, ...]
    against: tuple[Comparison, ...]
    skipped: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]


def _identity(case: Case) -> dict[str, Any]:
    engine = {name: getattr(case.subject.engine, name) for name in ("backend", "device", "precision", "batch")}
    return {"style": case.style, "size": case.size, **engine}


def case_result(case: Case, cores: int, roof: Roof | None) -> CaseResult:
    """The result of a case with one round or more.

    Args:
        case: what was measured.
        cores: that the stages share.
        roof: of its device in its precision; None where there is none.
    """
    rounds, on_device = case.rounds, case.on_device
    bounds = [bound_of(measured, cores) for measured in rounds]
    middle = sorted(bounds, key=lambda found: found.seconds)[len(bounds) // 2]
    process = max((run.peak_memory for run in case.runs if run.peak_memory is not None), default=0)
    return CaseResult(
        **_identity(case),
        rival=case.rival,
        decode=StageResult.of([r.decode for r in rounds]),
        network=NetworkResult.of(
            [r.network for r in rounds],
            call_ms=CallTimes.of(seconds for r in rounds for seconds in r.network.calls),
            device_ms=CallTimes.of(on_device) if on_device else None,
        ),
        latency={"call_ms": CallTimes.of(seconds for r in rounds for seconds in r.latency.calls)},
        encode=StageResult.of([r.encode for r in rounds]),
        whole=WholeResult.of(
            [r.whole for r in rounds],
            frames=rounds[0].whole.frames,
            busy={name: rounded(median(r.busy[name] / r.whole.seconds for r in rounds)) for name in rounds[0].busy},
        ),
        bound=BoundResult(
            by=middle.by,
            fps=Spread.of([1 / found.seconds for found in bounds]),
            shares={name: rounded(share) for name, share in middle.shares.items()},
            cores=cores,
            reached=Spread.of([b.seconds / r.whole.per_frame for b, r in zip(bounds, rounds, strict=True)]),
        ),
        roofline=None if roof is None else _roofline(case, roof),
        memory_mib={name: round(peak / 2**20) or None for name, peak in
                    (("process", process), ("device", case.device_memory))},
        first_frame_s=Spread.of([run.first_frame for run in case.runs]) if case.runs else None,
    )  # fmt: skip


def _roofline(case: Case, roof: Roof) -> RooflineResult | None:
    if case.work is None:
        return None
    traffic = case.work.traffic(case.subject.engine.precision, *case.size)
    seconds, by = roof.limit(case.work.macs, traffic)
    return RooflineResult(
        macs=rounded(case.work.macs),
        bytes=rounded(traffic),
        ms=rounded(1000 * seconds),
        by=by,
        reached=rounded(seconds / median(r.network.per_frame for r in case.rounds)),
        device_reached=rounded(seconds / median(case.on_device)) if case.on_device else None,
    )


def compare(cases: Sequence[Case]) -> list[Comparison]:
    """How many times as fast each case is as the rival on its device."""
    found = []
    for case in cases:
        for rival in cases:
            if case.rival or not rival.rival or case.subject.engine.device != rival.subject.engine.device:
                continue
            pairs = list(zip(case.rounds, rival.rounds, strict=True))
            network = Spread.of([a.network.fps / b.network.fps for a, b in pairs])
            whole = Spread.of([a.whole.fps / b.whole.fps for a, b in pairs])
            found.append(Comparison(**_identity(case), rival=rival.style, network=network, whole=whole))
    return found


def roof_result(device: str, precision: str, roof: Roof) -> dict[str, Any]:
    """An entry of `BenchResult.roofs`."""
    peaks = {"matrix_gmacs": roof.matrix, "convolution_gmacs": roof.convolution, "copy_gbytes": roof.copy}
    return {"device": device, "precision": precision} | {name: rounded(peak / 1e9) for name, peak in peaks.items()}


def load_warnings(load: float, cores: int) -> list[str]:
    """A warning where other work kept `load` of the machine's `cores` busy before the start."""
    if load < max(0.5, 0.1 * cores):
        return []
    return [f"other work ran on this machine (load {load:.1f} before the start): the figures are too low"]


def spread_warnings(cases: Sequence[Case]) -> list[str]:
    """A warning for each case whose rounds differ much."""
    found = []
    for case in cases:
        for name in ("network", "whole"):
            speeds = [getattr(measured, name).fps for measured in case.rounds]
            difference = (max(speeds) - min(speeds)) / median(speeds)
            if difference > _LARGE_SPREAD:
                found.append(f"{case.label}: the rounds' fps of the {name} differ by {difference:.0%}")
    return found
