"""Text drawn onto the pictures in a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

_TEXT_SHARE = 1 / 32
"""Size of the text over the height of the picture."""
_SMALLEST_TEXT, _LARGEST_TEXT = 12, 30
_WHITE, _GRAY, _RED = (255, 255, 255), (150, 150, 150), (60, 60, 255)
_BAR = 8
"""Length of a slider over the size of the text."""


@dataclass(frozen=True, slots=True)
class Slider:
    """A value between two ends."""

    name: str
    place: float  # 0 is the left end, 1 the right one
    value: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn onto a picture."""

    lines: tuple[str, ...] = ()  # at the top left
    message: str = ""  # at the bottom: what the user should see at once
    help: tuple[str, ...] = ()  # in the middle, over the darkened picture; a tab begins a second column
    recording: bool = False  # a red dot
    sliders: tuple[Slider, ...] = ()  # below the lines


def draw(cv2: ModuleType, picture: np.ndarray, overlay: Overlay) -> None:
    """Draw an overlay onto (H, W, 3) uint8 BGR, with OpenCV; characters beyond ASCII become question marks."""
    height, width = picture.shape[:2]
    size = min(_LARGEST_TEXT, max(_SMALLEST_TEXT, round(height * _TEXT_SHARE)))
    margin = size // 2
    if overlay.help:
        picture //= 3
        top = max(margin, (height - _height(overlay.help, size)) // 2)
        _text(cv2, picture, overlay.help, size, left=max(margin, width // 8), top=top)
        return
    if overlay.lines:
        _text(cv2, picture, overlay.lines, size, left=margin, top=margin)
    if overlay.sliders:
        top = margin + (_height(overlay.lines, size) + margin if overlay.lines else 0)
        _sliders(cv2, picture, overlay.sliders, size, left=margin, top=top)
    if overlay.message:
        top = height - margin - _height((overlay.message,), size)
        _text(cv2, picture, (overlay.message,), size, left=margin, top=top)
    if overlay.recording:
        cv2.circle(picture, (width - 2 * size, 2 * margin), margin, _RED, -1, cv2.LINE_AA)


def _sliders(
    cv2: ModuleType, picture: np.ndarray, sliders: Sequence[Slider], size: int, *, left: int, top: int
) -> None:
    """A line each: name, bar, value."""
    rows = tuple(f"{slider.name}\t{slider.value}" for slider in sliders)
    right = _text(cv2, picture, rows, size, left=left, top=top, gap=(_BAR + 1) * size)
    begin = right - (_BAR + 1) * size
    for number, slider in enumerate(sliders):
        middle = round(top + (number + 1) * 1.5 * size - 0.35 * size)
        here = round(begin + slider.place * _BAR * size)
        cv2.line(picture, (begin, middle), (begin + _BAR * size, middle), _GRAY, max(1, size // 12), cv2.LINE_AA)
        cv2.line(picture, (begin, middle), (here, middle), _WHITE, max(2, size // 5), cv2.LINE_AA)
        cv2.circle(picture, (here, middle), max(3, size // 3), _WHITE, -1, cv2.LINE_AA)


def _height(lines: Sequence[str], size: int) -> int:
    return round(len(lines) * 1.5 * size + size)


def _text(
    cv2: ModuleType, picture: np.ndarray, lines: Sequence[str], size: int, *, left: int, top: int, gap: int = 0
) -> int:
    """White lines on a darkened box, with what follows a tab in a second column; lines are 1.5 `size` pixels apart.

    `gap` is room before the second column. Returns where that begins.
    """
    font, scale, weight = cv2.FONT_HERSHEY_SIMPLEX, size / 30, 2 if size >= 24 else 1

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, font, scale, weight)[0][0])

    rows = [line.encode("ascii", "replace").decode().split("\t") for line in lines]
    column = max((width(row[0]) + size + gap for row in rows if len(row) > 1), default=0)
    right = left + max(column * (len(row) - 1) + width(row[-1]) for row in rows) + size
    box = picture[max(0, top) : top + _height(lines, size), max(0, left) : right]
    box //= 3
    for number, row in enumerate(rows):
        foot = round(top + (number + 1) * 1.5 * size)
        for place, text in enumerate(row):
            at = (left + size // 2 + place * column, foot)
            cv2.putText(picture, text, at, font, scale, _WHITE, weight, cv2.LINE_AA)
    return left + size // 2 + column
