"""The folder of networks made from pictures: found by content, limited, and not needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime.errors import InputError, RestyleError
from realtime.style import cache
from realtime.transnet.checkpoint import write_atomically


def text(content: str):  # type: ignore[no-untyped-def]  # a function for `store`
    return lambda path: write_atomically(path, content.encode())


def whole(path: Path) -> bool:
    return path.read_text() != "damaged"


@pytest.fixture(autouse=True)
def _own_temporary_folder(cache_home: Path) -> None:
    cache.temporary_folder.cache_clear()


def test_files_are_found_by_what_they_were_made_from(cache_home: Path) -> None:
    name = cache.file_name("style", picture="1", amounts=(0.5, 1.0))
    assert name == cache.file_name("style", amounts=(0.5, 1.0), picture="1")
    assert len({name, cache.file_name("style", picture="2", amounts=(0.5, 1.0)), cache.file_name("style")}) == 3
    assert cache.find(name, whole) is None and not cache.is_stored(name)
    path = cache.store(name, text("a"))
    assert path == cache.folder() / name and path.is_relative_to(cache_home)
    assert cache.find(name, whole) == path and cache.is_stored(name)


def test_a_damaged_file_counts_as_none() -> None:
    cache.store("style-1", text("damaged"))
    assert cache.find("style-1", whole) is None
    cache.store("style-1", text("whole"))
    assert cache.find("style-1", whole) is not None


def test_what_was_not_used_for_long_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 3)
    for number in range(3):
        os.utime(cache.store(f"style-{number}", text("a")), (1000 + number, 1000 + number))
    assert cache.find("style-0", whole)  # used now
    (cache.folder() / ".style-9.1.part").write_text("left by a process that was killed")
    os.utime(cache.folder() / ".style-9.1.part", (10, 10))
    cache.store("style-3", text("a"))
    assert sorted(path.name for path in cache.folder().iterdir()) == ["style-0", "style-2", "style-3"]


def test_the_folder_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 250)
    for number in range(4):
        path = cache.store(f"style-{number}", text("a" * 100))
        os.utime(path, (1000 + number, 1000 + number))
    cache.store("style-4", text("a" * 100))
    assert sorted(path.name for path in cache.folder().iterdir()) == ["style-3", "style-4"]


def test_a_folder_that_cannot_be_written_is_no_error(cache_home: Path) -> None:
    (cache_home / "restyle").write_text("a file in the way")
    path = cache.store("style-1", text("a"))
    assert not path.is_relative_to(cache_home)
    assert path.read_text() == "a"
    assert cache.find("style-1", whole) == path and cache.is_stored("style-1")


def test_nowhere_to_write(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_home / "restyle").write_text("a file in the way")
    monkeypatch.setattr("tempfile.tempdir", str(cache_home / "restyle"))
    with pytest.raises(RestyleError, match="can be written"):
        cache.store("style-1", text("a"))


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    first = cache.file_digest(path)
    assert cache.file_digest(path) == first
    (tmp_path / "b").write_text("one")
    assert cache.file_digest(tmp_path / "b") == first
    path.write_text("other")
    assert cache.file_digest(path) != first
    with pytest.raises(InputError, match="none: cannot be read"):
        cache.file_digest(tmp_path / "none")
