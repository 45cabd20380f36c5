"""Several files into a folder: one that fails does not stop the others, and what would fail alike is not begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import DeviceLost, DiskFull, InputError, RestyleError
from realtime.jobs.batch import Entry, prepare, restyle_videos, summarise
from realtime.pipeline import Cancelled
from realtime.results import VideoSummary


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.mp4" for name in "abc"]
    for path in paths:
        path.write_bytes(b"video")
    return paths


def made(source: Path, target: Path) -> VideoSummary:
    return VideoSummary(input=str(source), output=str(target), style="x", frames=10)


def test_one_that_fails_does_not_stop_the_others(
    same_painter: FramePainter, sources: list[Path], tmp_path: Path
) -> None:
    def restyle(source: Path, target: Path) -> VideoSummary:
        if source.stem == "a":
            raise InputError("a.mp4: damaged\nbeyond repair")
        if source.stem == "b":
            raise ZeroDivisionError("by zero")
        return made(source, target)

    seen: list[Entry] = []
    entries = restyle_videos(prepare(sources, tmp_path / "out", "mkv"), restyle, done=seen.append)
    assert seen == entries
    assert [entry.status for entry in entries] == ["failed", "failed", "done"]
    assert [getattr(entry, "error", "") for entry in entries] == [
        "a.mp4: damaged beyond repair",
        f"{sources[1]}: unexpected ZeroDivisionError: by zero",
        "",
    ]
    summary = summarise(same_painter, tmp_path / "out", entries, 0.0)
    assert (summary.done, summary.skipped, summary.failed, summary.frames) == (1, 0, 2, 10)
    assert summary.videos[2].output == str(tmp_path / "out" / "c.mkv")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(DiskFull("b.mp4: 5 MB are free"), "the disk is full"), (DeviceLost("cuda:0: lost"), "the GPU has failed")],
)
def test_after_a_fatal_error_the_rest_is_not_begun(
    sources: list[Path], tmp_path: Path, error: RestyleError, reason: str
) -> None:
    begun: list[str] = []

    def restyle(source: Path, target: Path) -> VideoSummary:
        begun.append(source.stem)
        if source.stem == "b":
            raise error
        return made(source, target)

    entries = restyle_videos(prepare(sources, tmp_path / "out", None), restyle)
    assert begun == ["a", "b"]
    assert [entry.status for entry in entries] == ["done", "failed", "failed"]
    assert f"c.mp4: not begun, because {reason}" in entries[2].error  # type: ignore[union-attr]


def test_a_cancelled_run_ends_at_once(sources: list[Path], tmp_path: Path) -> None:
    def restyle(source: Path, target: Path) -> VideoSummary:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        restyle_videos(prepare(sources, tmp_path / "out", None), restyle)


def test_two_results_of_one_name(sources: list[Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mkv").write_bytes(b"video")
    with pytest.raises(InputError, match="a.mp4"):
        prepare([*sources, tmp_path / "in"], tmp_path / "out", "mp4")
