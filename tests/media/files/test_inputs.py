"""Folders and patterns as lists of files, and where the results go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime.errors import InputError, MediaError
from realtime.media.files.inputs import VIDEO_SUFFIXES, Job, find_files, plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "clips"
    (path / "deep").mkdir(parents=True)
    for name in ("b.MP4", "a.wmv", "notes.txt", ".hidden.mp4", "deep/c.mkv", "[1].mov"):
        (path / name).write_bytes(b"")
    return path


def test_one_file(folder: Path, tmp_path: Path) -> None:
    work = plan([folder / "a.wmv"], tmp_path / "out.mkv")
    assert (work.jobs, work.folder, work.alone) == ((Job(folder / "a.wmv", tmp_path / "out.mkv"),), None, True)
    work = plan(["missing.mp4"], "out.mp4")  # opening it will say so
    assert work.jobs == (Job(Path("missing.mp4"), Path("out.mp4")),)
    work = plan([folder / "a.wmv"], tmp_path)
    assert (work.jobs, work.alone) == ((Job(folder / "a.wmv", tmp_path / "a.mp4"),), True)
    work = plan([folder / "[1].mov"], tmp_path, suffix="mkv")  # a name, though it looks like a pattern
    assert work.jobs == (Job(folder / "[1].mov", tmp_path / "[1].mkv"),)


def videos(*inputs: str | Path) -> list[str]:
    return [path.name for path in find_files(inputs, VIDEO_SUFFIXES, "videos")]


def test_folders_and_patterns(folder: Path, tmp_path: Path) -> None:
    assert videos(folder) == ["[1].mov", "a.wmv", "b.MP4"]
    assert videos(os.fspath(folder / "**" / "*.mkv")) == ["c.mkv"]
    assert videos(folder / "b.MP4", folder, "x.mp4") == ["b.MP4", "[1].mov", "a.wmv", "x.mp4"]
    work = plan([folder], tmp_path / "out")
    assert [job.target.name for job in work.jobs] == ["[1].mov", "a.mp4", "b.MP4"]
    assert (work.folder, work.alone) == (tmp_path / "out", False)
    assert not (tmp_path / "out").exists()


def test_refusals(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (folder / "a.mp4").write_bytes(b"")
    refused = [
        ([tmp_path / "empty"], tmp_path / "out", MediaError, "no videos"),
        ([tmp_path / "*.mkv"], tmp_path / "out", MediaError, "no videos match this pattern"),
        ([folder], tmp_path / "out.mp4", InputError, "need a folder"),
        ([folder / "b.MP4", folder / "a.wmv"], tmp_path / "file", InputError, "is a file"),
        ([folder], tmp_path / "no" / "out", InputError, "does not exist"),
        ([folder / "a.mp4", folder / "a.wmv"], tmp_path / "out", InputError, "both"),
        ([folder / "a.mp4", folder / "b.MP4"], folder, InputError, "source itself"),
    ]
    for inputs, output, kind, words in refused:
        with pytest.raises(kind, match=words):
            plan(inputs, output)
