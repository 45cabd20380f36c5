"""Which engines could run a network on this machine."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import torch

from realtime.engines.machine import cpu_name
from realtime.engines.onnx import providers
from realtime.engines.torch.device import choose_device, cpu_has_bf16
from realtime.options import EngineOptions, Precision
from realtime.release import __version__

_PACKAGES = ("torch", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "openvino")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that could run.

    Attributes:
        backend: of the engine.
        precision: of the engine; "auto" where its own message should say what is wrong.
        device: as the engine calls it.
    """

    backend: str
    precision: Precision
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}" + ("" if self.device == "cpu" else f" on {self.device}")


class Machine:
    """What the choice of an engine depends on; looked for when it is asked for."""

    def has_bf16(self) -> bool:
        """Whether the CPU has instructions for bf16."""
        return cpu_has_bf16()

    def has_openvino(self) -> bool:
        """Whether OpenVINO is installed. It is not loaded, because that takes long."""
        return find_spec("openvino") is not None

    def torch_device(self) -> str:
        """What PyTorch takes for device "auto"."""
        return str(choose_device("auto"))

    def onnx_device(self) -> providers.OrtDevice:
        """What ONNX Runtime takes for device "auto"."""
        return providers.choose_device("auto")

    def has_provider(self, device: str) -> bool:
        """Whether ONNX Runtime can use a device, by its word in `PROVIDERS`."""
        return not providers.provider_problem(providers.PROVIDERS[device])

    def identity(self) -> dict[str, Any]:
        """All that speeds depend on, for the key of a measurement."""
        return {
            "restyle": __version__,
            "machine": [platform.system(), platform.machine(), cpu_name()],
            "devices": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
            "packages": {name: _version(name) for name in _PACKAGES},
        }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def candidates(options: EngineOptions, machine: Machine) -> list[Candidate]:
    """Engines that could run a network, as far as packages, devices and processor tell.

    At least one: where nothing fits, the engine whose message explains best what is wrong.
    """
    device = options.device
    on_gpu: Precision = "fp16" if options.precision == "auto" else options.precision
    kind = device.partition(":")[0]
    found = []
    if device == "cpu":
        found = _on_cpu(options, machine)
    elif device == "auto":
        torch_device, onnx_device = machine.torch_device(), machine.onnx_device()
        if torch_device != "cpu":
            found.append(Candidate("torch", on_gpu, torch_device))
        if onnx_device.provider.half:
            found.append(Candidate("onnx", on_gpu, onnx_device.name))
        # a CPU is never faster than an NVIDIA GPU
        if not torch_device.startswith("cuda") and onnx_device.provider.memory != "cuda":
            found += _on_cpu(options, machine)
    elif kind in ("cuda", "mps"):
        found.append(Candidate("torch", on_gpu, device))
        if machine.has_provider("cuda" if kind == "cuda" else "coreml"):
            found.append(Candidate("onnx", on_gpu, device))
    else:
        found.append(Candidate("onnx", options.precision, device))
    wanted = [candidate for candidate in found if options.backend in ("auto", candidate.backend)]
    if not wanted and device == "auto":  # the backend that was asked for cannot use the GPU
        wanted = [candidate for candidate in _on_cpu(options, machine) if candidate.backend == options.backend]
    return wanted or [Candidate("torch" if options.backend == "auto" else options.backend, options.precision, device)]


def _on_cpu(options: EngineOptions, machine: Machine) -> list[Candidate]:
    half: Precision = "bf16" if machine.has_bf16() else "fp32"
    precisions: tuple[Precision, ...] = (options.precision,)
    if options.precision == "auto":
        precisions = ("int8", half) if options.allow_int8 else (half,)
        if options.backend == "onnx":
            precisions += ("fp32",)  # in case int8 differs too much: ONNX Runtime has no bf16 on a CPU
    able: dict[str, tuple[Precision, ...]] = {"torch": ("fp32", "bf16"), "onnx": ("int8", "fp32")}
    if machine.has_openvino():
        able["openvino"] = ("int8", "bf16", "fp32")
    return [Candidate(backend, p) for backend, has in able.items() for p in has if p in precisions]
