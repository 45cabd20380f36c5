"""What this machine offers to restyle: versions, devices, providers, encoders, cameras, styles; and why not more."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from realtime import __version__

# An ONNX model with the one node y = Identity(x): the smallest thing to open a provider with.
_IDENTITY = (
    b'\x08\x08\x12\x00:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02'
    b"\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)

_PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "lightning-fabric")


def examine() -> dict[str, Any]:
    """Everything, ready for JSON. Never raises for what is missing: its entry says why.

    Returns:
        versions: {name: version}.
        cpu: name, cores, threads (torch's own choice), capability, bf16, architecture.
        devices: a list of {name, works, reason, ...}.
        providers: ONNX Runtime's, a list of {name, works, reason}.
        encoders, hardware_decoders, cameras: lists of {name, works, reason}.
        styles: names in the gallery; styles_error says why it cannot be read, or is None.
    """
    from dataclasses import asdict

    from realtime.media import capabilities

    styles, styles_error = _styles()
    return {
        "versions": _versions() | capabilities.versions(),
        "cpu": _cpu(),
        "devices": _devices(),
        "providers": _providers(),
        "encoders": [asdict(found) for found in capabilities.encoders()],
        "hardware_decoders": [asdict(found) for found in capabilities.hardware_decoders()],
        "cameras": [asdict(found) for found in capabilities.cameras()],
        "styles": styles,
        "styles_error": styles_error,
    }


def _versions() -> dict[str, str]:
    found = {"restyle": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    for name in ("onnxruntime-gpu", "onnxruntime"):
        try:
            found["onnxruntime"] = f"{version(name)} ({name})"
            break
        except PackageNotFoundError:
            found["onnxruntime"] = "not installed"
    return found


def _cpu() -> dict[str, Any]:
    import torch

    from realtime.engines.torch_engine import cpu_bf16

    try:
        cores = len(os.sched_getaffinity(0))  # what this process may use, which in a container is not all there are
    except AttributeError:
        cores = os.cpu_count() or 1
    return {
        "name": _cpu_name(),
        "architecture": platform.machine(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bf16": cpu_bf16(),
    }


def _cpu_name() -> str:
    if sys.platform.startswith("linux"):
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()


def _devices() -> list[dict[str, Any]]:
    import torch

    found: list[dict[str, Any]] = [{"name": "cpu", "works": True, "reason": "", "title": _cpu_name()}]
    reason = _why_no_cuda()
    if reason:
        found.append({"name": "cuda", "works": False, "reason": reason})
    else:
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found.append(
                {
                    "name": f"cuda:{index}",
                    "works": True,
                    "reason": "",
                    "title": properties.name,
                    "memory_gib": round(properties.total_memory / 2**30, 1),
                    "compute_capability": f"{properties.major}.{properties.minor}",
                    "bf16": bool(torch.cuda.is_bf16_supported()),
                }
            )
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "works": True, "reason": "", "title": "Apple GPU"})
    elif not torch.backends.mps.is_built():
        found.append({"name": "mps", "works": False, "reason": "this build of torch has no MPS (macOS only)"})
    else:
        found.append({"name": "mps", "works": False, "reason": "needs macOS 12.3 or later and an Apple GPU"})
    return found


def _why_no_cuda() -> str:
    """Why torch cannot use a CUDA device; empty where it can."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:  # AssertionError or RuntimeError, by build and by cause
        return " ".join(str(error).split()).partition(". Please check")[0]
    return "" if torch.cuda.device_count() else "no device found"


def _providers() -> list[dict[str, Any]]:
    try:
        import onnxruntime
    except ImportError as error:
        return [{"name": "onnxruntime", "works": False, "reason": " ".join(str(error).split())}]
    found = []
    for name in onnxruntime.get_available_providers():
        if name == "TensorrtExecutionProvider":  # never used here: it builds an engine for minutes at first
            continue
        reason = _why_no_provider(onnxruntime, name)
        found.append({"name": name, "works": not reason, "reason": reason})
    if not any(entry["name"] == "CUDAExecutionProvider" for entry in found):
        reason = "this build of ONNX Runtime has none; the package onnxruntime-gpu does (Linux and Windows on x86-64)"
        found.append({"name": "CUDAExecutionProvider", "works": False, "reason": reason})
    return found


def _why_no_provider(onnxruntime: Any, name: str) -> str:
    """Why a provider cannot be used; empty where it can. That a build lists it says nothing about the machine."""
    if name == "CUDAExecutionProvider" and (reason := _why_no_cuda()):
        return reason
    before = onnxruntime.get_default_logger_severity() if hasattr(onnxruntime, "get_default_logger_severity") else 2
    onnxruntime.set_default_logger_severity(4)
    try:
        # Falls back to the CPU without an error where a library is missing.
        session = onnxruntime.InferenceSession(_IDENTITY, providers=[name], enable_fallback=0)
        if name in session.get_providers():
            return ""
    except Exception as error:  # each provider has its own
        return " ".join(str(error).split())
    finally:
        onnxruntime.set_default_logger_severity(before)
    return _missing_library(onnxruntime, name) or "its libraries could not be loaded"


def _missing_library(onnxruntime: Any, name: str) -> str:
    """What the loader says about a provider's own library: names the one that is missing."""
    import ctypes

    short = name.removesuffix("ExecutionProvider").lower()
    folder = Path(onnxruntime.__file__).parent / "capi"
    for path in (
        *folder.glob(f"*onnxruntime_providers_{short}.so"),
        *folder.glob(f"onnxruntime_providers_{short}.dll"),
    ):
        try:
            for shared in folder.glob("*onnxruntime_providers_shared.so"):
                ctypes.CDLL(str(shared), mode=ctypes.RTLD_GLOBAL)
            ctypes.CDLL(str(path))
        except OSError as error:
            return " ".join(str(error).split())
    return ""


def _styles() -> tuple[list[str], str | None]:
    from realtime.errors import RestyleError
    from realtime.transnet.gallery import styles

    try:
        return [card.name for card in styles()], None
    except RestyleError as error:
        return [], str(error)
