"""The one interface of all engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

from realtime.frames import Frame

Backend = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
Trace = Callable[[str, Sequence[Frame], float, float], None]
"""What is told of a piece of work, by the thread that did it: its name, its frames, and `time.perf_counter` at the
begin and the end."""


class Engine(Protocol):
    """Runs one style on batches of frames.

    Attributes:
        backend: "torch" or another name.
        device: where it runs: "cpu", "cuda:0", "mps".
        precision: what it computes in: "fp32", "fp16", "bf16", "int8".
        batch: frames that it likes to get at once.
        description: all of that in one line for people.
        notes: what the user should know, such as a faster path that is not there.
    """

    backend: str
    device: str
    precision: str
    batch: int
    description: str
    notes: list[str]

    def stylize(self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False) -> list[Frame]:
        """Stylise frames of one size and one meaning of the numbers (`Frame.batches_with`).

        Args:
            frames: any number of them.
            strength: 0 gives the source, 1 the style, between them a blend.
            keep_color: take the luma of the style and the chroma of the source.

        Returns:
            as many frames, of the same sizes, times and colour tags, in planes of their own.
        """
        ...


@runtime_checkable
class Traceable(Protocol):
    """An engine whose workers tell what they do.

    Attributes:
        trace: called by each worker after each piece of its work; None: nobody listens.
    """

    trace: Trace | None


@runtime_checkable
class OnDevice(Protocol):
    """An engine that takes frames which lie on its device, and can leave its results there.

    Attributes:
        index: number of the CUDA device.
        surfaces: results are `SurfaceFrame`s; of even sizes only.
    """

    surfaces: bool

    @property
    def index(self) -> int: ...

    def bind(self) -> None:
        """Make the device's context the current one of this thread, so that a decoder or an encoder can share it."""
        ...


@runtime_checkable
class Overlapping(Protocol):
    """An engine whose workers can go on with the next frames while others still finish the last ones.

    Attributes:
        ahead: calls of `begin` that are of use before the first is waited for; 0 where it has no workers.
    """

    ahead: int

    def begin(
        self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False
    ) -> Callable[[], list[Frame]]:
        """Begin what `Engine.stylize` does, and return at once.

        Returns:
            what waits for the frames and gives them. One that is never called leaves its work to end by itself.
        """
        ...
