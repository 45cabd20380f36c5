"""Conversions between RGB arrays and frames of 4:2:0 planes, and resizing of RGB arrays."""

from __future__ import annotations

import numpy as np

from realtime.errors import InputError
from realtime.frames import MAX_SIDE, ColorTags, Frame, Matrix, Range, chroma_shape, rgb_to_codes
from realtime.media import opencv

_SPACE_CODES = {"bt601": 6, "bt709": 1, "bt2020": 9}
_BAND = 512
"""Rows converted at once (an even number): a whole large picture in floating point would need too much memory."""


def _forward(matrix: Matrix, value_range: Range) -> np.ndarray:
    """(3, 4) float64: rows Y, Cb, Cr in 8-bit codes; columns R, G, B (0..255) and a constant."""
    m, t = rgb_to_codes(matrix, value_range)
    return np.hstack([m / 255, t[:, None]])


def frame_from_rgb(
    rgb: np.ndarray, *, matrix: Matrix = "bt709", value_range: Range = "full", band: int = _BAND
) -> Frame:
    """Convert RGB to 4:2:0 planes; a chroma sample is the mean of its 2 x 2 pixels.

    Args:
        rgb: (H, W, 3) uint8.
        matrix, value_range: coding of the planes. Full range keeps all 256 steps.
        band: rows converted at once, an even number.

    Raises:
        ValueError: wrong shape or dtype.
    """
    cv2 = opencv.load()
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        raise ValueError(f"(H, W, 3) uint8 is needed, not {rgb.shape} {rgb.dtype}")
    height, width = rgb.shape[:2]
    forward = _forward(matrix, value_range).astype(np.float32)
    y = cv2.transform(rgb, forward[:1])
    chroma = np.empty((*chroma_shape(height, width), 2), np.uint8)
    for top in range(0, height, band):
        rows = rgb[top : top + band]
        if rows.shape[0] % 2 or width % 2:
            rows = np.pad(rows, ((0, rows.shape[0] % 2), (0, width % 2), (0, 0)), mode="edge")
        # The mean is linear: averaging RGB first needs a quarter of the arithmetic.
        size = (rows.shape[1] // 2, rows.shape[0] // 2)
        small = cv2.resize(rows.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        codes = np.clip(np.rint(cv2.transform(small, forward[1:])), 0, 255)
        chroma[top // 2 : top // 2 + size[1]] = codes.reshape(size[1], size[0], 2)
    u, v = (np.ascontiguousarray(chroma[..., index]) for index in (0, 1))
    return Frame(y.reshape(height, width), u, v, color=ColorTags(matrix, value_range, *3 * [_SPACE_CODES[matrix]]))


def rgb_from_frame(frame: Frame, *, band: int = _BAND) -> np.ndarray:
    """Convert a frame to (H, W, 3) uint8 RGB by its own matrix and range; chroma is interpolated linearly.

    Args:
        frame: of any size.
        band: rows converted at once, an even number.
    """
    cv2 = opencv.load()
    height, width = frame.y.shape
    rows, columns = frame.u.shape
    forward = _forward(frame.color.matrix, frame.color.range)
    inverse = np.linalg.inv(forward[:, :3])
    backward = np.hstack([inverse, -inverse @ forward[:, 3:]]).astype(np.float32)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, band):
        bottom = min(height, top + band)
        planes = np.empty((bottom - top, width, 3), np.float32)
        planes[..., 0] = frame.y[top:bottom]
        # One more row of chroma above and below, which the interpolation needs.
        first, last = max(0, top // 2 - 1), min(rows, -(-bottom // 2) + 1)
        for index, plane in ((1, frame.u), (2, frame.v)):
            small = np.ascontiguousarray(plane[first:last]).astype(np.float32)
            full = cv2.resize(small, (2 * columns, 2 * (last - first)), interpolation=cv2.INTER_LINEAR)
            planes[..., index] = full[top - 2 * first : bottom - 2 * first, :width]
        out[top:bottom] = np.clip(np.rint(cv2.transform(planes, backward)), 0, 255)
    return out


def resize_image(rgb: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Resize (H, W, 3) uint8 RGB: by area when it gets smaller, else cubically.

    Args:
        rgb: the picture.
        size: new short side in pixels (the aspect is kept), or new (width, height).

    Raises:
        InputError: the size is not positive, or too large.
    """
    cv2 = opencv.load()
    height, width = rgb.shape[:2]
    if isinstance(size, int):
        scale = size / min(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(size) < 1 or max(size) > MAX_SIDE:
        raise InputError(f"--size {size[0]}x{size[1]}: sides from 1 to {MAX_SIDE} pixels are possible")
    shrinks = size[0] * size[1] < width * height
    resized: np.ndarray = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized
