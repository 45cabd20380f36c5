"""Frames made from random numbers, and how far two frames are apart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from realtime.frames import ColorTags, Frame, chroma_shape
from realtime.media.convert.rgb import frame_from_rgb

COLORS = [ColorTags("bt709", "limited"), ColorTags("bt601", "full"), ColorTags("bt2020", "limited")]


def frame(height: int, width: int, seed: int = 0, color: ColorTags | None = None) -> Frame:
    """Noise within the limited range, so that conversions of colour mostly stay in gamut."""
    rng = np.random.default_rng(seed)
    chroma = chroma_shape(height, width)
    return Frame(
        rng.integers(16, 236, (height, width), dtype=np.uint8),
        rng.integers(100, 156, chroma, dtype=np.uint8),
        rng.integers(100, 156, chroma, dtype=np.uint8),
        pts=seed,
        duration=1,
        time_base=Fraction(1, 25),
        color=color or ColorTags(),
    )


def difference(a: Frame, b: Frame) -> int:
    """Largest difference of any code."""
    planes = zip((a.y, a.u, a.v), (b.y, b.u, b.v), strict=True)
    return max(int(np.abs(p.astype(int) - q).max()) for p, q in planes)


def soft_frame(height: int, width: int, seed: int, color: ColorTags) -> Frame:
    """Blocks of colours that RGB can hold, unlike those of noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    rgb = np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1)[:height, :width])
    return frame_from_rgb(rgb, matrix=color.matrix, value_range=color.range)
