"""What PyTorch's errors say about a CUDA device."""

from __future__ import annotations

import torch

from realtime.errors import DeviceLost, RestyleError

_FULL = ("CUDA out of memory", "ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "out of memory")
_FAILED = ("CUDA error", "device-side assert", "unspecified launch failure", "illegal memory access")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device's memory is full. The libraries below PyTorch word it differently."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FULL)


def is_lost(error: BaseException) -> bool:
    """Whether an error means that this process cannot use the device any more."""
    if is_out_of_memory(error) or isinstance(error, RestyleError):
        return False
    if isinstance(error, torch.AcceleratorError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FAILED)


def device_lost(where: torch.device, error: BaseException) -> DeviceLost:
    """The error to raise for a device that is lost."""
    return DeviceLost(
        f"{where}: the GPU has failed ({first_line(error)}); run it again in a new process (with --resume, what was "
        "done is kept)"
    )


def first_line(error: BaseException) -> str:
    """An error's first line, without the advice that PyTorch adds."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
