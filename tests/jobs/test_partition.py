"""A video in parts: what they are, and how one is made."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.jobs.partition import paint_part, plan_parts
from realtime.media.files.fragments import FRAMES, work_folder
from realtime.options import VideoOptions
from realtime.pipeline import Cancelled
from tests.helpers.clips import Clip

TEN = VideoOptions(quality=10)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little longer than three fragments."""
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    return Clip(path, frames=3 * FRAMES + 5, size=(64, 48), options={"crf": "10", "bf": "2"}).make()


def test_parts_are_made_one_by_one(same_painter: FramePainter, long_clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    parts, done = plan_parts(same_painter, long_clip, target, 3, TEN)
    assert done == 0 and [(p.first, p.count) for p in parts] == [(0, 1), (1, 1), (2, 1)]
    summary = paint_part(same_painter, long_clip, target, parts[0], TEN)
    assert summary.frames == FRAMES and summary.decoder == "software"
    assert (work_folder(target) / "000000.json").exists()
    parts, done = plan_parts(same_painter, long_clip, target, 3, TEN.replace(resume=True))
    assert done == FRAMES and [(p.first, p.count) for p in parts] == [(1, 1), (2, 1)]


def test_a_part_that_fails_leaves_the_others(same_painter: FramePainter, long_clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    parts, _ = plan_parts(same_painter, long_clip, target, 3, TEN)
    paint_part(same_painter, long_clip, target, parts[0], TEN)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        paint_part(same_painter, long_clip, target, parts[1], TEN, cancel=stop)
    with pytest.raises(InputError, match="another encoder"):
        paint_part(same_painter, long_clip, target, parts[1], TEN.replace(encoder="mpeg4"))
    assert (work_folder(target) / "000000.json").exists()
