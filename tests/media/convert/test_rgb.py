"""RGB to planes and back, in every matrix and range."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.frames import Matrix, Range
from realtime.media.convert.rgb import frame_from_rgb, rgb_from_frame
from tests.helpers.clips import psnr, scene

MATRICES: tuple[Matrix, ...] = ("bt601", "bt709", "bt2020")
RANGES: tuple[Range, ...] = ("full", "limited")


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("value_range", RANGES)
def test_round_trip(matrix: Matrix, value_range: Range) -> None:
    rgb = scene(3, 160, 96)
    frame = frame_from_rgb(rgb, matrix=matrix, value_range=value_range)
    assert (frame.color.matrix, frame.color.range) == (matrix, value_range)
    # The mark in the corner has hard edges, which chroma at half size cannot follow.
    assert psnr(rgb_from_frame(frame)[30:], rgb[30:]) > 40


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("value_range", RANGES)
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (30, 140, 200)])
def test_flat_colours(matrix: Matrix, value_range: Range, color: tuple[int, int, int]) -> None:
    rgb = np.full((8, 8, 3), color, np.uint8)
    frame = frame_from_rgb(rgb, matrix=matrix, value_range=value_range)
    assert np.abs(rgb_from_frame(frame).astype(int) - rgb).max() <= 3
    if color[0] == color[1] == color[2]:
        assert (frame.u == 128).all()
        assert (frame.v == 128).all()
        low, high = (0, 255) if value_range == "full" else (16, 235)
        assert set(frame.y.reshape(-1).tolist()) == {high if color[0] else low}


def test_greys_lose_nothing() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    np.testing.assert_array_equal(rgb_from_frame(frame_from_rgb(ramp)), ramp)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 5), (33, 64)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    rgb = scene(0, size[1], size[0])
    frame = frame_from_rgb(rgb)
    assert frame.u.shape == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    assert rgb_from_frame(frame).shape == rgb.shape


def test_wrong_arrays() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8"):
            frame_from_rgb(wrong)


@pytest.mark.parametrize("height", [7, 8, 21])
def test_bands_change_nothing(height: int) -> None:
    """Large pictures are converted some rows at a time."""
    rgb = np.random.default_rng(0).integers(0, 256, (height, 15, 3), np.uint8)
    frame = frame_from_rgb(rgb)
    back = rgb_from_frame(frame)
    again = frame_from_rgb(rgb, band=4)
    for a, b in ((frame.y, again.y), (frame.u, again.u), (frame.v, again.v), (back, rgb_from_frame(frame, band=4))):
        np.testing.assert_array_equal(a, b)
