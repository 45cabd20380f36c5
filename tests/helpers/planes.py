"""Small frames for tests."""

from __future__ import annotations

import numpy as np

from realtime.frames import Frame, chroma_shape


def noise(height: int, width: int, seed: int = 0) -> Frame:
    """A frame of random codes, 16..235."""
    rng = np.random.default_rng(seed)
    rows, columns = chroma_shape(height, width)
    return Frame(*(rng.integers(16, 236, shape, dtype=np.uint8) for shape in ((height, width), *2 * [(rows, columns)])))


def flat(height: int, width: int, y: int, u: int = 128, v: int = 128) -> Frame:
    """A frame of one colour."""
    small = chroma_shape(height, width)
    return Frame(np.full((height, width), y, np.uint8), np.full(small, u, np.uint8), np.full(small, v, np.uint8))


def same(a: Frame, b: Frame) -> bool:
    """Whether the planes of two frames are equal."""
    return all(np.array_equal(p, q) for p, q in zip((a.y, a.u, a.v), (b.y, b.u, b.v), strict=True))
