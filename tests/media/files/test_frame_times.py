"""The times of all pictures of a file, from its packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.media.files.frame_times import Unclear, picture_times
from realtime.media.files.probe import probe
from tests.helpers.clips import Clip, decoded


def test_times_are_those_of_the_decoded_pictures(tmp_path: Path) -> None:
    times = [0, 300, 900, 1000, 2500, 2600, 2700, 4000]
    clip = Clip(tmp_path / "a.mp4", times=times, options={"bf": "2", "g": "4"}).make()
    found, base = picture_times(clip, probe(clip)), probe(clip).time_base
    assert [float(t * base) for t in found] == pytest.approx([f.time for f in decoded(clip)])


def test_a_container_whose_clock_may_jump(tmp_path: Path) -> None:
    stream = Clip(tmp_path / "a.ts", frames=30).make()
    with pytest.raises(Unclear, match="clock may jump"):
        picture_times(stream, probe(stream))
