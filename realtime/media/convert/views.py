"""NumPy arrays over the memory of PyAV's pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from realtime.frames import Planes

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane


def plane_view(plane: VideoPlane) -> np.ndarray:
    """A plane of 8-bit samples as (H, W) uint8, without a copy; the view keeps the picture's buffer alive."""
    stride = plane.line_size
    if stride < 0:
        flipped: np.ndarray = np.ndarray((plane.height, -stride), np.uint8, buffer=plane)  # type: ignore[arg-type]
        return flipped[::-1, : plane.width]
    shape = (plane.height, plane.width)
    return np.ndarray(shape, np.uint8, buffer=plane, strides=(stride, 1))  # type: ignore[arg-type]


def plane_views(picture: VideoFrame) -> Planes:
    """Y, U and V of a planar 8-bit picture, without a copy; see `plane_view`."""
    y, u, v = (plane_view(plane) for plane in picture.planes[:3])
    return y, u, v


def fill(picture: VideoFrame, planes: Iterable[np.ndarray]) -> None:
    """Copy one (H, W) array into each plane of a new picture; values must fit into 8 bits."""
    for plane, values in zip(picture.planes, planes, strict=True):
        np.copyto(plane_view(plane), values, casting="unsafe")
