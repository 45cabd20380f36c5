"""Both ends of the network on a device: bytes of planes to its channels, and its channels to bytes of planes.

In plain PyTorch operations, for any device. `realtime.engines.cuda.triton_packing` has the same as two kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from realtime.frames import chroma_shape
from realtime.transnet.network import CENTER, MULTIPLE, PLANE_CHANNELS


@dataclass(frozen=True, slots=True)
class Layout:
    """How a frame's planes lie one after the other: Y, U, V, without gaps, 1.5 bytes a pixel.

    Attributes:
        height, width: of the picture in pixels.
    """

    height: int
    width: int

    @property
    def chroma(self) -> tuple[int, int]:
        """(H, W) of U and V."""
        return chroma_shape(self.height, self.width)

    @property
    def bytes(self) -> int:
        """Of a frame."""
        return self.height * self.width + 2 * self.chroma[0] * self.chroma[1]

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w) in cells of 4 luma pixels, padded to the network's multiple."""
        padded = (-(-side // MULTIPLE) * MULTIPLE // 4 for side in (self.height, self.width))
        return next(padded), next(padded)

    def planes(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., bytes) uint8 as views: Y (..., H, W), U and V (..., H/2, W/2)."""
        rows, columns = self.chroma
        luma, part = self.height * self.width, rows * columns
        return (
            flat[..., :luma].unflatten(-1, (self.height, self.width)),
            flat[..., luma : luma + part].unflatten(-1, (rows, columns)),
            flat[..., luma + part : luma + 2 * part].unflatten(-1, (rows, columns)),
        )


class Ends(Protocol):
    """Both ends of the network for frames of one layout.

    Attributes:
        name: "plain" or "triton".
    """

    name: str

    def pack(self, flat: Tensor, cells: Tensor) -> None:
        """Fill the network's input.

        Args:
            flat: (N, layout.bytes) uint8.
            cells: (N, h, w, 24) fp16, fp32 or bf16, contiguous; gets codes - 128, padded by replication.
        """
        ...

    def unpack(self, cells: Tensor, flat: Tensor) -> None:
        """The inverse: rounded half to even, clamped to 0..255, cropped. `cells` may be overwritten."""
        ...


class PlainEnds:
    """In PyTorch's own operations: a kernel for each plane and direction, and some for the rounding. See `Ends`."""

    name = "plain"

    def __init__(self, layout: Layout, where: torch.device, dtype: torch.dtype) -> None:
        self.layout = layout
        # A number of the network's type makes the subtraction convert, in one kernel; one of Python's would wrap round.
        self._center = torch.tensor(CENTER, dtype=dtype, device=where)
        h, w = layout.cells
        rows, columns = layout.chroma
        self._places = [
            (_places(height, side * h, where), _places(width, side * w, where))
            for side, height, width in ((4, layout.height, layout.width), (2, rows, columns), (2, rows, columns))
        ]

    def pack(self, flat: Tensor, cells: Tensor) -> None:
        """See `Ends.pack`."""
        for plane, (down, across), part in zip(self.layout.planes(flat), self._places, _parts(cells), strict=True):
            if down is not None:
                plane = plane.index_select(-2, down)
            if across is not None:
                plane = plane.index_select(-1, across)
            h, w, side = part.shape[1], part.shape[2], part.shape[3]
            torch.sub(plane.unflatten(-1, (w, side)).unflatten(-3, (h, side)).transpose(2, 3), self._center, out=part)

    def unpack(self, cells: Tensor, flat: Tensor) -> None:
        """See `Ends.unpack`."""
        codes = cells.round_().clamp_(-CENTER, CENTER - 1).add_(CENTER)
        for plane, part in zip(self.layout.planes(flat), _parts(codes), strict=True):
            height, width = plane.shape[-2:]
            whole = part.transpose(2, 3).flatten(3, 4).flatten(1, 2)
            plane.copy_(whole[:, :height, :width])


def _places(length: int, padded: int, where: torch.device) -> Tensor | None:
    """Which row (or column) each padded one repeats; None where nothing is padded."""
    return None if length == padded else torch.arange(padded, device=where).clamp_(max=length - 1)


def _parts(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The channels of Y, U, V as (N, h, w, side, side): rows and columns within a cell last."""
    assert cells.shape[-1] == PLANE_CHANNELS
    return (
        cells[..., :16].unflatten(-1, (4, 4)),
        cells[..., 16:20].unflatten(-1, (2, 2)),
        cells[..., 20:].unflatten(-1, (2, 2)),
    )
