"""Frames of noise, and how far two frames are apart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from realtime.frames import ColorTags, Frame, chroma_shape


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
