"""What an engine asks of a device that works beside the CPU: streams, events, pinned memory, recorded graphs.

`CudaDevice` is PyTorch's CUDA. `HostDevice` does all of it at once and on the CPU, so that what engines do with a
device can be followed on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from realtime.errors import DeviceLost, RestyleError

Stream = Any
"""A queue of work on the device, as the device makes them."""


class Mark(Protocol):
    """A place in a stream."""

    def synchronize(self) -> None:
        """Wait, on the CPU, until the stream has come there."""
        ...


class Device(Protocol):
    """A device.

    Attributes:
        where: as PyTorch knows it.
        title: its name for people.
        records: whether `record` can be of use here.
    """

    where: torch.device
    title: str
    records: bool

    def bind(self) -> None:
        """Make the device's context the current one of this thread, for libraries that take what is current."""
        ...

    def stream(self) -> Stream:
        """A stream of its own."""
        ...

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        """What is begun inside goes into this stream."""
        ...

    def mark(self, stream: Stream) -> Mark:
        """A mark behind all that is in the stream now."""
        ...

    def wait(self, stream: Stream, mark: Mark | None) -> None:
        """What goes into the stream from now on waits for the mark; the CPU does not. None waits for nothing."""
        ...

    def wait_for_others(self, stream: Stream) -> None:
        """The same for all that other libraries have put into the device's default stream."""
        ...

    def pinned(self, *shape: int) -> Tensor:
        """Memory on the CPU, uint8, that the device copies from and to beside other work.

        It goes back to PyTorch's store when the tensor and all its views are gone, and is not handed out again before
        the copies begun with it have ended.
        """
        ...

    def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
        """Record what `run` begins, as one graph. Run it a few times before, so that nothing is left to choose.

        Returns:
            what begins all of it again, in the stream that is current then.

        Raises:
            RuntimeError: something in it cannot be recorded.
        """
        ...

    def synchronize(self) -> None:
        """Wait until the device has done everything."""
        ...

    def free_memory(self) -> int:
        """Bytes that can still be had, those that PyTorch keeps in store included."""
        ...

    def trim(self) -> None:
        """Give back what PyTorch keeps in store."""
        ...


class CudaDevice:
    """A CUDA device. See `Device`."""

    records = True

    def __init__(self, where: torch.device) -> None:
        self.where = torch.device("cuda", where.index or 0)
        self.title = str(torch.cuda.get_device_name(self.where))
        # Graphs that never run beside each other, and whose results lie elsewhere, may share what they work in.
        self._pool = torch.cuda.graph_pool_handle()

    def bind(self) -> None:
        """See `Device.bind`."""
        torch.cuda.set_device(self.where)
        # The runtime makes its context current with the first call that needs one.
        torch.cuda.current_stream(self.where).synchronize()

    def stream(self) -> Stream:
        """See `Device.stream`."""
        return torch.cuda.Stream(self.where)

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        """See `Device.on`. The stream's device becomes the current one, too."""
        return torch.cuda.stream(stream)

    def mark(self, stream: Stream) -> Mark:
        """See `Device.mark`."""
        event = torch.cuda.Event()
        event.record(stream)
        return event

    def wait(self, stream: Stream, mark: Mark | None) -> None:
        """See `Device.wait`."""
        if mark is not None:
            stream.wait_event(mark)

    def wait_for_others(self, stream: Stream) -> None:
        """See `Device.wait_for_others`."""
        stream.wait_stream(torch.cuda.default_stream(self.where))

    def pinned(self, *shape: int) -> Tensor:
        """See `Device.pinned`."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)

    def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
        """See `Device.record`. Other threads may go on calling CUDA meanwhile: a decoder does."""
        graph = torch.cuda.CUDAGraph()
        stream.synchronize()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
            run()
        replay: Callable[[], None] = graph.replay
        return replay

    def synchronize(self) -> None:
        """See `Device.synchronize`."""
        torch.cuda.synchronize(self.where)

    def free_memory(self) -> int:
        """See `Device.free_memory`."""
        free, _ = torch.cuda.mem_get_info(self.where)
        store = torch.cuda.memory_reserved(self.where) - torch.cuda.memory_allocated(self.where)
        return int(free + store)

    def trim(self) -> None:
        """See `Device.trim`."""
        torch.cuda.empty_cache()


class _Done:
    def synchronize(self) -> None:
        """Everything on the CPU is done when the call that began it returns."""


class HostDevice:
    """The CPU behind a device's interface: every stream is at its end at once. For tests. See `Device`.

    Attributes:
        log: what was asked for, in order; see `on` and `record`.
        free: bytes that `free_memory` tells.
    """

    def __init__(self, *, records: bool = True, free: int = 2**40) -> None:
        self.where, self.title, self.records, self.free = torch.device("cpu"), "CPU", records, free
        self.log: list[str] = []
        self._streams = 0

    def bind(self) -> None:
        """See `Device.bind`."""
        self.log.append("bind")

    def stream(self) -> Stream:
        """See `Device.stream`."""
        self._streams += 1
        return f"stream {self._streams}"

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        """See `Device.on`."""
        self.log.append(f"on {stream}")
        return nullcontext()

    def mark(self, stream: Stream) -> Mark:
        """See `Device.mark`."""
        return _Done()

    def wait(self, stream: Stream, mark: Mark | None) -> None:
        """See `Device.wait`."""
        if mark is not None:
            self.log.append(f"{stream} waits")

    def wait_for_others(self, stream: Stream) -> None:
        """See `Device.wait_for_others`."""
        self.log.append(f"{stream} waits for others")

    def pinned(self, *shape: int) -> Tensor:
        """See `Device.pinned`."""
        return torch.empty(shape, dtype=torch.uint8)

    def record(self, run: Callable[[], object], stream: Stream) -> Callable[[], None]:
        """See `Device.record`: to begin all of it again is to call it."""
        self.log.append("record")

        def replay() -> None:
            self.log.append("replay")
            run()

        return replay

    def synchronize(self) -> None:
        """See `Device.synchronize`."""
        self.log.append("synchronize")

    def free_memory(self) -> int:
        """See `Device.free_memory`."""
        return self.free

    def trim(self) -> None:
        """See `Device.trim`."""
        self.log.append("trim")


_SCARCE = ("CUDA out of memory", "ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "out of memory")
_BROKEN = ("CUDA error", "device-side assert", "unspecified launch failure", "illegal memory access")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch means that the device's memory is full. Its libraries have words of their own."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SCARCE)


def is_lost(error: BaseException) -> bool:
    """Whether an error of PyTorch means that the device is of no more use to this process."""
    if is_out_of_memory(error) or isinstance(error, RestyleError):
        return False
    if isinstance(error, torch.AcceleratorError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _BROKEN)


def lost(where: torch.device, error: BaseException) -> DeviceLost:
    """What to raise for a device that is lost."""
    words = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return DeviceLost(
        f"{where}: the GPU has failed ({words}); run it again in a new process (with --resume, what was done is kept)"
    )


def first_line(error: BaseException) -> str:
    """What an error of PyTorch says, without the pages of advice that follow."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def sizes_up_to(most: int) -> Sequence[int]:
    """1, 2, 4, ... up to `most`, and `most` itself."""
    sizes = [1]
    while sizes[-1] * 2 < most:
        sizes.append(sizes[-1] * 2)
    return sizes if sizes[-1] == most else [*sizes, most]
