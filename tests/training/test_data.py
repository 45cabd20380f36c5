"""Content pictures are found, cut and ordered; broken ones are skipped."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path

import pytest
import torch

from realtime.errors import InputError
from realtime.training.data import Crops, Order, find_pictures, load_picture
from tests.helpers.pictures import paint


def test_pictures_are_found_in_subfolders(photographs: Path) -> None:
    (photographs / "notes.txt").write_text("no picture")
    assert [p.name for p in find_pictures(photographs)] == ["0.png", "1.png", "2.png", "3.JPG"]


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        find_pictures(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_pictures(tmp_path / "none")


def test_load_picture(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png", 0, (90, 60))
    assert load_picture(path).shape == (3, 60, 90)
    assert load_picture(path, 40).shape == (3, 40, 60)
    with pytest.raises(InputError, match="no such file"):
        load_picture(tmp_path / "none.png")
    (tmp_path / "b.png").write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"b\.png"):
        load_picture(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"20x60 is too small"):
        load_picture(paint(tmp_path / "c.png", 0, (20, 60)))


def test_crops_depend_only_on_the_seed(photographs: Path) -> None:
    a = Crops(find_pictures(photographs), size=64, margin=8, smallest=0.4, variants=3, seed=1)
    b = Crops(find_pictures(photographs), size=64, margin=8, smallest=0.4, variants=3, seed=1)
    c = Crops(find_pictures(photographs), size=64, margin=8, smallest=0.4, variants=3, seed=2)
    assert len(a) == 12
    for i in range(12):
        assert a[i].picture.shape == (3, 80, 80)
        assert 0 <= a[i].top <= 16 and 0 <= a[i].left <= 16
        assert torch.equal(a[i].picture, b[i].picture)
    assert any(not torch.equal(a[i].picture, c[i].picture) for i in range(12))


def test_broken_pictures_are_reported_once_and_replaced(photographs: Path, caplog: pytest.LogCaptureFixture) -> None:
    (photographs / "0.png").write_bytes(b"not a picture")
    crops = Crops(find_pictures(photographs), size=64, margin=0, smallest=0.4, variants=2, seed=0)
    with caplog.at_level(logging.WARNING):
        assert [crops[i].index for i in range(len(crops))] == list(range(8))
    assert sum("0.png" in r.message for r in caplog.records) == 1
    for path in photographs.rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(InputError, match="none of the 4"):
        Crops(find_pictures(photographs), size=64, margin=0, smallest=0.4, variants=1, seed=0)[0]


def test_order_is_a_permutation_and_starts_anywhere() -> None:
    whole = list(islice(Order(10, seed=3), 35))
    assert sorted(whole[:10]) == sorted(whole[10:20]) == list(range(10))
    assert whole[:10] != whole[10:20]
    for start in (0, 4, 10, 23):
        assert list(islice(Order(10, seed=3, start=start), 12)) == whole[start : start + 12]
