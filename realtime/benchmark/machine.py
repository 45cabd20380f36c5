"""The machine that figures were measured on, and whether other work kept it busy."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from realtime.engines.machine import cores, cpu_name
from realtime.release import __version__

_PACKAGES = ("torch", "numpy", "av", "onnxruntime-gpu", "onnxruntime", "openvino")


def load(seconds: float = 1.0) -> float:
    """How many cores other work keeps busy, while this process sleeps for some seconds."""
    return float(psutil.cpu_percent(seconds)) / 100 * (psutil.cpu_count() or 1)


def peak_memory() -> int | None:
    """Most bytes of memory that this process has held at once; None where the system does not tell."""
    if sys.platform == "linux":
        # Not getrusage: there the peak starts with that of the process that started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def describe() -> dict[str, Any]:
    """Processor, cores, memory, devices and versions, ready for JSON."""
    import torch

    return {
        "processor": cpu_name(),
        "architecture": platform.machine(),
        "cores": cores(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "restyle": __version__,
        "packages": _packages(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
