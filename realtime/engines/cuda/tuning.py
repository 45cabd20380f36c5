"""How the CUDA engine runs on this device: found out by a short measurement, and kept like the choice of the engine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from realtime import __version__
from realtime.engines.base import Precision
from realtime.engines.cuda.cudnn import cudnn_problem
from realtime.engines.cuda.device import CudaDevice, Device
from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.engines.cuda.triton_packing import triton_problem
from realtime.engines.measurement_cache import Kept
from realtime.engines.torch.engine import TYPES, choose_device, choose_precision
from realtime.frames import Frame, chroma_shape
from realtime.transnet.network import TransNet

SIZE = (1920, 1080)
"""(width, height) of the frames of the measurement."""

BATCHES = (1, 2, 4, 8, 16)
"""Frames at once that are tried."""

ENOUGH = 0.97
"""Of the fastest batch's speed: a smaller one that reaches it is taken, for it needs less memory and waits less."""

CALLS = 6
"""Batches that each way paints; the fastest counts, for what slows a batch down is something else."""

_BYTES_PER_PIXEL = 64
"""Of memory that a frame takes while it is painted, roughly: no size is tried that would fill half of what is free."""

Speed = Callable[[Plan], float]
"""Frames a second of a plan; 0 where it does not run."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A plan, and how it was found.

    Attributes:
        plan: how to run.
        speeds: frames a second by plan, in words.
        where: where that is kept, in words.
    """

    plan: Plan
    speeds: dict[str, float]
    where: str

    @property
    def note(self) -> str:
        """One line for people."""
        told = "; ".join(f"{name} {speed:.0f}" for name, speed in self.speeds.items())
        return f"CUDA engine: {self.plan}, by measurement (fps at {SIZE[0]}x{SIZE[1]}: {told}; {self.where})"


def ways(where: torch.device, dtype: torch.dtype, *, records: bool) -> list[Plan]:
    """Plans for one batch size that could run on a device: what does not work is not among them."""
    plans = [Plan(graphs=records)]
    if not cudnn_problem(where, dtype):
        plans.append(replace(plans[0], network="cudnn"))
    if not triton_problem(where, dtype):
        plans += [replace(plan, ends="triton") for plan in plans]
    if records:  # a graph that replays slower than its parts start has been seen
        plans.append(replace(plans[-1], graphs=False))
    return plans


def find_plan(plans: Sequence[Plan], batches: Sequence[int], speed: Speed) -> tuple[Plan, dict[str, float]]:
    """The fastest way at the middle batch size, and the smallest batch with which it is about as fast as it gets.

    Args:
        plans: ways; their batch sizes do not matter.
        batches: sizes that fit, ascending.
        speed: measures.

    Returns:
        the plan, and what was measured, by the plans' words.
    """
    middle = batches[len(batches) // 2]
    speeds: dict[Plan, float] = {}

    def measured(plan: Plan) -> float:
        if plan not in speeds:
            speeds[plan] = speed(plan)
        return speeds[plan]

    way = max((replace(plan, batch=middle) for plan in plans), key=measured)
    sized = [replace(way, batch=batch) for batch in batches]
    best = max(measured(plan) for plan in sized)
    chosen = next(plan for plan in sized if measured(plan) >= ENOUGH * best)
    return chosen, {str(plan): round(value, 1) for plan, value in speeds.items()}


def tune(
    network: TransNet,
    device: str = "cuda",
    precision: Precision = "auto",
    *,
    runs_on: Device | None = None,
    size: tuple[int, int] = SIZE,
    clock: Callable[[], float] = time.perf_counter,
) -> Tuning:
    """How to run a network on a device: what was found the last time, or measured now, which takes some seconds.

    Args:
        network: in its training form.
        device, precision, runs_on: see `CudaEngine`.
        size: (width, height) of the frames of the measurement.
        clock: seconds.

    Raises:
        InputError: a device or precision is not to be had.
    """
    on = runs_on or CudaDevice(choose_device(device))
    said = choose_precision(precision, on.where)
    kept = Kept("cuda.json")
    key = {
        "restyle": __version__,
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "system": platform.system(),
        "device": on.title,
        "network": network.architecture.to_dict(),
        "precision": said,
        "size": list(size),
    }
    if (found := _read(kept.read(key))) is not None:
        return Tuning(*found, f"kept in {kept.path}")
    frame = _gray(size)

    def speed(plan: Plan) -> float:
        engine = CudaEngine(network, device=device, precision=precision, plan=plan, runs_on=on)
        try:
            reached = _speed(engine, [frame] * plan.batch, clock)
            return reached if engine.batch == plan.batch else 0.0  # else it did not fit
        except RuntimeError:  # a library that has no such kernel for this device: another way is taken
            return 0.0
        finally:
            del engine
            on.synchronize()
            on.trim()

    fitting = [b for b in BATCHES if b == 1 or b * size[0] * size[1] * _BYTES_PER_PIXEL < on.free_memory() / 2]
    plan, speeds = find_plan(ways(on.where, TYPES[said], records=on.records), fitting, speed)
    if not any(speeds.values()):
        return Tuning(Plan(batch=1), speeds, "no way could be measured")
    kept.write(key, {"plan": asdict(plan), "speeds": speeds})
    return Tuning(plan, speeds, f"kept in {kept.path}" if kept.path.exists() else kept.problem)


def _read(found: Any) -> tuple[Plan, dict[str, float]] | None:
    """What was kept, if it is that."""
    try:
        plan = Plan(**found["plan"])
        speeds = {str(name): float(speed) for name, speed in found["speeds"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return (plan, speeds) if isinstance(plan.batch, int) and plan.batch > 0 else None


def _speed(engine: CudaEngine, frames: list[Frame], clock: Callable[[], float]) -> float:
    """Frames a second with one batch under way while the next is begun, as the pipeline does."""
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
