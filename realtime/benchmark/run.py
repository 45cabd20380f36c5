"""The benchmark: round after round of readings, and what they come to.

In every round every case is read once, and each begins another round, so that what changes with time (a processor that
grows warm, a neighbour on the same machine) meets all alike. Ratios are taken within a round and then their median,
which is why two runs agree in their ratios when their frame rates do not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from realtime.benchmark import machine, result
from realtime.benchmark.cases import GENERATED_FPS, Case, Clip, Options, cases, clips, contenders
from realtime.benchmark.events import ForwardEvents
from realtime.benchmark.fresh import run_fresh
from realtime.benchmark.measure import Clock, Material, SystemClock, measure_round, prepare
from realtime.benchmark.report import SCHEMA
from realtime.benchmark.roofline import Roof, has_roof, measure_roof
from realtime.engines.machine import cores
from realtime.media.synthetic.natural import write_natural_clip

_FRESH_RUNS = 3

Roofs = dict[tuple[str, str], Roof]
"""By device and precision."""


def run_benchmark(
    options: Options, *, say: Callable[[str], None] = lambda text: None, clock: Clock | None = None
) -> dict[str, Any]:
    """Measure everything that is asked for.

    Args:
        options: see `Options`.
        say: told in a line what is done next.
        clock: where readings come from.

    Returns:
        plain values, ready for JSON (`realtime.benchmark.report` shows them): `schema`, `command`, `date`, `machine`,
        `load` (before the start), `style`, `clip`, `encoder`, `effort`, and
        `cases`: for each size and engine: `decode`, `network`, `encode`, `whole` {fps, ms, cpu_ms: wall-clock and
        processor milliseconds a frame}; `network.call_ms` and `latency.call_ms` {median, p95} a frame in batches and
        alone; `network.device_ms` by the device's own clock; `whole.busy`: each stage's share of the time; `bound`
        {by, fps, shares, cores, reached}; `roofline` {macs, bytes, ms, by, reached}; `memory_mib`; `first_frame_s`.
        `against`: ratios to the rival's fps; `roofs`: what the machine reached; `skipped`: engines that are not to be
        had; `warnings`. What was read in several rounds is {median, low, high}; null was not measured.

    Raises:
        InputError: an option is wrong, or none of the engines is to be had.
        RestyleError: what is measured failed.
    """
    clock = clock or SystemClock()
    options.check()
    load = machine.load()
    found, skipped = contenders(options)
    for entry in skipped:
        say(f"left out: {entry.reason}")
    roofs: Roofs = {}
    done: list[list[Case]] = []
    with tempfile.TemporaryDirectory(prefix="restyle-bench-") as name:
        folder = Path(name)
        for clip in clips(options, folder):
            if options.video is None:
                frames = options.effort.frames
                say(f"{clip.name}: making a clip of {frames} frames")
                write_natural_clip(clip.path, frames=frames, size=clip.size, fps=GENERATED_FPS)
            group = cases(options, found, clip, folder)
            _measure(group, clip, options, folder, roofs, say, clock)
            done.append(group)
    first, shared = found[0].stylizer, cores()
    macs = None if first.foreign else first.style.macs_per_pixel
    return {
        "schema": SCHEMA,
        "command": options.command,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "load": None if load is None else result.number(load),
        "style": {"name": first.style.name, "macs_per_pixel": None if macs is None else result.number(macs)},
        "clip": options.video.name if options.video else "generated",
        "encoder": options.encoder,
        "effort": asdict(options.effort),
        "roofs": [result.roof_entry(*key, roof) for key, roof in roofs.items()],
        "cases": [result.case_entry(case, shared, roofs.get(_roof_key(case))) for group in done for case in group],
        "against": [entry for group in done for entry in result.comparisons(group)],
        "skipped": [{**asdict(entry.choice), "reason": entry.reason} for entry in skipped],
        "warnings": [
            *result.load_warnings(load, shared),
            *(text for group in done for text in result.spread_warnings(group)),
        ],
    }


def _measure(
    group: Sequence[Case],
    clip: Clip,
    options: Options,
    folder: Path,
    roofs: Roofs,
    say: Callable[[str], None],
    clock: Clock,
) -> None:
    """Fills the cases of one clip with readings."""
    pairs: list[tuple[Case, Material]] = []
    for case in group:
        say(f"{case.label}: warming up")
        pairs.append((case, prepare(case.subject, options.effort, clock)))
    for number in range(options.effort.rounds):
        first = number % len(pairs)
        for case, material in pairs[first:] + pairs[:first]:
            _read(case, material, options, roofs, clock)
            network, whole = case.rounds[-1].network, case.rounds[-1].whole.timing
            say(
                f"{case.label}: round {number + 1} of {options.effort.rounds}:"
                f" network {network.fps:.1f} fps, whole {whole.fps:.1f} fps ({whole.frames} frames)"
            )
    for case in group:
        if case.fresh is not None:
            say(f"{case.label}: in a process of its own")
            runs = min(_FRESH_RUNS, options.effort.rounds)
            case.runs = [run_fresh(case.fresh, clip.path, folder) for _ in range(runs)]


def _read(case: Case, material: Material, options: Options, roofs: Roofs, clock: Clock) -> None:
    """One round of one case, and the roof above it."""
    engine, key = case.subject.engine, _roof_key(case)
    if has_roof(*key):
        roof = measure_roof(*key, clock, threads=options.threads)
        roofs[key] = roofs[key].higher(roof) if key in roofs else roof
    cuda = engine.device.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats(engine.device)
    case.rounds.append(measure_round(case.subject, material, options.effort, clock, ForwardEvents() if cuda else None))
    if cuda and engine.backend == "torch":
        case.device_memory = max(case.device_memory, torch.cuda.max_memory_allocated(engine.device))


def _roof_key(case: Case) -> tuple[str, str]:
    return case.subject.engine.device, case.subject.engine.precision
