"""Opens the engine for a style: the one that was asked for, or the fastest, found by a short measurement.

The measurement is stored in the user's cache folder for this machine, these versions and networks of this shape.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from realtime.engines.base import Engine
from realtime.engines.calibration_cache import MeasuredCalibration, calibration_of
from realtime.engines.candidates import Candidate, Machine, candidates
from realtime.engines.cuda.engine import CudaEngine
from realtime.engines.cuda.tuning import tune
from realtime.engines.measurement_cache import MeasurementCache
from realtime.engines.onnx.calibration import Calibration
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.openvino_session import openvino_runtime
from realtime.engines.onnx.ort_session import ort_runtime
from realtime.engines.onnx.session import Runtime
from realtime.engines.speed import SIZE, Clock, measure_speeds
from realtime.engines.torch.engine import TorchEngine
from realtime.errors import InputError
from realtime.options import EngineOptions
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.network import TransNet

INT8_PSNR = 38.0
"""PSNR in dB against fp32 that int8 must have to be chosen automatically: the difference cannot be seen."""


def open_engine(path: Path, options: EngineOptions = EngineOptions()) -> tuple[Engine, StyleCard]:
    """Open a style's file.

    Args:
        path: a checkpoint or an ONNX file.
        options: what runs it.

    Returns:
        the engine, which the caller closes, and what is known of the style.

    Raises:
        StyleError: the file is damaged, or no style.
        InputError: a backend, device or precision is not available.
    """
    if path.suffix.lower() != ".onnx":
        network, card = load_checkpoint(path)
        return choose(network, options), card
    if options.backend == "torch":
        raise InputError(f"{path}: an ONNX file does not run in PyTorch; use --backend onnx or openvino")
    runtime = _runtime(options.backend, options.device)
    engine = OnnxEngine(path, runtime, precision=options.precision, batch=options.batch, threads=options.threads)
    assert engine.style is not None
    return engine, engine.style


def open_alike(
    network: TransNet, engine: Engine, options: EngineOptions, calibration: Calibration | None = None
) -> Engine:
    """Open an engine for other weights that runs on the same device in the same way as one that is open.

    Args:
        network: of the same architecture, in its training form.
        engine: the one that is open.
        options: that it was opened with.
        calibration: for int8; None takes the network's own, which takes a second to measure.
    """
    kind: Any = {"backend": engine.backend, "precision": engine.precision, "device": engine.device}
    return EngineFactory(network, options.replace(**kind), calibration).open(Candidate(**kind))


class EngineFactory:
    """Opens engines for one network. `options` are the user's; without `calibration` int8 takes the network's own."""

    def __init__(self, network: TransNet, options: EngineOptions, calibration: Calibration | None = None) -> None:
        self.network, self.options, self._given = network, options, calibration

    @cached_property
    def int8(self) -> MeasuredCalibration:
        """The network's calibration for int8."""
        return calibration_of(self.network)

    def open(self, candidate: Candidate, notes: Sequence[str] = ()) -> Engine:
        """An engine, with further notes. The caller closes it."""
        device, precision = candidate.device, candidate.precision
        if candidate.backend == "torch" and self.options.precision == "auto":
            precision = "auto"  # then the engine says why it takes fp32
        if candidate.backend == "torch" and device.startswith("cuda"):
            tuning = tune(self.network, device, precision)
            notes, batch = [tuning.note, *notes], self.options.batch
            return CudaEngine(
                self.network, device=device, precision=precision, batch=batch, plan=tuning.plan, notes=notes
            )
        common: Any = {
            "precision": precision,
            "batch": self.options.batch,
            "threads": self.options.threads,
            "notes": notes,
        }
        if candidate.backend == "torch":
            return TorchEngine(self.network, device=device, **common)
        runtime = _runtime(candidate.backend, device)
        calibration = None
        if precision == "int8":
            calibration = self._given or self.int8.calibration
        return OnnxEngine(self.network, runtime, calibration=calibration, **common)


def _runtime(backend: str, device: str) -> Runtime:
    return openvino_runtime(device) if backend == "openvino" else ort_runtime(device)


def choose(
    network: TransNet,
    options: EngineOptions = EngineOptions(),
    *,
    machine: Machine | None = None,
    factory: EngineFactory | None = None,
    clock: Clock = time.perf_counter,
) -> Engine:
    """Open the fastest engine for a network among those that `options` allow. Its notes say how it was found.

    Args:
        network: in its training form.
        options: what the user asks for.
        machine: what could run; None looks at this one.
        factory: opens engines; None opens those of this package.
        clock: seconds, for the measurement.

    Raises:
        InputError: a device or precision is not available.
        RestyleError: no engine runs the network.
    """
    machine, factory = machine or Machine(), factory or EngineFactory(network, options)
    found = candidates(options, machine)
    if len(found) == 1:
        return factory.open(found[0])
    threads = options.threads or torch.get_num_threads()
    key = {
        **machine.identity(),
        "network": network.architecture.to_dict(),
        "options": options.replace(threads=threads).to_json(),
    }
    cache = MeasurementCache("engines.json")
    speeds, where = _speeds(cache.read(key), found), f"stored in {cache.path}"
    if speeds is None:
        speeds = measure_speeds(factory.open, found, clock)
        where = cache.write(key, speeds)
    ranking = sorted((c for c in found if speeds[str(c)] > 0), key=lambda candidate: -speeds[str(candidate)])
    fps = ", ".join(f"{candidate} {speeds[str(candidate)]:.0f}" for candidate in ranking)
    notes = [f"chosen by measurement: {fps} fps at {SIZE[0]}x{SIZE[1]} ({where})"]
    for candidate in ranking:
        if candidate.precision == "int8" and options.precision == "auto" and factory.int8.psnr < INT8_PSNR:
            notes.append(f"{candidate} is left out: it differs too much from fp32 ({factory.int8.psnr:.0f} dB)")
        else:
            return factory.open(candidate, notes)
    raise InputError(f"nothing here runs this network well: {'; '.join(notes)}")


def _speeds(found: Any, wanted: Sequence[Candidate]) -> dict[str, float] | None:
    """A stored measurement of these candidates; None where it is none."""
    if not isinstance(found, dict) or set(found) != {str(candidate) for candidate in wanted}:
        return None
    return found if all(isinstance(value, int | float) for value in found.values()) else None
