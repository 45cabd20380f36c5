"""`restyle styles`: the list, and the contact sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.jobs.contact_sheet import GAP
from realtime.transnet.gallery import styles as gallery
from tests.helpers.commands import Restyle


def test_the_list_as_a_table_and_as_json(restyle: Restyle) -> None:
    done = restyle("styles")
    head, *rows = done.out.splitlines()
    assert done.code == 0 and head.split() == ["name", "title", "artist", "year", "kMAC/px"]
    assert [row.split()[0] for row in rows] == [card.name for card in gallery()]
    (row,) = [row for row in rows if row.startswith("starry-night ")]
    assert "The Starry Night" in row and "1889" in row
    listed = restyle("styles", "--json").json["styles"]
    style = next(entry for entry in listed if entry["name"] == "starry-night")
    assert (style["artist"], style["year"]) == ("Vincent van Gogh", 1889)
    assert style["macs_per_pixel"] > 0


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 128, 3), dtype=np.uint8)).save(path)
    return path


@pytest.mark.slow
def test_a_sheet_of_the_gallery(restyle: Restyle, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    done = restyle("styles", "--sheet", target, "--input", picture, "--width", "64", "--columns", "4", "--json")
    assert done.code == 0, done.err
    assert done.json["sheet"] == str(target)
    with Image.open(target) as sheet:
        assert sheet.width == 4 * (64 + GAP) + GAP
    again = restyle("styles", "--sheet", target, "--input", picture)
    assert again.code == 2 and "exists" in again.error


def test_a_sheet_that_cannot_be_made(restyle: Restyle, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    assert "belong together" in restyle("styles", "--sheet", target).error
    assert "none.png" in restyle("styles", "--sheet", target, "--input", tmp_path / "none.png").error
    assert "exists" in restyle("styles", "--sheet", picture, "--input", picture).error
    assert not target.exists()
