"""Text drawn onto the pictures in a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

_TEXT_SHARE = 1 / 32
"""Size of the text over the height of the picture."""
_SMALLEST_TEXT, _LARGEST_TEXT = 12, 30
_WHITE, _RED = (255, 255, 255), (60, 60, 255)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn onto a picture."""

    lines: tuple[str, ...] = ()  # at the top left
    message: str = ""  # at the bottom: what the user should see at once
    help: tuple[str, ...] = ()  # in the middle, over the darkened picture; a tab begins a second column
    recording: bool = False  # a red dot


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
    if overlay.message:
        top = height - margin - _height((overlay.message,), size)
        _text(cv2, picture, (overlay.message,), size, left=margin, top=top)
    if overlay.recording:
        cv2.circle(picture, (width - 2 * size, 2 * margin), margin, _RED, -1, cv2.LINE_AA)


def _height(lines: Sequence[str], size: int) -> int:
    return round(len(lines) * 1.5 * size + size)


def _text(cv2: ModuleType, picture: np.ndarray, lines: Sequence[str], size: int, *, left: int, top: int) -> None:
    """White lines on a darkened box, with what follows a tab in a second column; lines are 1.5 `size` pixels apart."""
    font, scale, weight = cv2.FONT_HERSHEY_SIMPLEX, size / 30, 2 if size >= 24 else 1

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, font, scale, weight)[0][0])

    rows = [line.encode("ascii", "replace").decode().split("\t") for line in lines]
    column = max((width(row[0]) + size for row in rows if len(row) > 1), default=0)
    right = left + max(column * (len(row) - 1) + width(row[-1]) for row in rows) + size
    box = picture[max(0, top) : top + _height(lines, size), max(0, left) : right]
    box //= 3
    for number, row in enumerate(rows):
        foot = round(top + (number + 1) * 1.5 * size)
        for place, text in enumerate(row):
            at = (left + size // 2 + place * column, foot)
            cv2.putText(picture, text, at, font, scale, _WHITE, weight, cv2.LINE_AA)
