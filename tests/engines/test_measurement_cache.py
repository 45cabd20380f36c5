"""Measurements are stored for the next time, where that is possible."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.cache_folder import cache_folder
from realtime.engines.measurement_cache import MeasurementCache


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    return cache_folder()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other variables")
def test_the_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "restyle"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "restyle"


def test_results_are_found_again_by_their_key(folder: Path) -> None:
    cache = MeasurementCache("x.json")
    assert cache.read({"a": 1}) is None
    assert cache.write({"a": 1}, [1, 2]) == f"stored in {folder / 'x.json'}"
    assert MeasurementCache("x.json").read({"a": 1}) == [1, 2]
    assert cache.read({"a": 2}) is None


def test_the_oldest_results_are_dropped(folder: Path) -> None:
    cache = MeasurementCache("x.json", limit=3)
    for number in range(5):
        cache.write({"n": number}, number)
    assert [cache.read({"n": number}) for number in range(5)] == [None, None, 2, 3, 4]
    assert [path.name for path in folder.iterdir()] == ["x.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "\x00"])
def test_a_damaged_file_is_replaced(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "x.json").write_text(content)
    cache = MeasurementCache("x.json")
    assert cache.read({"a": 1}) is None
    cache.write({"a": 1}, 5)
    assert cache.read({"a": 1}) == 5


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.write_text("a file in the way")
    cache = MeasurementCache("x.json")
    assert cache.read({"a": 1}) is None
    assert cache.write({"a": 1}, 5).startswith("not stored: ")
    assert str(folder) in cache.write({"a": 1}, 5)
