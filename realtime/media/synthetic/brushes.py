"""Drawing with NumPy: noise, skylines, polygons and dabs, and strips of pictures that are laid over each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Color = tuple[int, int, int]
"""Red, green, blue: 0..255."""

_CLEAR = 256
"""Value of a strip's fourth plane where all of what is behind shows."""
_STEPS = 128
"""Fractions of a pixel by which strips move: the products of both numbers and of 255 and 256 fit into 16 bits."""


def noise(rng: np.random.Generator, height: int, width: int, cells: float, stretch: float = 1.0) -> np.ndarray:
    """(height, width) float32 in 0..1: octaves of smooth noise, the coarsest of `cells` blobs across the height."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    cells = min(cells, height / 2)  # at least one octave
    while cells < height / 1.5:
        rows, columns = max(2, round(cells)), max(2, round(cells * width / height / stretch))
        grid = rng.random((rows, columns), np.float32)
        total += weight * _stretched(_stretched(grid, height).T, width).T
        cells, weight = cells * 2, weight * 0.55
    low, high = np.quantile(total, [0.01, 0.99])
    return np.asarray(np.clip((total - low) / max(high - low, 1e-6), 0, 1))


def _stretched(values: np.ndarray, rows: int) -> np.ndarray:
    """(n, w) float32 interpolated to (rows, w): bicubic along the first axis, with the edges repeated."""
    at = (np.arange(rows) + 0.5) * values.shape[0] / rows - 0.5
    first = np.floor(at).astype(np.intp)
    x = (at - first).astype(np.float32)[:, None]
    padded = np.take(values, np.arange(-1, values.shape[0] + 3) - 1, axis=0, mode="clip")
    out = np.zeros((rows, values.shape[1]), np.float32)
    for tap in range(4):
        away = np.abs(x + 1 - tap)
        near = (1.25 * away - 2.25) * away * away + 1
        far = ((-0.75 * away + 3.75) * away - 6) * away + 3
        out += np.where(away <= 1, near, far) * padded[first + 1 + tap]
    return out


def smooth(line: np.ndarray, reach: int) -> np.ndarray:
    """(n,) mean over `reach` neighbours on both sides, with the ends repeated."""
    kernel = np.ones(2 * reach + 1, np.float32) / (2 * reach + 1)
    return np.convolve(np.pad(line, reach, mode="edge"), kernel, mode="valid")


def skyline(rng: np.random.Generator, width: int, rough: float, bumps: float) -> np.ndarray:
    """(width,) float32 in 0..1: octaves of straight slopes, the coarsest with `bumps` corners."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    line = np.zeros(width, np.float32)
    frequency, weight = bumps, 1.0
    while frequency < width / 4:
        points = rng.random(max(3, round(frequency))).astype(np.float32)
        at = np.linspace(0, 1, points.size, dtype=np.float32)
        line += weight * np.interp(x, at, points).astype(np.float32)
        frequency, weight = frequency * 2.1, weight * rough
    line = smooth(line, 4)
    low, high = line.min(), line.max()
    return np.asarray((line - low) / max(high - low, 1e-6))


def mix(low: Color, high: Color, share: np.ndarray) -> np.ndarray:
    """(..., 3) float32: from one colour to another by a share of 0..1."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    return np.asarray(a + (b - a) * share[..., None])


def _box(
    shape: tuple[int, ...], left: float, top: float, right: float, bottom: float
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The part of a picture that a box touches; its columns as (1, w) and its rows as (h, 1) float64."""
    x0, x1 = (int(np.clip(v, 0, shape[1])) for v in (np.ceil(left - 0.5), np.floor(right + 0.5) + 1))
    y0, y1 = (int(np.clip(v, 0, shape[0])) for v in (np.ceil(top - 0.5), np.floor(bottom + 0.5) + 1))
    return (slice(y0, y1), slice(x0, x1)), np.arange(x0, x1)[None] + 0.0, np.arange(y0, y1)[:, None] + 0.0


class Canvas:
    """A picture to draw on."""

    def __init__(self, color: np.ndarray) -> None:
        self.color = color  # (H, W, 3) float32, 0..255
        self.mask = np.zeros(color.shape[:2], np.float32)  # 1 where polygons were drawn

    def polygon(self, corners: Sequence[tuple[float, float]], shade: Color) -> None:
        """Fill a convex polygon of (x, y) corners, with the pixels that its outline crosses."""
        points = np.array(corners)
        where, columns, rows = _box(self.mask.shape, *points.min(axis=0), *points.max(axis=0))
        along = np.roll(points, -1, axis=0) - points
        x, y = points[:, 0], points[:, 1]
        turn = np.sign((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) or 1.0
        normal = turn * along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
        across, down = columns - x[:, None, None], rows - y[:, None, None]
        depth = normal[:, 0, None, None] * down - normal[:, 1, None, None] * across
        inside = depth.min(axis=0) >= -0.5
        self.color[where][inside] = shade
        self.mask[where][inside] = 1

    def dab(self, begin: tuple[float, float], end: tuple[float, float], radius: float, shade: Color) -> None:
        """Draw a line with round ends and soft edges; a disc where it has no length."""
        (x0, y0), (x1, y1) = begin, end
        reach = radius + 0.5
        where, columns, rows = _box(
            self.color.shape, min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach
        )
        dx, dy = x1 - x0, y1 - y0
        share = np.clip(((columns - x0) * dx + (rows - y0) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
        away = np.hypot(columns - x0 - share * dx, rows - y0 - share * dy)
        cover = np.clip(reach - away, 0, 1).astype(np.float32)[..., None]
        self.color[where] += cover * (np.array(shade, np.float32) - self.color[where])


def strip(color: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """A picture to lay over others, of (h, w, 3) colours in 0..255 and (h, w) opacity in 0..1.

    Returns:
        (4, h, w) uint16: red, green, blue (0..255) times the opacity, and how much of what is behind shows (0..256).
    """
    opacity = np.clip(opacity, 0, 1)
    planes = np.empty((4, *opacity.shape), np.uint16)
    planes[:3] = np.clip(color * opacity[..., None], 0, 255).transpose(2, 0, 1)
    planes[3] = _CLEAR - np.rint(opacity * _CLEAR)
    return planes


def lay_over(back: np.ndarray, planes: np.ndarray) -> None:
    """Lay a strip over (3, h, w) uint16 of a picture."""
    back *= planes[3]
    back >>= 8
    back += planes[:3]


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """uint16 of 0..256: a mean of two arrays, `share` (0..1) of the second."""
    steps = round(share * _STEPS)
    out: np.ndarray = first * np.uint16(_STEPS - steps)
    out += second * np.uint16(steps)
    out >>= 7
    return out
