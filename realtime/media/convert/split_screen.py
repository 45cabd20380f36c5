"""Split screen: the source on the left, the styled picture on the right."""

from __future__ import annotations

from realtime.frames import Frame

_PIXELS_PER_LINE_PIXEL = 640


def compare(source: Frame, styled: Frame) -> Frame:
    """Put the left half of `source` beside the right half of `styled`, with a thin white line between.

    The line starts at an even column and is an even number of pixels wide, so that it covers whole chroma samples.

    Args:
        source, styled: frames of the same size, matrix and range.

    Returns:
        a frame with planes of its own and the time of `styled`.

    Raises:
        ValueError: size, matrix or range differ.
    """
    if not source.fits_with(styled):
        raise ValueError("source and styled frame differ in size, matrix or range")
    y, u, v = styled.y.copy(), styled.u.copy(), styled.v.copy()
    middle = styled.width // 4 * 2
    line = max(2, styled.width // _PIXELS_PER_LINE_PIXEL * 2)
    left = max(0, (middle - line // 2) // 2 * 2)
    y[:, :left] = source.y[:, :left]
    y[:, left : left + line] = 255 if styled.color.range == "full" else 235
    for plane, other in ((u, source.u), (v, source.v)):
        plane[:, : left // 2] = other[:, : left // 2]
        plane[:, left // 2 : (left + line) // 2] = 128
    return styled.with_planes(y, u, v)
