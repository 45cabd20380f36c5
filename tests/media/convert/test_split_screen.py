"""Split screen: each half from its picture, and a line on whole chroma samples."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.frames import ColorTags, Frame, chroma_shape
from realtime.media.convert.split_screen import compare


def flat(height: int, width: int, value: int, **more: object) -> Frame:
    chroma = chroma_shape(height, width)
    planes = [np.full(s, value, np.uint8) for s in ((height, width), chroma, chroma)]
    return Frame(*planes, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(64, 96), (63, 97), (48, 98), (1080, 1920)])
def test_halves(size: tuple[int, int]) -> None:
    height, width = size
    out = compare(flat(height, width, 50), flat(height, width, 90, pts=7))
    line = np.flatnonzero(out.y[0] == 235)
    assert line[0] % 2 == 0
    assert line.size % 2 == 0
    assert abs(line.mean() - width / 2) <= 3
    assert (out.y[:, : line[0]] == 50).all()
    assert (out.y[:, line[-1] + 1 :] == 90).all()
    assert (out.u[:, : line[0] // 2] == 50).all()
    assert (out.v[:, (line[-1] + 1) // 2 :] == 90).all()
    assert (out.u[:, line[0] // 2 : (line[-1] + 1) // 2] == 128).all()
    assert out.pts == 7


def test_inputs_are_unchanged() -> None:
    a, b = flat(32, 32, 1), flat(32, 32, 2)
    compare(a, b)
    assert (a.y == 1).all()
    assert (b.y == 2).all()


def test_full_range_line_is_white() -> None:
    tags = ColorTags(range="full")
    assert compare(flat(32, 32, 1, color=tags), flat(32, 32, 2, color=tags)).y.max() == 255


def test_frames_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        compare(flat(32, 32, 1), flat(32, 34, 1))
