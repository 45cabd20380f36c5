"""Recordings: the times at which pictures were shown, sound in step with them, and files that survive a crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media.live.recorder import Recorder
from realtime.media.live.sound import Sound
from tests.helpers.clips import audio_packets, decoded, sound_start
from tests.helpers.planes import flat
from tests.helpers.processes import python
from tests.helpers.recording import RATE, record


def flash(path: Path) -> float:
    return next(float(f.time) for f in decoded(path) if f.to_ndarray()[:96].mean() > 120)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm"])
def test_times_are_those_of_showing_and_the_sound_is_in_step(tmp_path: Path, extension: str) -> None:
    rng, path = np.random.default_rng(0), tmp_path / f"a.{extension}"
    tremble = rng.normal(0.08, 0.004, 90)
    done, shown = record(path, lambda n: float(tremble[n]))
    assert (done.frames, done.problem) == (90, "")
    assert done.sound == ("libopus" if extension == "webm" else "aac")
    pictures = decoded(path)
    tick = 0.0006 if extension in ("mkv", "webm") else 0.00002  # Matroska counts milliseconds
    assert max(abs(float(p.time) - t) for p, t in zip(pictures, shown, strict=True)) < tick
    assert abs(sound_start(path) - flash(path)) < 0.02


@pytest.mark.parametrize(
    "delay",
    [lambda n: 0.3, lambda n: 0.03 if n < 20 else 0.06, lambda n: 0.05 + 0.5 * (n == 30), lambda n: 0.04 + 0.0005 * n],
    ids=["long", "grows", "one late picture", "slower and slower"],
)
def test_the_sound_stays_within_40_ms(tmp_path: Path, delay: Callable[[int], float]) -> None:
    path = tmp_path / "a.mkv"
    record(path, delay)
    assert abs(sound_start(path) - flash(path)) < 0.04


def test_sound_from_before_the_first_picture_is_left_out(tmp_path: Path) -> None:
    path, frame = tmp_path / "a.mkv", flat(96, 128, 16)
    loud = np.full((2, 4800), 0.5, np.float32)
    with Recorder(path, frame, rate=RATE, sound=True) as recorder:
        recorder.hear(Sound(loud, 48000, 99.0))  # nobody knows yet where it belongs
        for number in range(30):
            recorder.write(frame, captured=100 + number / RATE, shown=100.1 + number / RATE)
            if not number:
                recorder.hear(Sound(loud, 48000, 99.9))
                recorder.hear(Sound(0 * loud, 48000, 100.0))
        recorder.finish()
    with av.open(str(path)) as container:
        level = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert np.abs(level[2048:]).max() < 0.05


def test_without_sound(tmp_path: Path) -> None:
    done, _ = record(tmp_path / "a.mp4", sound=False)
    assert done.sound is None and audio_packets(tmp_path / "a.mp4") == []


def test_a_finished_mp4_is_a_plain_one(tmp_path: Path) -> None:
    """Not in fragments: every player can seek in it."""
    path = tmp_path / "a.mp4"
    record(path)
    data = path.read_bytes()
    assert b"moov" in data and b"mvex" not in data[data.rindex(b"moov") :]
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 90


CRASH = """
import os, signal, sys
from pathlib import Path
from tests.helpers.recording import record
record(Path(sys.argv[1]), frames=150, end=lambda recorder: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
def test_a_killed_recording_can_be_played(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    done = python(CRASH, path)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == [path.name]  # under its own name, and nothing else
    pictures = decoded(path)
    assert len(pictures) >= 150 - RATE  # at most the last second is lost
    start = float(pictures[0].time)
    assert max(abs(float(p.time) - start - n / RATE) for n, p in enumerate(pictures)) < 0.002
    assert abs(sound_start(path) - flash(path)) < 0.04


def test_a_recording_that_fails_is_kept(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits are a matter of Unix")
    path, rng = tmp_path / "a.mkv", np.random.default_rng(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    frame = flat(96, 128, 16)
    with Recorder(path, frame, rate=RATE) as recorder:

        def write_all() -> None:
            for number in range(200):
                grain = rng.integers(0, 256, frame.y.shape, dtype=np.uint8)
                recorder.write(frame.with_planes(grain, frame.u, frame.v), captured=number / 30, shown=number / 30)

        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            with pytest.raises(RestyleError, match="what was written is kept"):
                write_all()
            done = recorder.finish("the disk is full")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.problem == "the disk is full"
    assert len(decoded(path)) > 5


def test_nothing_recorded_leaves_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.mp4", flat(96, 128, 16), rate=RATE) as recorder:
        assert recorder.finish().frames == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.avi", {}, "record to .mkv"),
        ("a.xyz", {}, ".mkv"),
        ("there.mp4", {}, "--overwrite"),
        ("there.mp4", {"overwrite": True, "encoder": "libnothing"}, "libx264"),
        ("no/a.mp4", {}, "does not exist"),
    ],
)
def test_refusals(tmp_path: Path, name: str, options: dict[str, object], words: str) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    with pytest.raises(InputError, match=words):
        Recorder(tmp_path / name, flat(96, 128, 16), rate=RATE, **options)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


def test_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    record(path, overwrite=True)
    assert len(decoded(path)) == 90 and os.listdir(tmp_path) == ["a.mp4"]


def test_frames_may_be_reused(tmp_path: Path) -> None:
    frame = flat(96, 128, 100)
    with Recorder(tmp_path / "a.mkv", frame, rate=RATE) as recorder:
        for number in range(20):
            frame.y[:] = 40 + 5 * number
            recorder.write(
                Frame(frame.y, frame.u, frame.v, color=frame.color), captured=number / RATE, shown=number / RATE
            )
        recorder.finish()
    levels = [p.to_ndarray()[:96].mean() for p in decoded(tmp_path / "a.mkv")]
    assert np.abs(np.array(levels) - (40 + 5 * np.arange(20))).max() < 2
