"""The contact sheet shows the source and every style where it says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from realtime.errors import InputError
from realtime.jobs.contact_sheet import GAP, LINE, contact_sheet


def painter(name: str) -> Any:
    """A style that paints everything in one colour."""
    colour = {"red": (255, 0, 0), "blue": (0, 0, 255)}[name]
    return SimpleNamespace(image=lambda rgb: np.full_like(rgb, colour))


def test_cells() -> None:
    picture = np.full((60, 120, 3), 77, np.uint8)
    seen: list[str] = []
    sheet = contact_sheet(picture, ["red", "blue"], width=100, columns=2, make=painter, progress=seen.append)
    assert seen == ["red", "blue"]
    assert sheet.shape == (2 * (50 + LINE + GAP) + GAP, 2 * (100 + GAP) + GAP, 3)
    cells = [(0, 0, (77, 77, 77)), (0, 1, (255, 0, 0)), (1, 0, (0, 0, 255))]
    for row, column, colour in cells:
        y, x = GAP + row * (50 + LINE + GAP), GAP + column * (100 + GAP)
        assert (sheet[y : y + 50, x : x + 100] == colour).all()
        assert sheet[y + 50 : y + 50 + LINE, x : x + 100].min() < 100  # its name, in black
    assert (sheet[:GAP] == 255).all()


@pytest.mark.parametrize(
    ("styles", "size", "columns"), [(8, (90, 120), 3), (10, (360, 640), 3), (1, (90, 90), 2), (3, (40, 160), 1)]
)
def test_about_as_wide_as_high(styles: int, size: tuple[int, int], columns: int) -> None:
    sheet = contact_sheet(np.zeros((*size, 3), np.uint8), ["red"] * styles, width=size[1], make=painter)
    assert sheet.shape[1] == columns * (size[1] + GAP) + GAP


def test_refusals() -> None:
    picture = np.zeros((60, 120, 3), np.uint8)
    with pytest.raises(InputError, match="at least one style"):
        contact_sheet(picture, [])
    with pytest.raises(InputError, match="columns 0"):
        contact_sheet(picture, ["red"], columns=0, make=painter)
