"""Frames as BGR by libswscale."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.media.convert.reformat import BgrConverter
from realtime.media.convert.rgb import frame_from_rgb, rgb_from_frame
from tests.helpers.planes import flat


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("value_range", ["limited", "full"])
def test_bgr_has_the_colours_of_the_frame(matrix: str, value_range: str) -> None:
    y, x = np.mgrid[0:64, 0:96]
    rgb = np.stack([x * 2, y * 3, 255 - x - y], 2).astype(np.uint8)
    frame = frame_from_rgb(rgb, matrix=matrix, value_range=value_range)  # type: ignore[arg-type]
    bgr = BgrConverter()(frame)
    assert bgr.flags.c_contiguous and bgr.flags.writeable
    assert np.abs(bgr[..., ::-1].astype(int) - rgb_from_frame(frame)).mean() < 3


def test_the_size_may_change() -> None:
    convert = BgrConverter()
    for height, width in ((64, 96), (32, 48), (64, 96)):
        assert convert(flat(height, width, 90)).shape == (height, width, 3)
