"""What is drawn onto the picture, and what is said where there is no window. The window itself: tests/live."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from realtime.errors import InputError
from realtime.frames import ColorTags
from realtime.media.files.stills import frame_from_rgb, rgb_from_frame
from realtime.media.live import window
from realtime.media.live.window import Overlay, _mixed_up, _Pixels, draw

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")


def blank(height: int = 360, width: int = 640, value: int = 150) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_nothing_is_drawn_where_there_is_nothing_to_say() -> None:
    picture = blank()
    draw(cv2, picture, Overlay())
    assert np.array_equal(picture, blank())


def test_lines_stand_at_the_top_left_on_a_dark_box() -> None:
    picture = blank()
    draw(cv2, picture, Overlay(("starry-night  30.0 fps", "torch on cpu")))
    changed = np.argwhere((picture != 150).any(2))
    assert changed.min() < 20 and changed.max(0)[0] < 90 and changed.max(0)[1] < 400
    box = picture[10:40, 10:100]
    assert int(np.median(box)) == 50 and int(box.max()) > 240


def test_a_message_stands_at_the_bottom_and_the_dot_at_the_right() -> None:
    picture = blank()
    draw(cv2, picture, Overlay(message="source lost", recording=True))
    assert (picture[:300, :600] == 150).all()
    assert int(picture[320:355, 5:100].max()) > 240
    dot = picture[:30, 600:].reshape(-1, 3)
    assert ((dot[:, 2] > 200) & (dot[:, 1] < 100)).sum() > 50


def test_the_help_is_over_all_and_has_two_columns() -> None:
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


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("value_range", ["limited", "full"])
def test_colours_are_those_of_the_frame(matrix: str, value_range: str) -> None:
    y, x = np.mgrid[0:64, 0:96]
    rgb = np.stack([x * 2, y * 3, 255 - x - y], 2).astype(np.uint8)
    frame = frame_from_rgb(rgb, matrix=matrix, value_range=value_range)  # type: ignore[arg-type]
    assert isinstance(frame.color, ColorTags)
    bgr = _Pixels().of(frame)
    assert bgr.flags.c_contiguous and bgr.flags.writeable
    assert np.abs(bgr[..., ::-1].astype(int) - rgb_from_frame(frame)).mean() < 3


def test_pixels_follow_a_change_of_size() -> None:
    pixels = _Pixels()
    for height, width in ((64, 96), (32, 48), (64, 96)):
        assert pixels.of(frame_from_rgb(blank(height, width))).shape == (height, width, 3)


@LINUX
def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no display.*use --headless"):
        window.prepare()


@LINUX
def test_a_display_that_nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt would end the whole process."""
    monkeypatch.setenv("DISPLAY", ":977")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no window can be opened on the display ':977'") as caught:
        window.prepare()
    assert "\n" not in str(caught.value)


def test_libraries_that_do_not_bear_each_other_are_noticed() -> None:
    assert _mixed_up("7f00-7f01 r-xp 0 0 1 /site-packages/av.libs/libxcb-shm-0be6.so.0.0.0\n")
    assert not _mixed_up("7f00-7f01 r-xp 0 0 1 /site-packages/opencv_python.libs/libxcb-shm-0be6.so.0.0.0\n")
