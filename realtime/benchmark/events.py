"""Readings of a CUDA device's own clock, taken around each forward pass that runs inside a `with` block."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


class Event(Protocol):
    """A mark in a device's queue of work, such as `torch.cuda.Event(enable_timing=True)`."""

    def record(self) -> None:
        """Puts the mark behind the work queued so far."""
        ...

    def synchronize(self) -> None:
        """Waits until the device has come to the mark."""
        ...

    def elapsed_time(self, later: Any) -> float:
        """Milliseconds from this mark to another one."""
        ...


def _cuda_event() -> Event:
    event: Event = torch.cuda.Event(enable_timing=True)
    return event


class ForwardEvents:
    """Times PyTorch's forward passes on a device, whatever engine starts them.

    Only the outermost module counts: the network, without the copies to the device and back. An engine that runs no
    PyTorch module, or replays a graph, gives no events. Use it in the thread that runs the engine.

    Args:
        device: type of the tensors whose passes count.
        make_event: makes a mark.
    """

    def __init__(self, device: str = "cuda", make_event: Callable[[], Event] = _cuda_event) -> None:
        self._device, self._make = device, make_event
        self._depth = 0
        self._begin: Event | None = None
        self._passes: list[tuple[Event, Event]] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> ForwardEvents:
        self._hooks = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._depth = [], 0
        self._passes.clear()

    def take(self) -> float | None:
        """Seconds of device time in the passes since the last call; None where there were none."""
        passes, self._passes = self._passes, []
        if not passes:
            return None
        passes[-1][1].synchronize()
        return sum(begin.elapsed_time(end) for begin, end in passes) / 1000

    def _enter(self, module: nn.Module, args: Any) -> None:
        if self._depth == 0 and any(isinstance(x, Tensor) and x.device.type == self._device for x in args):
            self._begin = self._make()
            self._begin.record()
        self._depth += 1

    def _leave(self, module: nn.Module, args: Any, result: Any) -> None:
        self._depth -= 1
        if self._depth == 0 and self._begin is not None:
            end = self._make()
            end.record()
            self._passes.append((self._begin, end))
            self._begin = None
