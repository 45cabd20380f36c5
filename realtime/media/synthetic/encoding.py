"""Encoding of generated clips."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any


@contextmanager
def h264_clip(
    path: str | os.PathLike[str], size: tuple[int, int], fps: int, **options: str
) -> Iterator[tuple[Any, Any]]:
    """A new clip of H.264 in limited-range BT.709, in the container that the extension names.

    Args:
        path: the file to make; replaced where it exists.
        size: (width, height) in pixels, even numbers.
        fps: frames per second.
        options: of x264.

    Yields:
        PyAV's container and video stream; the encoder is not flushed.
    """
    import av

    with av.open("file:" + os.fspath(path), "w", metadata_errors="replace") as container:
        video: Any = container.add_stream("libx264", rate=fps)
        context = video.codec_context
        context.width, context.height, context.pix_fmt = *size, "yuv420p"
        context.time_base = Fraction(1, fps)
        context.color_range = context.colorspace = context.color_primaries = context.color_trc = 1
        context.options = options
        yield container, video
