"""Frames' planes as the network's channels, and back.

The network works on cells of 4x4 luma pixels (see `realtime.transnet.network`). A cell's channels are its 16 luma
samples and its 2x2 samples each of U and V, row by row; and, for a network with a texture plane, the 2x2 samples of
that (see `realtime.transnet.texture`). Engines that compute on the CPU use `pack` and `unpack`; an engine with copies
of the planes on a device does the same there, by `DevicePacking`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realtime.frames import Frame, chroma_shape
from realtime.transnet.network import CENTER, MULTIPLE, PLANE_CHANNELS, TEXTURE_CHANNELS
from realtime.transnet.texture import field_codes, texture_cells, texture_planes

PLANES = ((slice(0, 16), 4), (slice(16, 20), 2), (slice(20, 24), 2))
"""Of Y, U and V: their channels, and the side of their part of a cell in samples."""

TEXTURE = slice(PLANE_CHANNELS, PLANE_CHANNELS + TEXTURE_CHANNELS)
"""Channels of the texture plane."""

_ROW = {4: torch.int32, 2: torch.int16}
"""By side: the integer that holds one row of a cell. Moving rows as integers is several times faster than bytes."""


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Sizes of a frame's planes and of its cells.

    Attributes:
        height, width: of the frame in pixels.
    """

    height: int
    width: int

    @property
    def chroma(self) -> tuple[int, int]:
        """(H, W) of U and V."""
        return chroma_shape(self.height, self.width)

    @property
    def bytes(self) -> int:
        """Size of the planes together."""
        rows, columns = self.chroma
        return self.height * self.width + 2 * rows * columns

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w) in cells, after padding to the network's multiple."""
        return -(-self.height // MULTIPLE) * MULTIPLE // 4, -(-self.width // MULTIPLE) * MULTIPLE // 4

    def planes(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Views of planes that lie one behind the other: (..., bytes) -> Y (..., H, W), U and V (..., H/2, W/2)."""
        rows, columns = self.chroma
        y, u, v = flat.split([self.height * self.width, rows * columns, rows * columns], -1)
        chroma = (rows, columns)
        return y.unflatten(-1, (self.height, self.width)), u.unflatten(-1, chroma), v.unflatten(-1, chroma)


def pack(frames: Sequence[Frame], texture: float | None = None) -> Tensor:
    """The cells of frames, padded by replication to the network's multiple.

    Args:
        frames: of one size.
        texture: amount of texture, 0..1; None for a network without a texture plane.

    Returns:
        (N, h, w, 24) uint8 codes, contiguous; (N, h, w, 28) with texture, at each frame's origin.
    """
    h, w = FrameLayout(frames[0].height, frames[0].width).cells
    depth = PLANE_CHANNELS + (0 if texture is None else TEXTURE_CHANNELS)
    packed = torch.empty(len(frames), h, w, depth, dtype=torch.uint8)
    for frame, cells in zip(frames, packed, strict=True):
        for plane, (channels, side) in zip((frame.y, frame.u, frame.v), PLANES, strict=True):
            cells[..., channels].view(_ROW[side]).copy_(_rows_of_cells(plane, h, w, side))
        if texture is not None:
            part = torch.from_numpy(texture_cells(frame.origin, h, w, texture))
            cells[..., TEXTURE].view(torch.int32).copy_(part.view(torch.int32))
    return packed


def _rows_of_cells(plane: np.ndarray, h: int, w: int, side: int) -> Tensor:
    """(h, w, side): the rows of each cell, one integer each."""
    bottom, right = h * side - plane.shape[0], w * side - plane.shape[1]
    if bottom or right:
        plane = np.pad(plane, ((0, bottom), (0, right)), mode="edge")
    if plane.strides[1] != 1 or plane.strides[0] % side or plane.ctypes.data % side:
        plane = np.ascontiguousarray(plane)  # rows cannot be read as integers: rare
    rows: Tensor = torch.from_numpy(plane).view(_ROW[side]).unflatten(0, (h, side)).permute(0, 2, 1)
    return rows


def unpack(codes: Tensor, frames: Sequence[Frame], *, keep_color: bool = False) -> list[Frame]:
    """The inverse of `pack`.

    Args:
        codes: (N, h, w, 24) uint8, contiguous, on the CPU.
        frames: those that were packed; the result has their size, times and colour tags.
        keep_color: take U and V from `frames`.
    """
    result = []
    for frame, cells in zip(frames, codes, strict=True):
        sizes = (frame.height, frame.width), *[chroma_shape(frame.height, frame.width)] * 2
        wanted = 1 if keep_color else 3
        planes = [
            _plane_of_rows(cells[..., channels].view(_ROW[side]))[: size[0], : size[1]]
            for (channels, side), size in zip(PLANES[:wanted], sizes, strict=False)
        ]
        result.append(frame.with_planes(planes[0], *(planes[1:] or (frame.u, frame.v))))
    return result


def _plane_of_rows(rows: Tensor) -> np.ndarray:
    """The inverse of `_rows_of_cells`."""
    h, w, side = rows.shape
    lines: np.ndarray = rows.permute(0, 2, 1).reshape(h * side, w).numpy()
    return lines.view(np.uint8)


def centered(codes: Tensor) -> Tensor:
    """Codes less 128, as int8: what the network takes. uint8 -> int8.

    Flipping the top bit does it, and PyTorch converts int8 to floats several times faster than uint8.
    """
    return codes.view(torch.int8) ^ -128


def rounded_codes(cells: Tensor) -> Tensor:
    """The network's output as codes: rounded half to even, plus 128, limited to 0..255. Changes its argument."""
    return (cells.round_().clamp_(-CENTER, CENTER - 1).to(torch.int8).contiguous() ^ -128).view(torch.uint8)


class DevicePacking:
    """Packing on a device, for frames of one size; planes lie as in `FrameLayout.planes`.

    Args:
        layout: of the frames.
        device: PyTorch's device.
        dtype: of the network.
        texture: whether the network has a texture plane.
    """

    def __init__(self, layout: FrameLayout, device: torch.device, dtype: torch.dtype, *, texture: bool = False) -> None:
        self.layout = layout
        self._field = field_codes(device) if texture else None
        # A tensor of the network's type makes the subtraction convert too, in one kernel. With a Python number the
        # subtraction would be done in uint8 and wrap around.
        self._center = torch.tensor(CENTER, dtype=dtype, device=device)
        h, w = layout.cells
        rows, columns = layout.chroma
        self._padding = [
            (_replicated(height, side * h, device), _replicated(width, side * w, device))
            for side, height, width in ((4, layout.height, layout.width), (2, rows, columns), (2, rows, columns))
        ]

    def pack(self, flat: Tensor, cells: Tensor) -> None:
        """Fill the network's input.

        Args:
            flat: (N, layout.bytes) uint8.
            cells: (N, h, w, 24 or 28) fp16, fp32 or bf16, contiguous; its first 24 channels receive codes - 128,
                padded by replication.
        """
        for plane, (down, across), part in zip(self.layout.planes(flat), self._padding, _parts(cells), strict=True):
            if down is not None:
                plane = plane.index_select(-2, down)
            if across is not None:
                plane = plane.index_select(-1, across)
            h, w, side = part.shape[1], part.shape[2], part.shape[3]
            torch.sub(plane.unflatten(-1, (w, side)).unflatten(-3, (h, side)).transpose(2, 3), self._center, out=part)

    def add_texture(self, origins: Tensor, gain: Tensor, cells: Tensor) -> None:
        """Fill the channels of the texture plane with the codes - 128 that `pack` (the function) gives.

        Args:
            origins: (N, 2) fp32, of the frames, as `wrapped_origin` gives them.
            gain: () fp32, as `texture_gain` gives it.
            cells: see `pack`.
        """
        assert self._field is not None
        h, w = self.layout.cells
        planes = texture_planes(self._field, origins, h, w)
        # exact in fp32: sums of few bits, rounded half up as in `texture_cells`
        cells[..., TEXTURE] = planes.mul_(gain).add_(0.5).floor_().permute(0, 2, 3, 1).to(cells.dtype)

    def unpack(self, cells: Tensor, flat: Tensor) -> None:
        """The inverse: rounded half to even, limited to 0..255, cropped. Changes `cells`."""
        codes = cells.round_().clamp_(-CENTER, CENTER - 1).add_(CENTER)
        for plane, part in zip(self.layout.planes(flat), _parts(codes), strict=True):
            height, width = plane.shape[-2:]
            plane.copy_(part.transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, :height, :width])


def _replicated(length: int, padded: int, device: torch.device) -> Tensor | None:
    """For each row (or column) of a padded plane, the one that it repeats; None without padding."""
    return None if length == padded else torch.arange(padded, device=device).clamp_(max=length - 1)


def _parts(cells: Tensor) -> list[Tensor]:
    """The channels of Y, U and V as (N, h, w, side, side)."""
    return [cells[..., channels].unflatten(-1, (side, side)) for channels, side in PLANES]
