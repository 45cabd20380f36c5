"""Text drawn onto the pictures in a window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.media.live.overlay import Overlay, Slider, draw


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


def test_sliders_are_below_the_lines_and_show_their_values() -> None:
    def drawn(place: float, value: str = "0.50") -> np.ndarray:
        picture = blank()
        draw(
            cv2, picture, Overlay(("one line",), sliders=(Slider("paint", place, value), Slider("stroke", 0.5, "1.00")))
        )
        return picture

    lines = blank()
    draw(cv2, lines, Overlay(("one line",)))
    low, high = drawn(0.0), drawn(1.0)
    below = np.argwhere((lines != 150).any(2)).max(0)[0] + 1
    assert np.array_equal(low[:below], lines[:below])
    assert (low[below : below + 60] != 150).any()
    changed = np.argwhere((low != high).any(2))
    rows, columns = np.ptp(changed, axis=0)
    assert rows < 20 and 60 < columns < 160  # the first bar
    value = np.argwhere((drawn(0.0) != drawn(0.0, "0.99")).any(2))
    assert value.min(0)[1] > changed.max(0)[1]


@pytest.mark.parametrize("size", [(48, 64), (17, 33), (2160, 3840)])
def test_any_size_of_picture(size: tuple[int, int]) -> None:
    picture = blank(*size)
    lines = ("a rather long line of text that does not fit", "Größe: ünïcode")
    draw(cv2, picture, Overlay(lines, "message", recording=True, sliders=(Slider("paint", 0.3, "0.30"),)))
    draw(cv2, picture, Overlay(help=lines))
    assert picture.shape == (*size, 3)
