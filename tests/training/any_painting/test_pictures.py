"""The pictures of a run: found, read, cut into squares, held."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.errors import InputError
from realtime.training.any_painting.pictures import (
    LONG,
    hold,
    load_contents,
    read_pictures,
    room_for,
    squares,
)
from realtime.training.data import find_pictures
from tests.helpers.pictures import paint, soft


def test_a_long_picture_gives_both_ends() -> None:
    picture = soft(0, 64, 160)
    first, last = squares(picture, 64, LONG)
    assert np.array_equal(first, picture[:, :64]) and np.array_equal(last, picture[:, -64:])
    (only,) = squares(picture, 64, None)
    assert np.array_equal(only, picture[:, 48:112])
    (whole,) = squares(soft(0, 64, 72), 64, LONG)
    assert whole.shape == (64, 64, 3)
    assert squares(soft(0, 200, 100), 32, LONG)[1].shape == (32, 32, 3)


def test_folders_are_searched_and_held(paintings: Path, photographs: Path) -> None:
    folders = [paintings, photographs]
    held = hold([read_pictures(find_pictures(f), 48, LONG) for f in folders], folders, 8, 48)
    assert held.values.shape == (9, 3, 48, 48) and held.values.dtype == torch.uint8
    assert held.counts == (5, 4) and held.files == (4, 4)


def test_what_is_no_picture_is_named_and_left_out(
    photographs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    paint(tmp_path / "small.png", 0, (20, 200))
    paint(tmp_path / "good.png", 0)
    with caplog.at_level(logging.WARNING):
        assert load_contents(tmp_path, 48, 1).counts == (1,)
    assert "broken.jpg" in caplog.text and "small.png: 20x200 is too small" in caplog.text


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_contents(tmp_path / "nowhere", 48, 1)
    with pytest.raises(InputError, match="no pictures in this folder"):
        load_contents(tmp_path, 48, 1)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of its pictures can be used"):
        load_contents(tmp_path, 48, 1)


def test_more_pictures_than_there_is_memory_for(caplog: pytest.LogCaptureFixture) -> None:
    folders = [[Path(f"a/{n}.jpg") for n in range(60)], [Path(f"b/{n}.jpg") for n in range(30)]]
    gigabytes = 30 * 3 * 64 * 64 / 2**30
    with caplog.at_level(logging.WARNING):
        kept = room_for(folders, 64, gigabytes * 1.001)
    assert [len(paths) for paths in kept] == [20, 10]
    assert kept[0][:2] == [Path("a/0.jpg"), Path("a/3.jpg")]
    assert "30 of 90 pictures fit" in caplog.text
    assert room_for(folders, 64, 4 * gigabytes) == folders
