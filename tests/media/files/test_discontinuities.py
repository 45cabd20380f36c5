"""Transport streams joined end to end: pictures and sound continue, as far apart as they were."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.media.files.discontinuities import SteadyClock
from realtime.media.files.reader import VideoReader
from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.media import identity


def piece(path: Path, start: float, frames: int) -> Path:
    times = [round(start * 90000) + 3600 * i for i in range(frames)]
    base = Fraction(1, 90000)
    return Clip(path, times=times, time_base=base, audio=["aac"], audio_start=start + 0.05, options={"g": "10"}).make()


@pytest.mark.parametrize("second", [0.0, 3600.0, 10.0, 2.5, 11.0, 11.2])
def test_the_clock_jumps(tmp_path: Path, second: float) -> None:
    first = piece(tmp_path / "a.ts", 10, 40)
    then = piece(tmp_path / "b.ts", second, 50)
    joined, target = tmp_path / "joined.ts", tmp_path / "out.mkv"
    joined.write_bytes(first.read_bytes() + then.read_bytes())
    with VideoReader(joined) as reader:
        assert sum(1 for _ in reader) == 90
        assert any("clock jumped 1 times" in warning for warning in reader.warnings)
    identity(joined, target)
    times = [picture.time for picture in decoded(target)]
    assert len(times) == 90
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert steps[:38] + steps[40:] == pytest.approx([0.04] * 87, abs=0.0011)
    assert 0.03 < steps[39] < 0.25
    sound = audio_packets(target)[0][2]
    assert len(sound) == len(audio_packets(first)[0][2]) + len(audio_packets(then)[0][2])
    assert max(b - a for a, b in itertools.pairwise(sound)) < 0.25
    for end in (0, -1):  # in step to a millisecond (Matroska's clock) at both ends
        wanted = audio_packets((first, then)[end])[0][2][end] - decoded((first, then)[end])[end].time
        assert sound[end] - times[end] == pytest.approx(wanted, abs=0.0011)


def test_sound_that_pauses_and_rare_subtitles_do_not_jump() -> None:
    """A stream that pauses while the pictures continue keeps its times, also after a jump."""

    def packet(index: int, kind: str, seconds: float) -> Any:
        base = Fraction(1, 1000)
        stamp = round(seconds * 1000)
        return SimpleNamespace(
            stream_index=index, stream=SimpleNamespace(type=kind), time_base=base, pts=stamp, dts=stamp, duration=40
        )

    clock, sent = SteadyClock(), []
    for number in range(3000):
        after = 40.0 if number >= 2000 else 0.0  # the clock falls back by 40 s at 80 s
        now = number * 0.04 - after
        batch = [packet(0, "video", now)]
        if number < 100 or number > 1500:
            batch.append(packet(1, "audio", now + 0.01))
        if number % 700 == 10:
            batch.append(packet(2, "subtitle", now))
        for each in batch:
            clock.correct(each)
            sent.append((each.stream_index, number, each.pts / 1000))
    assert clock.jumps == 1
    assert max(abs(time - number * 0.04 - 0.01 * (index == 1)) for index, number, time in sent) < 0.002


def test_a_gap_stays(tmp_path: Path) -> None:
    first, then = piece(tmp_path / "a.ts", 10, 40), piece(tmp_path / "b.ts", 15, 50)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + then.read_bytes())
    with VideoReader(joined) as reader:
        times = [frame.time for frame in reader]
        assert reader.warnings == []
    assert max(b - a for a, b in itertools.pairwise(times)) == pytest.approx(5 - 39 * 0.04, abs=0.001)
