"""Sharing an output among processes."""

from __future__ import annotations

from realtime.media.files.fragments import split


def test_how_work_is_split() -> None:
    times = list(range(0, 930, 10))  # nine fragments and three pictures
    parts = split(times, 2, lambda number: False, frames=10)
    assert [(p.first, p.count, p.begin, p.stop) for p in parts] == [(0, 4, 0, 400), (4, 5, 400, 900)]
    assert split(times[:90], 2, lambda number: False, frames=10)[-1].stop is None
    holes = split(times, 2, lambda number: number in (0, 3, 4), frames=10)
    assert [(p.first, p.count) for p in holes] == [(1, 2), (5, 1), (6, 3)]
    assert split(times, 2, lambda number: True, frames=10) == []
