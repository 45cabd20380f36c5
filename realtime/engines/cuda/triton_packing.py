"""Both ends of the network as one kernel each: bytes of planes to its channels, and its channels to bytes of planes.

Written in Triton, which PyTorch brings along for CUDA on Linux. `triton_ends` gives them only after they have given
what the plain operations give.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from realtime.engines.cuda.device import first_line
from realtime.engines.cuda.plane_packing import Layout, PlainEnds
from realtime.transnet.network import PLANE_CHANNELS

_BLOCK = 1024


class TritonEnds:
    """One kernel in, one out. See `Ends`."""

    name = "triton"

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._numbers = (layout.bytes, layout.height, layout.width, *layout.chroma, *layout.cells)
        from realtime.engines.cuda.triton_kernels import pack, unpack

        self._pack: Any = pack
        self._unpack: Any = unpack

    def pack(self, flat: Tensor, cells: Tensor) -> None:
        """See `Ends.pack`."""
        total = cells.numel()
        self._pack[(-(-total // _BLOCK),)](flat, cells, total, *self._numbers, block=_BLOCK)

    def unpack(self, cells: Tensor, flat: Tensor) -> None:
        """See `Ends.unpack`."""
        total = flat.numel()
        self._unpack[(-(-total // _BLOCK),)](cells, flat, total, *self._numbers, block=_BLOCK)


@cache
def triton_problem(where: torch.device, dtype: torch.dtype) -> str:
    """Why the kernels are not to be used on a device; empty where they give what plain operations give."""
    try:
        from realtime.engines.cuda import triton_kernels  # noqa: F401
    except ImportError as error:
        return f"Triton cannot be imported ({error})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on how Triton will round one day: nothing is multiplied here
            return _difference(where, dtype)
    except Exception as error:  # a compiler, a driver and a launcher come together here, each with errors of its own
        return first_line(error)


def _difference(where: torch.device, dtype: torch.dtype) -> str:
    """What the kernels do otherwise than plain operations; empty where nothing is."""
    for layout in (Layout(24, 40), Layout(19, 27)):
        ends, plain = TritonEnds(layout), PlainEnds(layout, where, dtype)
        flat = torch.randint(0, 256, (3, layout.bytes), dtype=torch.uint8, device=where)
        cells, wanted = (torch.zeros(3, *layout.cells, PLANE_CHANNELS, dtype=dtype, device=where) for _ in range(2))
        ends.pack(flat, cells)
        plain.pack(flat, wanted)
        if not torch.equal(cells, wanted):
            return "its kernel gives other channels than PyTorch's operations"
        styled = torch.randn(cells.shape, device=where).mul_(100).to(dtype)
        codes, right = torch.empty_like(flat), torch.empty_like(flat)
        ends.unpack(styled, codes)
        plain.unpack(styled, right)
        if not torch.equal(codes, right):
            return "its kernel gives other planes than PyTorch's operations"
    return ""
