"""Changes to frames, plane by plane: scale, turn, mirror, blend, pack, hold still."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from realtime.frames import Frame, chroma_shape
from realtime.media import opencv

STRONGEST_HOLD = 16
"""In 8-bit codes: a stronger hold would keep what moves."""

_HOLD_NEIGHBOURHOOD = (7, 7)


def scale(frame: Frame, width: int, height: int) -> Frame:
    """Scale a frame: by area when it gets smaller, else linearly; itself where it has that size.

    Its place on the texture plane, in luma pixels, is scaled with it.
    """
    if (frame.width, frame.height) == (width, height):
        return frame
    cv2 = opencv.load()
    method = cv2.INTER_AREA if width * height < frame.width * frame.height else cv2.INTER_LINEAR
    rows, columns = chroma_shape(height, width)

    def resized(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        out: np.ndarray = cv2.resize(plane, size, interpolation=method)
        return out

    down, right = frame.origin
    return frame.with_planes(
        resized(frame.y, (width, height)), resized(frame.u, (columns, rows)), resized(frame.v, (columns, rows))
    ).at((down * height / frame.height, right * width / frame.width))


def mirror(frame: Frame) -> Frame:
    """Exchange left and right, in new planes."""
    cv2 = opencv.load()
    return _each(frame, lambda plane: cv2.flip(plane, 1))


def turn(frame: Frame, degrees: int) -> Frame:
    """Turn counter-clockwise by a multiple of 90 degrees, in new planes; itself for a multiple of 360."""
    quarters = degrees // 90 % 4
    return _each(frame, lambda plane: np.ascontiguousarray(np.rot90(plane, quarters))) if quarters else frame


def blend(a: Frame, b: Frame, share: float) -> Frame:
    """Mix two frames; the result has the time of `b`.

    Args:
        a, b: of the same size, matrix and range.
        share: 0 gives `a`, 1 gives `b`.

    Raises:
        ValueError: size, matrix or range differ.
    """
    if not a.fits_with(b):
        raise ValueError("frames to blend differ in size, matrix or range")
    cv2 = opencv.load()
    pairs = zip((a.y, a.u, a.v), (b.y, b.u, b.v), strict=True)
    y, u, v = (cv2.addWeighted(p, 1 - share, q, share, 0) for p, q in pairs)
    return b.with_planes(y, u, v)


def packed(frame: Frame, *, interleaved: bool) -> np.ndarray:
    """Copy the planes of a frame into one array, one after the other.

    Args:
        frame: both sides even.
        interleaved: U and V alternate (NV12); else U, then V (I420).

    Returns:
        (H * W * 3 / 2,) uint8.

    Raises:
        ValueError: a side is odd.
    """
    if frame.width % 2 or frame.height % 2:
        raise ValueError(f"both sides must be even, not {frame.width}x{frame.height}")
    size, rest = frame.y.size, frame.u.size
    out = np.empty(size + 2 * rest, np.uint8)
    out[:size].reshape(frame.y.shape)[:] = frame.y
    if interleaved:
        chroma = out[size:].reshape(*frame.u.shape, 2)
        chroma[..., 0], chroma[..., 1] = frame.u, frame.v
    else:
        out[size : size + rest].reshape(frame.u.shape)[:] = frame.u
        out[size + rest :].reshape(frame.v.shape)[:] = frame.v
    return out


class Hold:
    """Keeps still areas exactly as they were, so that the noise of a sensor does not reach the network.

    The network is deterministic and local: where its input stays the same, so does its output. The change of a pixel is
    the mean difference around it: below the strength the old value stays, above twice the strength the new one is used,
    and between them a mix.
    """

    def __init__(self) -> None:
        self._held: Frame | None = None

    def __call__(self, frame: Frame, strength: float) -> Frame:
        """Hold the still areas of the next frame.

        Args:
            frame: the next one.
            strength: mean difference in 8-bit codes that counts as still, above 0 and at most `STRONGEST_HOLD`.

        Returns:
            a frame with new planes; the frame itself when it is the first, or differs in size from the one before.
        """
        held = self._held
        if held is None or not held.fits_with(frame):
            self._held = frame
            return frame
        cv2 = opencv.load()
        ramp = _ramp(min(float(strength), STRONGEST_HOLD))
        luma = _change(cv2, frame.y, held.y, ramp)
        small = cv2.resize(luma, (frame.u.shape[1], frame.u.shape[0]), interpolation=cv2.INTER_AREA)
        # A change of colour alone counts, too.
        small = np.maximum(small, _change(cv2, frame.u, held.u, ramp))
        small = np.maximum(small, _change(cv2, frame.v, held.v, ramp))
        result = frame.with_planes(
            cv2.blendLinear(frame.y, held.y, luma, 1 - luma),
            cv2.blendLinear(frame.u, held.u, small, 1 - small),
            cv2.blendLinear(frame.v, held.v, small, 1 - small),
        )
        self._held = result
        return result


@cache
def _ramp(strength: float) -> np.ndarray:
    """(256,) float32: share of the new value, by mean difference."""
    ramp: np.ndarray = np.clip(np.arange(256, dtype=np.float32) / strength - 1, 0, 1)
    return ramp


def _change(cv2: Any, new: np.ndarray, old: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    out: np.ndarray = cv2.LUT(cv2.blur(cv2.absdiff(new, old), _HOLD_NEIGHBOURHOOD), ramp)
    return out


def _each(frame: Frame, work: Callable[[np.ndarray], np.ndarray]) -> Frame:
    return frame.with_planes(work(frame.y), work(frame.u), work(frame.v))
