"""The interface of all engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self, runtime_checkable

from realtime.frames import Frame
from realtime.options import PaintOptions
from realtime.transnet.network import Architecture

Trace = Callable[[str, Sequence[Frame], float, float], None]
"""Called after a piece of work, by the thread that did it: name of the work, its frames, and the times at which it
began and ended (`time.perf_counter`)."""

Finish = Callable[[], list[Frame]]
"""Waits for frames that were begun, and returns them."""

DEFAULT_PAINT = PaintOptions()


def texture_amount(architecture: Architecture, paint: PaintOptions) -> float | None:
    """The amount of texture that a network is given, 0..1; None where it has no texture plane."""
    return paint.texture if architecture.texture else None


class EngineInfo(Protocol):
    """What is known of an engine, or of several together.

    Attributes:
        backend: "torch", "onnx" or "openvino".
        device: where the network runs: "cpu", "cuda:0", "mps", ...
        precision: number format of the network: "fp32", "fp16", "bf16" or "int8".
        batch: number of frames that `stylize` and `begin` should be given at once.
        ahead: how many calls of `begin` are useful before the first result is waited for; 0 without workers.
        description: all of the above as one line of text.
        notes: what the user should know, such as why a faster way is not used. May grow while the engine works.
    """

    @property
    def backend(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def batch(self) -> int: ...
    @property
    def ahead(self) -> int: ...
    @property
    def description(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


class Engine(EngineInfo, Protocol):
    """Runs one style on batches of frames.

    An engine does not change once it is open, and nobody sets its attributes. It owns its threads and its memory on the
    device; whoever opened it closes it.
    """

    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> list[Frame]:
        """Paint frames.

        Args:
            frames: any number of frames that can go through the network together (`Frame.batches_with`).
            paint: how they are painted.

        Returns:
            one frame for each, of the same size, time and colour tags, with planes of its own.
        """
        ...

    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = DEFAULT_PAINT,
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Finish:
        """Start what `stylize` does. An engine with workers returns at once, one without does the work here.

        Args:
            frames, paint: see `stylize`.
            on_device: leave the results in the device's memory, as `SurfaceFrame`s. Only for `OnDevice` engines and
                frames of even sizes; other engines ignore it.
            trace: is told of the work on these frames.

        Returns:
            a function that waits for the frames and returns them. If it is never called, the work ends by itself.
        """
        ...

    def close(self) -> None:
        """End the threads and free the memory on the device. The engine cannot be used after it; may be repeated."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


@runtime_checkable
class OnDevice(Protocol):
    """An engine that takes `SurfaceFrame`s from its CUDA device's memory and can leave its results there."""

    @property
    def index(self) -> int:
        """Number of the CUDA device."""
        ...

    def bind(self) -> None:
        """Make the device's context the current one of this thread, so that a decoder or encoder can share it."""
        ...


class Closing:
    """Base of the engines: closes itself at the end of a `with` block."""

    def close(self) -> None:
        """See `Engine.close`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
