"""How the CUDA engine runs on this device: found by a short measurement, and remembered like the choice of engine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from realtime import __version__
from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.engines.cuda.runtime import CudaRuntime, DeviceRuntime
from realtime.engines.measurement_cache import Kept
from realtime.engines.torch.device import choose_device, torch_precision
from realtime.frames import Frame, chroma_shape
from realtime.options import Precision
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


@dataclass(frozen=True, slots=True)
class Tuning:
    """A plan, and how it was found.

    Attributes:
        plan: how to run.
        speeds: frames a second by plan, in words.
        where: where the measurement is stored, in words.
    """

    plan: Plan
    speeds: dict[str, float]
    where: str

    @property
    def note(self) -> str:
        """One line for people."""
        told = "; ".join(f"{name} {speed:.0f}" for name, speed in self.speeds.items())
        return f"CUDA engine: {self.plan}, by measurement (fps at {SIZE[0]}x{SIZE[1]}: {told}; {self.where})"


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
    speeds: dict[Plan, float] = {}

    def measured(plan: Plan) -> float:
        if plan not in speeds:
            speeds[plan] = speed(plan)
        return speeds[plan]

    best_way = max([Plan(middle, way) for way in ((True, False) if graphs else (False,))], key=measured)
    sized = [Plan(batch, best_way.graphs) for batch in batches]
    best = max(measured(plan) for plan in sized)
    chosen = next(plan for plan in sized if measured(plan) >= ENOUGH * best)
    return chosen, {str(plan): round(value, 1) for plan, value in speeds.items()}


def tune(
    network: TransNet,
    device: str = "cuda",
    precision: Precision = "auto",
    *,
    runtime: DeviceRuntime | None = None,
    size: tuple[int, int] = SIZE,
    clock: Callable[[], float] = time.perf_counter,
) -> Tuning:
    """How to run a network on a device: from an earlier measurement, or from one made now, which takes some seconds.

    Args:
        network: in its training form.
        device, precision, runtime: see `CudaEngine`.
        size: (width, height) of the frames of the measurement.
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
    kept = Kept("cuda.json")
    if (found := _read(kept.read(key))) is not None:
        return Tuning(*found, f"kept in {kept.path}")
    frame = _gray(size)

    def speed(plan: Plan) -> float:
        try:
            with CudaEngine(network, precision=precision, plan=plan, runtime=on) as engine:
                reached = _speed(engine, [frame] * plan.batch, clock)
                return reached if engine.batch == plan.batch else 0.0  # else it did not fit
        except RuntimeError:  # a library that has no such kernel for this device
            return 0.0

    fitting = [b for b in BATCHES if b == 1 or b * size[0] * size[1] * _BYTES_PER_PIXEL < on.free_memory() / 2]
    plan, speeds = find_plan(fitting, speed, graphs=on.records)
    if not any(speeds.values()):
        return Tuning(Plan(batch=1), speeds, "no way could be measured")
    kept.write(key, {"plan": asdict(plan), "speeds": speeds})
    return Tuning(plan, speeds, f"kept in {kept.path}" if kept.path.exists() else kept.problem)


def _read(found: Any) -> tuple[Plan, dict[str, float]] | None:
    """A stored measurement; None where it is none."""
    try:
        plan = Plan(**found["plan"])
        speeds = {str(name): float(speed) for name, speed in found["speeds"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return (plan, speeds) if isinstance(plan.batch, int) and plan.batch > 0 else None


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
    width, height = size
    chroma = np.full(chroma_shape(height, width), 128, np.uint8)
    return Frame(np.full((height, width), 126, np.uint8), chroma, chroma)
