"""Conversions between R'G'B' and the variants of Y'CbCr (matrix and range), as affine maps of 8-bit codes."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime import frames
from realtime.frames import Matrix, Range


def rgb_to_codes(matrix: Matrix, range: Range) -> tuple[Tensor, Tensor]:
    """`realtime.frames.rgb_to_codes` as tensors."""
    m, t = frames.rgb_to_codes(matrix, range)
    return torch.from_numpy(m), torch.from_numpy(t)


def codes_to_codes(source: tuple[Matrix, Range], target: tuple[Matrix, Range]) -> tuple[Tensor, Tensor]:
    """The affine map between two variants of Y'CbCr: other codes, the same R'G'B' picture.

    Primaries and transfer stay those of the picture.

    Returns:
        (3, 3) float64 `m` and (3,) float64 `t`: target codes = m @ source codes + t.
    """
    ms, ts = rgb_to_codes(*source)
    mt, tt = rgb_to_codes(*target)
    m = mt @ torch.linalg.inv(ms)
    return m, tt - m @ ts


@lru_cache(32)
def _on_device(matrix: Matrix, range: Range, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The map of `rgb_to_codes`, its offset and its inverse. Kept: nothing is copied from the host while a CUDA graph
    is recorded, and a copy in each step would make the device wait.
    """
    m, t = rgb_to_codes(matrix, range)
    with torch.inference_mode(False):  # what is kept must serve in training, too
        m, t, inverse = (v.to(device, dtype, copy=True) for v in (m, t, torch.linalg.inv(m)))
    return m, t, inverse


def planes_from_rgb(rgb: Tensor, matrix: Matrix = "bt709", range: Range = "limited") -> tuple[Tensor, Tensor]:
    """R'G'B' to 4:2:0 codes.

    Args:
        rgb: (N, 3, H, W) float in 0..1, H and W even.

    Returns:
        y (N, 1, H, W) and uv (N, 2, H/2, W/2): float codes 0..255, chroma averaged over 2x2 pixels.
    """
    m, t, _ = _on_device(matrix, range, rgb.device, rgb.dtype)
    codes = torch.einsum("ij,njhw->nihw", m, rgb) + t[:, None, None]
    return codes[:, :1], F.avg_pool2d(codes[:, 1:], 2)


def rgb_from_planes(y: Tensor, uv: Tensor, matrix: Matrix = "bt709", range: Range = "limited") -> Tensor:
    """4:2:0 codes to R'G'B', chroma interpolated bilinearly, as players do.

    Args:
        y: (N, 1, H, W) float codes; uv: (N, 2, H/2, W/2).

    Returns:
        (N, 3, H, W) float, 0..1 where the codes are in gamut; not clamped.
    """
    _, t, inverse = _on_device(matrix, range, y.device, y.dtype)
    chroma = F.interpolate(uv, scale_factor=2, mode="bilinear", align_corners=False)
    codes = torch.cat([y, chroma], 1) - t[:, None, None]
    return torch.einsum("ij,njhw->nihw", inverse, codes)
