"""The machine that figures were measured on, and whether it was busy with something else."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from realtime.engines.machine import cores, cpu_name
from realtime.version import __version__

_PACKAGES = ("torch", "numpy", "av", "onnxruntime-gpu", "onnxruntime", "openvino")


def load(seconds: float = 1.0) -> float | None:
    """How many cores other work keeps busy, while this process sleeps. Where the system does not tell: the processes
    that wanted a core in the last minute, which remembers work that has ended; None where it does not tell that either.
    """
    before = _busy_seconds()
    if before is not None:
        began = time.perf_counter()
        time.sleep(seconds)
        after = _busy_seconds()
        assert after is not None
        return max(0.0, (after - before) / (time.perf_counter() - began))
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _busy_seconds() -> float | None:
    """What all cores together have worked since the system began; None where it has no /proc/stat."""
    try:
        user, nice, system, _idle, _waiting, *interrupts = (
            int(ticks) for ticks in Path("/proc/stat").read_text().partition("\n")[0].split()[1:8]
        )
    except (OSError, ValueError):
        return None
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def peak_memory() -> int | None:
    """Most bytes of memory that this process has held at once; None where the system does not tell (Windows)."""
    try:
        # Not getrusage: on Linux its peak begins with that of the process that started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def describe() -> dict[str, Any]:
    """Processor, cores, memory, devices and versions, ready for JSON."""
    import torch

    found: dict[str, Any] = {
        "processor": cpu_name(),
        "architecture": platform.machine(),
        "cores": cores(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "restyle": __version__,
        "packages": _packages(),
        "gpus": [],
    }
    if torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return found


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # Windows has no such call
        return None


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
