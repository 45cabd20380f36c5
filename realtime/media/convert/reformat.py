"""Conversion of pictures between pixel formats, sizes and colour codings, with libswscale."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from realtime.frames import ColorTags, Frame
from realtime.media.convert.views import fill

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SWS_SPACE = {"bt601": 5, "bt709": 1, "bt2020": 9}
"""FFmpeg's numbers of the matrices."""
AV_RANGE = {"limited": 1, "full": 2}
"""FFmpeg's numbers of the ranges."""

_DIRECT_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuva420p"})
"""Pixel formats whose first three planes are those of a frame."""


class _Converter:
    @cached_property
    def _reformatter(self) -> Any:
        from av.video.reformatter import VideoReformatter

        return VideoReformatter()  # one for all pictures: each new one costs megabytes and milliseconds


class PlaneConverter(_Converter):
    """Converts pictures of any format to 8-bit 4:2:0, and hands on those that need no conversion.

    Args:
        fast: scale bilinearly and round as it comes, for live pictures; else bicubically, and exactly from RGB.
    """

    def __init__(self, *, fast: bool = False) -> None:
        self._fast = fast

    def __call__(self, picture: VideoFrame, size: tuple[int, int], color: ColorTags, target: ColorTags) -> VideoFrame:
        """Convert a picture.

        Args:
            picture: of any pixel format and size.
            size: (width, height) of the result in pixels.
            color: matrix and range of the picture (RGB has its own).
            target: matrix and range of the result.

        Returns:
            the converted picture; the given one where nothing is to be changed.
        """
        from av.video.reformatter import Interpolation

        scaled = (picture.width, picture.height) != size
        same = (color.matrix, color.range) == (target.matrix, target.range)
        if picture.format.name in _DIRECT_FORMATS and same and not scaled:
            return picture
        rgb = picture.format.is_rgb
        method = Interpolation.BICUBIC if scaled and not self._fast else Interpolation.BILINEAR
        result: VideoFrame = self._reformatter.reformat(
            picture,
            *size,
            "yuv420p",
            src_colorspace=None if rgb else SWS_SPACE[color.matrix],
            dst_colorspace=SWS_SPACE[target.matrix],
            src_color_range=None if rgb else AV_RANGE[color.range],
            dst_color_range=AV_RANGE[target.range],
            interpolation=method | Interpolation.ACCURATE_RND if rgb and not self._fast else method,
            threads=1,
        )
        return result


class BgrConverter(_Converter):
    """Converts frames to BGR by their own matrix and range, in memory that is used again."""

    _picture: Any = None

    def __call__(self, frame: Frame) -> np.ndarray:
        """(H, W, 3) uint8 BGR, contiguous and writable."""
        from av.video.frame import VideoFrame
        from av.video.reformatter import Interpolation

        picture = self._picture
        if picture is None or (picture.width, picture.height) != (frame.width, frame.height):
            picture = self._picture = VideoFrame(frame.width, frame.height, "yuv420p")
        fill(picture, (frame.y, frame.u, frame.v))
        result = self._reformatter.reformat(
            picture,
            format="bgr24",
            src_colorspace=SWS_SPACE[frame.color.matrix],
            src_color_range=AV_RANGE[frame.color.range],
            dst_color_range=AV_RANGE["full"],
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        return np.ascontiguousarray(result.to_ndarray())
