"""The one interface of all engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from realtime.frames import Frame

Backend = Literal["auto", "torch", "onnx"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]


class Engine(Protocol):
    """Runs one style on batches of frames.

    Attributes:
        backend: "torch" or another name.
        device: where it runs: "cpu", "cuda:0", "mps".
        precision: what it computes in: "fp32", "fp16", "bf16".
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
        """Stylise frames of one size and one meaning of the numbers (`Frame.fits_with`).

        Args:
            frames: any number of them.
            strength: 0 gives the source, 1 the style, between them a blend.
            keep_color: take the luma of the style and the chroma of the source.

        Returns:
            as many frames, of the same sizes, times and colour tags, in planes of their own.
        """
        ...
