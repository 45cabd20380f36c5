"""What PyTorch can compute with here: devices and number formats."""

from __future__ import annotations

import platform
from typing import Any, Literal

import torch

from realtime.errors import InputError
from realtime.options import Precision

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def cpu_bf16() -> Literal["amx", "avx512", "arm", "emulated", "no"]:
    """What this processor computes bf16 with: its own instructions, "emulated" (slower than fp32), or "no"."""
    try:
        supported = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build without oneDNN
        return "no"
    if not supported:  # or not allowed: ONEDNN_MAX_CPU_ISA can limit oneDNN's instructions
        return "no"
    flags: dict[str, Any] = dict(getattr(torch.cpu, "get_capabilities", dict)())
    if flags.get("amx_bf16"):
        return "amx"
    if flags.get("avx512_bf16"):
        return "avx512"
    return "arm" if platform.machine().lower() in ("aarch64", "arm64") else "emulated"


def cpu_has_bf16() -> bool:
    """Whether this processor has instructions for bf16."""
    return cpu_bf16() in ("amx", "avx512", "arm")


def choose_device(wanted: str) -> torch.device:
    """The device meant by "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: there is no such device; the message says why.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdigit())):
        raise InputError(f"device {wanted!r}: choose auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda":
        if not torch.cuda.is_available():
            built = torch.version.cuda
            reason = "no NVIDIA driver or no GPU was found" if built else "this PyTorch was built without CUDA"
            raise InputError(f"device {wanted!r}: {reason}")
        if int(number or 0) >= torch.cuda.device_count():
            raise InputError(f"device {wanted!r}: there are only {torch.cuda.device_count()} CUDA devices, from cuda:0")
        return torch.device("cuda", int(number or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps': only on Apple silicon with macOS 12.3 or later")
    return torch.device(kind)


def torch_precision(wanted: Precision, device: torch.device) -> str:
    """The number format meant by "auto" on a device; any other is returned as it is.

    Raises:
        InputError: PyTorch does not compute in it there.
    """
    if wanted == "auto":
        if device.type == "cpu":
            return "bf16" if cpu_has_bf16() else "fp32"
        return "fp16"
    if wanted not in DTYPES:
        raise InputError(f"precision {wanted!r}: choose auto, fp32, fp16 or bf16")
    if wanted == "fp16" and device.type == "cpu":
        raise InputError("precision 'fp16': not on the CPU; choose auto, fp32 or bf16")
    return wanted
