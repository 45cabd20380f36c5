"""How the CUDA engine runs on this device: found by a short measurement, and remembered like the choice of engine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.engines.cuda.runtime import CudaRuntime
from realtime.engines.measurement_cache import MeasurementCache
from realtime.engines.torch.device import choose_device, torch_precision
from realtime.frames import Frame, chroma_shape
from realtime.options import Precision
from realtime.release import __version__
from realtime.transnet.network import TransNet

SIZE = (1920, 1080)
"""(width, height) of the frames of the measurement."""

BATCHES = (1, 2, 4, 8, 16)
"""Batch sizes that are tried."""

ENOUGH = 0.97
"""A smaller batch is chosen if it reaches this part of the highest speed: it takes less memory and has less delay."""

CALLS = 6
"""Batches that are measured with each plan; the fastest counts, because whatever slows a batch down is not the plan."""

_BYTES_PER_PIXEL = 64
"""Rough memory for a frame. Batch sizes that would take more than half of what is free are not tried."""


class Tuning(NamedTuple):
    """A plan, and one line for people on how it was found."""

    plan: Plan
    note: str


def tune(
    network: TransNet,
    device: str = "cuda",
    precision: Precision = "auto",
    *,
    runtime: CudaRuntime | None = None,
    size: tuple[int, int] = SIZE,
    batches: Sequence[int] = BATCHES,
    clock: Callable[[], float] = time.perf_counter,
) -> Tuning:
    """How to run a network on a device: from an earlier measurement, or from one made now, which takes some seconds.

    Args:
        network: in its training form.
        device, precision, runtime: see `CudaEngine`.
        size: (width, height) of the frames of the measurement.
        batches: sizes that are tried, ascending.
        clock: seconds.

    Raises:
        InputError: a device or precision is not available.
    """
    on = runtime or CudaRuntime(choose_device(device))
    key = {
        "restyle": __version__,
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "system": platform.system(),
        "device": on.title,
        "network": network.architecture.to_dict(),
        "precision": torch_precision(precision, on.where),
        "size": list(size),
    }
    cache = MeasurementCache("cuda.json")
    if (found := _read(cache.read(key))) is not None:
        return _tuning(*found, f"stored in {cache.path}")
    frame = _gray(size)

    def speed(plan: Plan) -> float:
        try:
            with CudaEngine(network, precision=precision, plan=plan, runtime=on) as engine:
                reached = _speed(engine, [frame] * plan.batch, clock)
                return reached if engine.batch == plan.batch else 0.0  # else it did not fit
        except RuntimeError:  # a library that has no such kernel for this device
            return 0.0

    fitting = [b for b in batches if b == 1 or b * size[0] * size[1] * _BYTES_PER_PIXEL < on.free_memory() / 2]
    plan, speeds = find_plan(fitting, speed, graphs=on.records)
    if not any(speeds.values()):
        return _tuning(Plan(batch=1), speeds, "no way could be measured")
    return _tuning(plan, speeds, cache.write(key, {"batch": plan.batch, "graphs": plan.graphs, "speeds": speeds}))


def find_plan(
    batches: Sequence[int], speed: Callable[[Plan], float], *, graphs: bool = True
) -> tuple[Plan, dict[str, float]]:
    """With or without graphs, whatever is faster at the middle batch size; then the smallest batch that is fast enough.

    Args:
        batches: sizes that fit into the memory, ascending.
        speed: measures frames a second of a plan; 0 where it does not run.
        graphs: whether the device has graphs. (They have been seen to be slower than starting kernel by kernel.)

    Returns:
        the plan, and what was measured, by the plans' words.
    """
    middle = batches[len(batches) // 2]
    speeds = {plan: speed(plan) for plan in [Plan(middle, way) for way in ((True, False) if graphs else (False,))]}
    way = max(speeds, key=lambda plan: speeds[plan]).graphs
    sized = [Plan(batch, way) for batch in batches]
    speeds |= {plan: speed(plan) for plan in sized if plan not in speeds}
    best = max(speeds[plan] for plan in sized)
    chosen = next(plan for plan in sized if speeds[plan] >= ENOUGH * best)
    return chosen, {str(plan): round(value, 1) for plan, value in speeds.items()}


def _tuning(plan: Plan, speeds: dict[str, float], where: str) -> Tuning:
    told = "; ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
    return Tuning(plan, f"CUDA engine: {plan}, by measurement (fps at {SIZE[0]}x{SIZE[1]}: {told}; {where})")


def _read(found: Any) -> tuple[Plan, dict[str, float]] | None:
    """A stored measurement; None where it is none."""
    try:
        plan = Plan(int(found["batch"]), bool(found["graphs"]))
        speeds = {str(name): float(speed) for name, speed in found["speeds"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return (plan, speeds) if plan.batch > 0 else None


def _speed(engine: CudaEngine, frames: list[Frame], clock: Callable[[], float]) -> float:
    """Frames a second when the next batch is begun before the last one is waited for, as the pipeline does."""
    engine.stylize(frames)
    quickest = float("inf")
    waiting = engine.begin(frames)
    for _ in range(CALLS):
        begin = clock()
        following = engine.begin(frames)
        waiting()
        quickest = min(quickest, clock() - begin)
        waiting = following
    waiting()
    return len(frames) / quickest if quickest > 0 else 0.0


def _gray(size: tuple[int, int]) -> Frame:
    chroma = np.full(chroma_shape(size[1], size[0]), 128, np.uint8)
    return Frame(np.full((size[1], size[0]), 126, np.uint8), chroma, chroma)
