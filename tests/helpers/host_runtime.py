"""The CPU behind a CUDA device's interface, so that the CUDA engine can be followed on any machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from realtime.engines.cuda.runtime import CudaRuntime, Event, Stream


class _Done:
    def synchronize(self) -> None:
        """Work on the CPU is done when the call that started it returns."""


class HostRuntime(CudaRuntime):
    """Every stream is at its end at once.

    Attributes:
        log: what was asked for, in order.
        free: what `free_memory` returns.
    """

    def __init__(self, *, records: bool = True, free: int = 2**40) -> None:
        self.where, self.title, self.records, self.free = torch.device("cpu"), "CPU", records, free
        self.log: list[str] = []
        self._streams = 0

    def bind(self) -> None:
        self.log.append("bind")

    def stream(self) -> Stream:
        self._streams += 1
        return f"stream {self._streams}"

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        self.log.append(f"on {stream}")
        return nullcontext()

    def event(self, stream: Stream) -> Event:
        return _Done()

    def wait(self, stream: Stream, event: Event | None) -> None:
        if event is not None:
            self.log.append(f"{stream} waits")

    def wait_for_default(self, stream: Stream) -> None:
        self.log.append(f"{stream} waits for the default stream")

    def pinned(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.uint8)

    def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
        self.log.append("record")

        def replay() -> None:
            self.log.append("replay")
            run()

        return replay

    def synchronize(self) -> None:
        self.log.append("synchronize")

    def free_memory(self) -> int:
        return self.free

    def trim(self) -> None:
        self.log.append("trim")


class FailingRuntime(HostRuntime):
    """A device that fails when pinned memory is asked for the n-th time.

    Args:
        left: how often it works before that.
    """

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def pinned(self, *shape: int) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return super().pinned(*shape)


class ScarceRuntime(HostRuntime):
    """A device with memory for two frames."""

    def pinned(self, *shape: int) -> Tensor:
        if shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().pinned(*shape)
