"""The camera's motion between two pictures as one translation.

Two steps. Phase correlation (Kuglin & Hines 1975) proposes a translation in whole pixels. A linear fit (Lucas & Kanade
1981), together with a global change of brightness, makes it exact to a fraction of a pixel. The fit is made from sums
over blocks, and blocks that do not follow count little (iteratively reweighted least squares).

A translation is believed only if it explains the change clearly better than no motion does: in nearly all blocks where
the two differ, and over much of the picture's width. So an object that moves before a camera that stands still, noise,
a change of brightness and a flat picture all give no motion. The result depends on the two pictures alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

MIN_SIDE = 64
"""Shortest side of a picture in pixels."""

_BLOCK = 16
"""Side of a block in pixels."""

_RIM = 2
"""Pixels along the borders that are in no block."""

_FLOOR = 0.01
"""Mean squared error, in squared codes, below which errors count as equal."""

_REACH = 0.4
"""Longest translation, as a share of the picture's sides."""

_NOISE_FACTOR = 4.0
_LEAST_SHARE = 0.05
"""Frequencies count fully in the phase correlation if their amplitude is well above this multiple of the noise, plus
this share of the mean amplitude: in a blurred picture the finest are made by the window alone."""

_STEPS = 3
"""Fits: each begins where the one before ended, in whole pixels."""

_REWEIGHTINGS = 4

# The evidence of a block is the logarithm of the ratio of its two errors, at most 1.
_LEAST_GAIN = 0.03
"""Evidence for a translation, as a mean over all blocks, that is needed at least."""

_LEAST_RATIO = 3.0
"""Evidence for a translation over the evidence against it that is needed at least."""

_LEAST_CERTAINTY = 5.0
"""Mean evidence over its standard error that is needed at least: that of noise stays below 4."""

_SPREAD, _SURE = 0.3, 8
"""Standard deviation of the evidence of noise, and the number of blocks up to which it is taken for granted. More
blocks tell it themselves. It is never taken to be larger, as it is where few blocks have strong evidence: a horizon."""

_LEAST_SPAN = 0.6
"""Share of the picture's width over which the blocks that are in favour must be spread: people and cars fill less."""

_CUT_RESPONSE = 0.3
"""Response of the phase correlation below which two pictures that do not correlate are of different scenes."""

_CUT_CHANGE = 1.0
"""Squared codes: dark and flat pictures, whose response is noise, differ by less. What is added is five times the
difference that noise makes in smoothed pictures."""

# Columns of a block's sums: the content's motion down and right, the change of contrast and of brightness; and what
# they have to explain, the difference of the two pictures.
_CONTRAST, _CHANGE, _COLUMNS = 2, 4, 5


@dataclass(frozen=True, slots=True)
class Translation:
    """What has happened from one picture to the next.

    Attributes:
        down, right: how far the content has moved, in pixels.
        is_cut: the second picture shows another scene; then `down` and `right` are 0.
    """

    down: float = 0.0
    right: float = 0.0
    is_cut: bool = False


class Picture:
    """A small luma, with what the comparison to both its neighbours in time needs.

    Args:
        luma: (H, W) float32 codes; both sides have at least `MIN_SIDE` pixels.
    """

    def __init__(self, luma: np.ndarray) -> None:
        self.shape: tuple[int, int] = luma.shape
        smooth, slope = _filtered(luma, 0)
        self.smooth, self.slope_right = _filtered(smooth, 1)
        self.slope_down = _filtered(slope, 1)[0]
        window = _window(*self.shape)
        self.spectrum: np.ndarray = np.fft.rfft2((luma - (luma * window).sum() / window.sum()) * window)


def translation(a: Picture, b: Picture) -> Translation:
    """The motion of the content from picture `a` to picture `b`, which have one size."""
    at, response, noise = _proposal(a, b)
    here = _sums(a, b, (0, 0))
    still, _ = _fit(here.sums, slice(_CONTRAST, _CHANGE))
    moved, (down, right), errors = _follow(a, b, at, here)
    if float(np.median(still)) > _CUT_CHANGE + noise:
        correlation = max(_correlation(here.sums), _correlation(moved.sums), 0.0)
        if response < _CUT_RESPONSE * (1 - correlation):
            return Translation(is_cut=True)
    if _is_better(still.reshape(here.shape)[moved.rows, moved.columns], errors.reshape(moved.shape)):
        return Translation(down, right)
    return Translation()


