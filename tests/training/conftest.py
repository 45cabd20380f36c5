"""A painting and a folder of photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.pictures import paint


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return paint(tmp_path / "painting.png", 7, (120, 100))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    (folder / "deeper").mkdir(parents=True)
    for i in range(3):
        paint(folder / f"{i}.png", i)
    paint(folder / "deeper" / "3.JPG", 3)
    return folder
