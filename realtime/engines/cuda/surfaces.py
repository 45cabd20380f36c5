"""Frames in a CUDA device's memory: hardware decoders' surfaces as tensors, and results as surfaces for encoders."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from realtime.engines.plane_packing import FrameLayout
from realtime.frames import Frame, Planes, SurfaceFrame
from realtime.media.convert import scene_motion


def from_dlpack(plane: Any) -> Tensor:
    """A plane as a tensor of the same memory.

    PyTorch's own function passes its stream, which decoders' planes refuse. The caller has waited for the decoder.
    """
    if isinstance(plane, Tensor):
        return plane
    tensor: Tensor = torch.utils.dlpack.from_dlpack(plane.__dlpack__())
    return tensor


def copy_surface(frame: Frame, flat: Tensor, layout: FrameLayout) -> object:
    """Copy a surface's planes to `flat` (layout.bytes,). The caller keeps the returned object until that is done."""
    assert isinstance(frame, SurfaceFrame)
    luma, chroma = from_dlpack(frame.luma), from_dlpack(frame.chroma)
    y, u, v = layout.planes(flat)
    y.copy_(luma, non_blocking=True)
    u.copy_(chroma[..., 0], non_blocking=True)
    v.copy_(chroma[..., 1], non_blocking=True)
    return frame, luma, chroma


def nv12(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Planes (N, H, W) and (N, H/2, W/2) as (N, H * 3/2, W): each NV12 frame in one piece, as encoders want it."""
    count, height, width = y.shape
    surfaces = torch.empty(count, height * 3 // 2, width, dtype=torch.uint8, device=y.device)
    surfaces[:, :height].copy_(y)
    pairs = surfaces[:, height:].unflatten(-1, (width // 2, 2))
    pairs[..., 0].copy_(u)
    pairs[..., 1].copy_(v)
    return surfaces


def surface_frame(surface: Tensor, like: Frame) -> SurfaceFrame:
    """One of `nv12`'s surfaces, (H * 3/2, W), as a frame with the time and the colour tags of another one."""
    height, width = like.height, like.width
    luma, chroma = surface[:height], surface[height:].unflatten(-1, (width // 2, 2))
    return SurfaceFrame(
        luma,
        chroma,
        size=(width, height),
        fetch=partial(_fetch, luma, chroma),
        owner=surface,
        pts=like.pts,
        duration=like.duration,
        time_base=like.time_base,
        color=like.color,
        origin=like.origin,
    )


def _fetch(luma: Tensor, chroma: Tensor) -> Planes:
    pairs = chroma.cpu()
    return luma.cpu().numpy(), pairs[..., 0].contiguous().numpy(), pairs[..., 1].contiguous().numpy()


def luma_sums(frame: Frame, side: int) -> np.ndarray:
    """`realtime.media.convert.scene_motion.luma_sums`, computed where the frame is."""
    if not isinstance(frame, SurfaceFrame):
        return scene_motion.luma_sums(frame, side)
    rows, columns = frame.height // side, frame.width // side
    luma = from_dlpack(frame.luma)[: rows * side, : columns * side]
    squares = luma.unflatten(1, (columns, side)).unflatten(0, (rows, side))
    sums: np.ndarray = squares.sum((1, 3), dtype=torch.int32).cpu().numpy()
    return sums.astype(np.uint32)
