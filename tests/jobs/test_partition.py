"""A video in parts: what they are, and how one is made."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.jobs.partition import paint_part, plan_parts
from realtime.media.files.fragments import FRAMES, work_folder
from realtime.media.files.frame_times import Unclear, picture_times
from realtime.media.files.probe import probe
from realtime.options import VideoOptions
from realtime.pipeline import Cancelled
from tests.helpers.clips import Clip, decoded

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


def test_how_work_is_split() -> None:
    times = list(range(0, 10 * (9 * FRAMES + 3), 10))  # nine fragments and three pictures
    at = 10 * FRAMES  # length of a fragment

    def parts(done: set[int]) -> list[tuple[int, int]]:
        return [(p.first, p.count) for p in split(times, 2, lambda number: number in done)]

    assert [(p.begin, p.stop) for p in split(times, 2, lambda number: False)] == [(0, 4 * at), (4 * at, 9 * at)]
    assert parts(set()) == [(0, 4), (4, 5)]
    assert parts({0, 3, 4}) == [(1, 2), (5, 1), (6, 3)]
    assert parts(set(range(9))) == []
    assert split(times[: 9 * FRAMES], 2, lambda number: False)[-1].stop is None  # to the end of the file


def test_times_from_packets(long_clip: Path, tmp_path: Path) -> None:
    times, base = picture_times(long_clip, probe(long_clip)), probe(long_clip).time_base
    assert [float(t * base) for t in times] == pytest.approx([f.time for f in decoded(long_clip)])
    stream = Clip(tmp_path / "a.ts", frames=30).make()
    with pytest.raises(Unclear, match="clock may jump"):
        picture_times(stream, probe(stream))
