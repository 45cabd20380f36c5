"""What the CUDA engine asks of the device: streams, events, pinned memory, recorded graphs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

Stream = Any
"""A queue of work on the device."""

Event = Any
"""A point in a stream; its `synchronize()` blocks this thread until the stream has reached it."""


class CudaRuntime:
    """A CUDA device. (Tests have a subclass that works on the CPU.)

    Attributes:
        where: the device in PyTorch.
        title: its name for people.
        records: whether `record` is of any use.
    """

    records = True

    def __init__(self, where: torch.device) -> None:
        self.where = torch.device("cuda", where.index or 0)
        self.title = str(torch.cuda.get_device_name(self.where))
        # Graphs may share their memory, because they never run at the same time and their results lie elsewhere.
        self._pool = torch.cuda.graph_pool_handle()

    def bind(self) -> None:
        """Make the device's context the current one of this thread, for libraries that use the current one."""
        torch.cuda.set_device(self.where)
        # CUDA makes the context current with the first call that needs one.
        torch.cuda.current_stream(self.where).synchronize()

    def stream(self) -> Stream:
        """A new stream."""
        return torch.cuda.Stream(self.where)

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        """Work that is started inside the block goes into this stream; its device becomes the current one, too."""
        return torch.cuda.stream(stream)

    def event(self, stream: Stream) -> Event:
        """An event after everything that is in the stream now."""
        event = torch.cuda.Event()
        event.record(stream)
        return event

    def wait(self, stream: Stream, event: Event | None) -> None:
        """Let the stream's further work wait for an event, without blocking the CPU. None is no event."""
        if event is not None:
            stream.wait_event(event)

    def wait_for_default(self, stream: Stream) -> None:
        """Let the stream's further work wait for the default stream, where other libraries put their work."""
        stream.wait_stream(torch.cuda.default_stream(self.where))

    def pinned(self, *shape: int) -> Tensor:
        """Memory on the CPU, uint8, that the device copies from and to beside other work.

        PyTorch takes it back when the tensor and its views are gone, and reuses it only after the copies have ended.
        """
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)

    def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
        """Record the work that `run` starts as one graph. Call `run` a few times before, so that kernels are chosen.

        Other threads, such as a decoder's, may call CUDA at the same time.

        Returns:
            a function that starts all of it again, in the stream that is current then.

        Raises:
            RuntimeError: something in it cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        stream.synchronize()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
            run()
        replay: Callable[[], None] = graph.replay
        return replay

    def synchronize(self) -> None:
        """Block this thread until the device has done everything."""
        torch.cuda.synchronize(self.where)

    def free_memory(self) -> int:
        """Bytes that can be allocated, including those in PyTorch's cache."""
        free, _ = torch.cuda.mem_get_info(self.where)
        cached = torch.cuda.memory_reserved(self.where) - torch.cuda.memory_allocated(self.where)
        return int(free + cached)

    def trim(self) -> None:
        """Free PyTorch's cache."""
        torch.cuda.empty_cache()