# Five taps that smooth, and five that smooth and differentiate: a pair that fits together at all frequencies that
# matter (Farid & Simoncelli 2004). There is mostly noise in the finest detail.
_SMOOTH = 0.426375, 0.249153, 0.037659
_SLOPE = 0.276691, 0.109604


def _filtered(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture smoothed along an axis, and its slope per pixel along that axis; borders are repeated."""
    wide = np.pad(x, [(2, 2) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
    n = x.shape[axis]
    parts = [wide[k : k + n] if axis == 0 else wide[:, k : k + n] for k in range(5)]
    near, far = parts[3] + parts[1], parts[4] + parts[0]
    smooth = np.float32(_SMOOTH[0]) * parts[2] + np.float32(_SMOOTH[1]) * near + np.float32(_SMOOTH[2]) * far
    slope = np.float32(_SLOPE[0]) * (parts[3] - parts[1]) + np.float32(_SLOPE[1]) * (parts[4] - parts[0])
    return smooth, slope


@cache
def _window(height: int, width: int) -> np.ndarray:
    """Hann window, (H, W) float32."""
    rows, columns = (np.hanning(n + 2)[1:-1].astype(np.float32) for n in (height, width))
    return rows[:, None] * columns


@cache
def _finest(height: int, width: int) -> np.ndarray:
    """(H, W // 2 + 1) bool: the finest frequencies, where noise is strongest against the picture."""
    down, right = np.abs(np.fft.fftfreq(height))[:, None], np.fft.rfftfreq(width)
    return np.asarray((down > 0.3) & (right > 0.3))


def _proposal(a: Picture, b: Picture) -> tuple[tuple[int, int], float, float]:
    """The translation in whole pixels at which most frequencies agree, its response, and the variance of the noise.

    Frequencies count alike as far as they stand out from the noise, and little where they do not. The response is 1 if
    all agree, and near 0 if none do. What is as fine as pixels counts as noise.
    """
    cross = np.conj(a.spectrum) * b.spectrum
    size = np.abs(cross)
    noise = float(size[_finest(*a.shape)].mean())
    weight = 1 / (size + (_NOISE_FACTOR * noise + _LEAST_SHARE * float(size.mean()) + 1e-6))
    surface = np.fft.irfft2(cross * weight, a.shape)
    at = np.unravel_index(int(surface.argmax()), a.shape)
    down, right = (int((v + n // 2) % n - n // 2) for v, n in zip(at, a.shape, strict=True))
    most = 2 * float((size * weight).sum()) / surface.size
    return (down, right), float(surface[at]) / (most + 1e-6), noise / float((_window(*a.shape) ** 2).sum())


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The blocks of picture `b` that were inside picture `a`.

    Attributes:
        rows, columns: which blocks of the grid they are.
        sums: (N, 5, 5) float64: means over each block of the products of its columns (see `_COLUMNS`).
    """

    rows: slice
    columns: slice
    sums: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def _sums(a: Picture, b: Picture, at: tuple[int, int]) -> _Blocks:
    """Sums over blocks, for content that has moved by about `at` = (down, right) whole pixels."""
    (rows, top), (columns, left) = (_blocks(n, shift) for n, shift in zip(a.shape, at, strict=True))
    height, width = ((part.stop - part.start) * _BLOCK for part in (rows, columns))

    def both(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        down, right = top - at[0], left - at[1]
        return x[down : down + height, right : right + width], y[top : top + height, left : left + width]

    before, now = both(a.smooth, b.smooth)
    mean = before + now
    values = np.empty((height // _BLOCK, width // _BLOCK, _COLUMNS, _BLOCK, _BLOCK), np.float32)

    def put(column: int, x: np.ndarray) -> None:
        values[:, :, column] = x.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).swapaxes(1, 2)

    half = np.float32(0.5)
    put(0, np.add(*both(a.slope_down, b.slope_down)) * -half)
    put(1, np.add(*both(a.slope_right, b.slope_right)) * -half)
    put(2, (mean - mean.mean()) * half)
    values[:, :, 3] = 1
    put(4, now - before)
    flat = values.reshape(-1, _COLUMNS, _BLOCK**2)
    return _Blocks(rows, columns, (flat @ flat.swapaxes(1, 2)).astype(np.float64) / _BLOCK**2)


def _blocks(length: int, shift: int) -> tuple[slice, int]:
    """Along one side: the blocks that are inside both pictures, and where they begin. The rim is left out: there the
    filters see repeated pixels."""
    count = (length - 2 * _RIM) // _BLOCK
    start = (length - count * _BLOCK) // 2
    first = max(0, -(-(max(0, shift) + _RIM - start) // _BLOCK))
    stop = min(count, (length + min(0, shift) - _RIM - start) // _BLOCK)
    return slice(first, max(first, stop)), start + first * _BLOCK


def _fit(sums: np.ndarray, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    """What remains of the change when it is explained by some columns.

    Returns:
        (N,) mean squared error of each block, and (n,) the columns' shares.
    """
    weights = np.ones(len(sums))
    ridge = np.diag([1e-4, 1e-4, 1e-4, 1e-9][columns])
    unknown = np.zeros(_COLUMNS)
    unknown[_CHANGE] = 1
    for _ in range(_REWEIGHTINGS):
        total = np.tensordot(weights / weights.sum(), sums, 1)
        shares = np.linalg.solve(total[columns, columns] + ridge, total[columns, _CHANGE])
        unknown[columns] = -shares
        errors = np.maximum(sums @ unknown @ unknown, 0)
        weights = 1 / (errors + np.median(errors) + _FLOOR)
    return errors, shares


def _follow(
    a: Picture, b: Picture, at: tuple[int, int], here: _Blocks
) -> tuple[_Blocks, tuple[float, float], np.ndarray]:
    """The translation near `at`: blocks, (down, right), and the blocks' errors."""
    for _ in range(_STEPS):
        if any(abs(shift) > _REACH * n for shift, n in zip(at, a.shape, strict=True)):
            at = (0, 0)
        blocks = here if at == (0, 0) else _sums(a, b, at)
        errors, shares = _fit(blocks.sums, slice(0, _CHANGE))
        down, right = at[0] + float(shares[0]), at[1] + float(shares[1])
        nearest = round(down), round(right)
        if nearest == at:
            break
        at = nearest
    return blocks, (down, right), errors


def _is_better(still: np.ndarray, moved: np.ndarray) -> bool:
    """Whether a translation explains the change clearly better than no motion.

    Args:
        still, moved: (rows, columns) errors of the same blocks.
    """
    evidence = np.clip(np.log((still + _FLOOR) / (moved + _FLOOR)), -1, 1)
    gain, loss = float(evidence.clip(0).mean()), float((-evidence).clip(0).mean())
    if gain < _LEAST_GAIN + _LEAST_RATIO * loss:
        return False
    count = evidence.size
    spread = min(max(float(evidence.std()), _SPREAD * math.sqrt(_SURE / count)), _SPREAD)
    if evidence.mean() < _LEAST_CERTAINTY * spread / math.sqrt(count):
        return False
    places = np.flatnonzero((evidence > 0.2 * evidence.max()).any(0))
    return bool((places[-1] - places[0] + 1) >= _LEAST_SPAN * still.shape[1])


def _correlation(sums: np.ndarray) -> float:
    """The correlation coefficient of the two pictures over some blocks."""
    total = sums.mean(0)
    covariance = total - np.outer(total[3], total[3])  # the means of the columns are their products with column 3
    mean, change, both = covariance[2, 2], covariance[4, 4], covariance[2, 4]
    before, now = mean + change / 4 - both, mean + change / 4 + both
    return float((mean - change / 4) / np.sqrt(max(before, 1e-6) * max(now, 1e-6)))
