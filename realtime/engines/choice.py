"""Which engine runs a style: the one that was asked for, or the fastest there is, by a short measurement.

The measurement is kept in the user's cache folder for this machine, these versions and networks of this shape.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from realtime import __version__
from realtime.engines.base import Engine
from realtime.engines.cuda.engine import CudaEngine
from realtime.engines.cuda.tuning import tune
from realtime.engines.machine import cpu_name
from realtime.engines.measurement_cache import Kept
from realtime.engines.onnx import sessions
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.openvino_engine import OpenVinoEngine
from realtime.engines.onnx.quantise import Calibration, calibrate, generated_pictures
from realtime.engines.torch.device import choose_device, cpu_has_bf16
from realtime.engines.torch.engine import TorchEngine
from realtime.engines.workers import using_threads
from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.options import Backend, Precision
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.network import TransNet

FAITHFUL = 38.0
"""PSNR in dB against fp32 that int8 must have where it was not asked for: nobody sees the difference."""

SIZE = (640, 360)
"""(width, height) of the frames of the measurement."""

ROUNDS = 5
"""Batches that each engine paints for it; the fastest counts, for what slows a batch down is something else."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that could run.

    Attributes:
        backend, precision: its own; the precision may be "auto" where the engine itself has to say what is wrong.
        device: as that engine calls it.
    """

    backend: str
    precision: Precision
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}" + ("" if self.device == "cpu" else f" on {self.device}")


def load_engine(
    path: Path,
    *,
    backend: Backend = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    batch: int | None = None,
    threads: int | None = None,
    faithful: bool = False,
) -> tuple[Engine, StyleCard]:
    """An engine for a style's file, and what is known of the style.

    Args:
        path: a checkpoint or an ONNX file.
        backend, device, precision, batch, threads, faithful: see `realtime.stylizer.Stylizer`.

    Raises:
        StyleError: the file is damaged, or no style.
        InputError: a backend, device or precision is not to be had.
    """
    if backend not in get_args(Backend):
        raise InputError(f"backend {backend!r}: choose {', '.join(get_args(Backend))}")
    if precision not in get_args(Precision):
        raise InputError(f"precision {precision!r}: choose {', '.join(get_args(Precision))}")
    if path.suffix.lower() == ".onnx":
        if backend == "torch":
            raise InputError(f"{path}: an ONNX file does not run in PyTorch; use --backend onnx or openvino")
        kind = OpenVinoEngine if backend == "openvino" else OnnxEngine
        engine = kind(path, device=device, precision=precision, batch=batch, threads=threads)
        assert engine.style is not None
        return engine, engine.style
    network, card = load_checkpoint(path)
    return choose(network, backend, device, precision, batch=batch, threads=threads, faithful=faithful), card


def candidates(backend: Backend, device: str, precision: Precision, faithful: bool = False) -> list[Candidate]:
    """Engines that could run a network, as far as packages, devices and processor tell.

    At least one: where nothing fits, the one that says best what is wrong.
    """
    found = _on_cpu(backend, precision, faithful) if device == "cpu" else []
    word = device.partition(":")[0]
    if device == "auto":
        device = str(choose_device("auto"))
        place = sessions.choose_place("auto")
        if device != "cpu":
            found.append(Candidate("torch", "fp16" if precision == "auto" else precision, device))
        if place.kind.half:
            found.append(Candidate("onnx", "fp16" if precision == "auto" else precision, place.name))
        if not device.startswith("cuda") and place.kind.memory != "cuda":  # beside those a CPU has no chance
            found += _on_cpu(backend, precision, faithful)
    elif word in ("cuda", "mps"):
        found.append(Candidate("torch", "fp16" if precision == "auto" else precision, device))
        if not sessions.why_not(sessions.KINDS["cuda" if word == "cuda" else "coreml"].provider):
            found.append(Candidate("onnx", "fp16" if precision == "auto" else precision, device))
    elif device != "cpu":  # a provider's name
        found.append(Candidate("onnx", precision, device))
    chosen = [candidate for candidate in found if backend in ("auto", candidate.backend)]
    return chosen or [Candidate("torch" if backend == "auto" else backend, precision, device)]


def _on_cpu(backend: Backend, precision: Precision, faithful: bool) -> list[Candidate]:
    half: Precision = "bf16" if cpu_has_bf16() else "fp32"
    able: dict[str, tuple[Precision, ...]] = {
        "torch": ("fp32", "bf16"),
        "onnx": ("int8", "fp32"),
        "openvino": ("int8", "bf16", "fp32"),
    }
    if find_spec("openvino") is None:  # looked for, not loaded: that takes its time
        del able["openvino"]
    wanted: tuple[Precision, ...] = (precision,)
    if precision == "auto":
        wanted = (half,) if faithful else ("int8", half)
        if backend == "onnx":
            wanted += ("fp32",)  # in case int8 shows; ONNX Runtime has no bf16 there
    return [Candidate(name, p) for name, precisions in able.items() for p in precisions if p in wanted]


def choose(
    network: TransNet,
    backend: Backend,
    device: str,
    precision: Precision,
    *,
    batch: int | None = None,
    threads: int | None = None,
    faithful: bool = False,
) -> Engine:
    """The engine for a network: the fastest of those that were not ruled out. Its notes say how it was found.

    Args:
        network: in its training form.
        backend, device, precision, batch, threads, faithful: see `realtime.stylizer.Stylizer`.

    Raises:
        InputError: a device or precision is not to be had.
    """
    maker = _Maker(network, precision, batch, threads)
    could = candidates(backend, device, precision, faithful)
    if len(could) == 1:
        return maker.engine(could[0])
    key = _key(network, [backend, device, precision, batch, threads or torch.get_num_threads(), faithful])
    kept = Kept("engines.json")
    speeds = _speeds(kept.read(key), could)
    if speeds is None:
        speeds = _measure(maker, could)
        kept.write(key, speeds)
    ranking = sorted((c for c in could if speeds[str(c)] > 0), key=lambda candidate: -speeds[str(candidate)])
    told = ", ".join(f"{candidate} {speeds[str(candidate)]:.0f}" for candidate in ranking)
    where = f"kept in {kept.path}" if kept.path.exists() else kept.problem
    notes = [f"chosen by measurement: {told} fps at {SIZE[0]}x{SIZE[1]} ({where})"]
    for candidate in ranking:
        if candidate.precision == "int8" and precision == "auto" and maker.fidelity < FAITHFUL:
            notes.append(f"{candidate} is left out: it differs too much from fp32 ({maker.fidelity:.0f} dB)")
            continue
        engine = maker.engine(candidate)
        engine.notes += notes
        return engine
    raise InputError(f"nothing here runs this network well: {'; '.join(notes)}")


class _Maker:
    """Makes engines for one network, and what they share: the calibration, which is kept in the cache folder too."""

    def __init__(self, network: TransNet, precision: Precision, batch: int | None, threads: int | None) -> None:
        self.network, self.precision = network, precision
        self.options = {"batch": batch, "threads": threads}
        self._int8: tuple[Calibration, float] | None = None

    @property
    def calibration(self) -> Calibration:
        return self._measured()[0]

    @property
    def fidelity(self) -> float:
        """PSNR of int8 against fp32 in dB, on pictures other than those of the calibration."""
        return self._measured()[1]

    def _measured(self) -> tuple[Calibration, float]:
        if self._int8 is None:
            kept = Kept("calibrations.json")
            weights = hashlib.sha256()
            for name, value in self.network.state_dict().items():
                weights.update(name.encode() + value.numpy().tobytes())
            key = {"restyle": __version__, "torch": torch.__version__, "weights": weights.hexdigest()}
            try:
                found = kept.read(key)
                self._int8 = Calibration.from_dict(found["calibration"]), float(found["fidelity"])
            except (KeyError, TypeError, ValueError):
                with using_threads(1):
                    calibration = calibrate(self.network, generated_pictures())
                self._int8 = calibration, _fidelity(self.network, calibration)
                kept.write(key, {"calibration": calibration.to_dict(), "fidelity": self._int8[1]})
        return self._int8

    def engine(self, candidate: Candidate) -> Engine:
        """The engine itself."""
        # where the user left it to us, a torch engine also says why it takes fp32
        left_to_us = self.precision == "auto" and candidate.backend == "torch"
        precision: Precision = "auto" if left_to_us else candidate.precision
        make: Any = {"torch": TorchEngine, "onnx": OnnxEngine, "openvino": OpenVinoEngine}[candidate.backend]
        if precision == "int8" and candidate.backend != "torch":
            make = partial(make, calibration=self.calibration)
        if candidate.backend == "torch" and candidate.device.startswith("cuda"):
            return self._cuda(candidate.device, precision)
        engine: Engine = make(self.network, device=candidate.device, precision=precision, **self.options)
        return engine

    def _cuda(self, device: str, precision: Precision) -> Engine:
        """PyTorch's engine for CUDA, as it runs best there."""
        tuning = tune(self.network, device, precision)
        options: Any = self.options
        engine = CudaEngine(self.network, device=device, precision=precision, plan=tuning.plan, **options)
        engine.notes.append(tuning.note)
        return engine


