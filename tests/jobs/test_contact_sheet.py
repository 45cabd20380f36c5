"""The contact sheet shows the source and every style, each in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import InputError, StyleError
from realtime.jobs.contact_sheet import GAP, LINE, contact_sheet
from tests.helpers.transnets import CPU, GRAY


@pytest.fixture
def opened(identity: Path, gray: Path) -> Callable[[str], FramePainter]:
    """Opens "same", which changes nothing, and "gray"."""
    paths = {"same": identity, "gray": gray}
    return lambda name: FramePainter(paths[name], CPU)


def test_cells(opened: Callable[[str], FramePainter]) -> None:
    picture = np.full((60, 120, 3), 77, np.uint8)
    seen: list[str] = []
    sheet = contact_sheet(picture, ["same", "gray"], width=100, columns=2, open_style=opened, progress=seen.append)
    assert seen == ["same", "gray"]
    assert sheet.shape == (2 * (50 + LINE + GAP) + GAP, 2 * (100 + GAP) + GAP, 3)
    for row, column, value in [(0, 0, 77), (0, 1, 77), (1, 0, round((GRAY - 16) * 255 / 219))]:
        y, x = GAP + row * (50 + LINE + GAP), GAP + column * (100 + GAP)
        assert np.abs(sheet[y : y + 50, x : x + 100].astype(int) - value).max() <= 2
        assert sheet[y + 50 : y + 50 + LINE, x : x + 100].min() < 100  # its name, in black
    assert (sheet[:GAP] == 255).all()


@pytest.mark.parametrize(
    ("styles", "size", "columns"), [(8, (90, 120), 3), (10, (360, 640), 3), (1, (90, 90), 2), (3, (40, 160), 1)]
)
def test_about_as_wide_as_high(
    opened: Callable[[str], FramePainter], styles: int, size: tuple[int, int], columns: int
) -> None:
    sheet = contact_sheet(np.zeros((*size, 3), np.uint8), ["same"] * styles, width=size[1], open_style=opened)
    assert sheet.shape[1] == columns * (size[1] + GAP) + GAP


def test_refusals() -> None:
    picture = np.zeros((60, 120, 3), np.uint8)
    with pytest.raises(InputError, match="at least one style"):
        contact_sheet(picture, [])
    with pytest.raises(InputError, match="columns 0"):
        contact_sheet(picture, ["starry-night"], columns=0)
    with pytest.raises(StyleError, match="no-such"):
        contact_sheet(picture, ["no-such"])
