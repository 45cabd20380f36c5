"""Text drawn onto the pictures in a window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.media.live.overlay import Overlay, draw


def blank(height: int = 360, width: int = 640, value: int = 150) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_an_empty_overlay_draws_nothing() -> None:
    picture = blank()
    draw(cv2, picture, Overlay())
    assert np.array_equal(picture, blank())


def test_lines_are_at_the_top_left_on_a_dark_box() -> None:
    picture = blank()
    draw(cv2, picture, Overlay(("starry-night  30.0 fps", "torch on cpu")))
    changed = np.argwhere((picture != 150).any(2))
    assert changed.min() < 20 and changed.max(0)[0] < 90 and changed.max(0)[1] < 400
    box = picture[10:40, 10:100]
    assert int(np.median(box)) == 50 and int(box.max()) > 240


def test_the_message_is_at_the_bottom_and_the_dot_at_the_right() -> None:
    picture = blank()
    draw(cv2, picture, Overlay(message="source lost", recording=True))
    assert (picture[:300, :600] == 150).all()
    assert int(picture[320:355, 5:100].max()) > 240
    dot = picture[:30, 600:].reshape(-1, 3)
    assert ((dot[:, 2] > 200) & (dot[:, 1] < 100)).sum() > 50


def test_the_help_covers_the_picture_in_two_columns() -> None:
    picture = blank()
    draw(cv2, picture, Overlay(("not shown",), help=("n p\tnext, previous", "space\tfreeze")))
    assert int(picture[0, 0, 0]) == 50
    rows = np.argwhere(picture[..., 0] > 200)
    assert rows.min(0)[1] >= 640 // 8
    columns = np.flatnonzero((picture[..., 0] > 200).any(0))
    gaps = np.diff(columns)
    assert gaps.max() > 10  # between the keys and what they do


@pytest.mark.parametrize("size", [(48, 64), (17, 33), (2160, 3840)])
def test_any_size_of_picture(size: tuple[int, int]) -> None:
    picture = blank(*size)
    lines = ("a rather long line of text that does not fit", "Größe: ünïcode")
    draw(cv2, picture, Overlay(lines, "message", recording=True))
    draw(cv2, picture, Overlay(help=lines))
    assert picture.shape == (*size, 3)