def _fidelity(network: TransNet, calibration: Calibration) -> float:
    frames = picture_frames(seed=1)
    exact = TorchEngine(network, device="cpu", precision="fp32", threads=1)
    coarse = OnnxEngine(network, device="cpu", precision="int8", threads=1, calibration=calibration)
    return psnr([exact.stylize([frame])[0] for frame in frames], [coarse.stylize([frame])[0] for frame in frames])


def picture_frames(count: int = 4, *, seed: int = 0, size: tuple[int, int] | None = None) -> list[Frame]:
    """Generated pictures as frames; `size` is (width, height)."""
    from realtime.media.convert.rgb import frame_from_rgb

    extent = {} if size is None else {"width": size[0], "height": size[1]}
    pictures = generated_pictures(count, seed=seed, **extent)[:count]
    arrays = [(picture[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy() for picture in pictures]
    return [frame_from_rgb(array, value_range="limited") for array in arrays]


def psnr(a: Sequence[Frame], b: Sequence[Frame]) -> float:
    """Peak signal-to-noise ratio in dB of the codes of two sequences of frames; 100 where they are all but equal."""
    total, count = 0.0, 0
    for one, other in zip(a, b, strict=True):
        for p, q in zip((one.y, one.u, one.v), (other.y, other.u, other.v), strict=True):
            total += float(np.square(p.astype(np.float64) - q).sum())
            count += p.size
    return float(min(100.0, 10 * np.log10(255**2 * count / max(total, 1e-9))))


def _speeds(found: Any, could: Sequence[Candidate]) -> dict[str, float] | None:
    """What was kept, if it is that."""
    if not isinstance(found, dict) or set(found) != {str(candidate) for candidate in could}:
        return None
    return found if all(isinstance(value, int | float) for value in found.values()) else None


def _measure(maker: _Maker, could: Sequence[Candidate]) -> dict[str, float]:
    """Frames a second of each candidate; 0 where it does not run.

    Raises:
        RestyleError: none of them runs; the first one's reason.
    """
    engines: dict[str, Engine] = {}
    failures: list[RestyleError] = []
    source = picture_frames(1, size=SIZE)[0]
    best = {str(candidate): 0.0 for candidate in could}
    for turn in range(ROUNDS + 1):  # in turns, so that all of them meet the same disturbances; the first warms up
        for candidate in could if turn == 0 else [c for c in could if str(c) in engines]:
            name = str(candidate)
            try:
                engine = engines[name] if turn else engines.setdefault(name, maker.engine(candidate))
                begin = time.perf_counter()
                engine.stylize([source] * engine.batch)
                seconds = time.perf_counter() - begin
            except RestyleError as error:
                failures.append(error)
                engines.pop(name, None)
                best[name] = 0.0
                continue
            if turn:
                best[name] = max(best[name], round(engine.batch / seconds, 2))
    if not engines:
        raise failures[0]
    return best


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _key(network: TransNet, asked: list[Any]) -> dict[str, Any]:
    """All that the speed depends on."""
    packages = ("torch", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "openvino")
    return {
        "restyle": __version__,
        "machine": [platform.system(), platform.machine(), cpu_name()],
        "devices": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "packages": {name: _version(name) for name in packages},
        "network": network.architecture.to_dict(),
        "asked": asked,
    }
