"""A recording of the live filter: its sound, and the name of its file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from realtime.errors import InputError, MediaError
from realtime.jobs.live.recording import ActiveRecording, free_name
from realtime.media.live.microphone import Microphone
from tests.helpers.clips import audio_packets, decoded
from tests.helpers.planes import flat


def recorded(path: Path, **options: object) -> ActiveRecording:
    """A recording of ten pictures."""
    wanted = {"own": None, "microphone": None, "need_sound": False, **options}
    active = ActiveRecording(path, flat(48, 64, 90), rate=30, source="test", **wanted)  # type: ignore[arg-type]
    for number in range(10):
        active.write(flat(48, 64, 90 + number), captured=number / 30, shown=number / 30 + 0.05)
    return active


def no_microphone() -> Microphone:
    raise MediaError("microphone: is in use")


def test_free_name(tmp_path: Path) -> None:
    assert free_name(tmp_path / "a.mp4").name == "a.mp4"
    for name in ("a.mp4", "a-2.mp4"):
        (tmp_path / name).touch()
    assert free_name(tmp_path / "a.mp4").name == "a-3.mp4"


def test_without_sound(tmp_path: Path) -> None:
    active = recorded(tmp_path / "a.mkv")
    assert active.seconds == pytest.approx(9 / 30, abs=0.05)
    done = active.finish()
    assert (done.frames, done.sound, active.notes) == (10, None, [])
    assert len(decoded(tmp_path / "a.mkv")) == 10 and audio_packets(tmp_path / "a.mkv") == []


def test_a_microphone_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is in use"):
        recorded(tmp_path / "a.mkv", microphone=no_microphone, need_sound=True)
    assert not (tmp_path / "a.mkv").exists()
    active = recorded(tmp_path / "b.mkv", microphone=no_microphone)
    assert active.finish().frames == 10
    assert active.notes == ["recording without sound: microphone: is in use"]


def test_the_microphone_is_closed_where_the_file_cannot_be_written(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(InputError, match=r"a\.avi"):
        recorded(tmp_path / "a.avi", microphone=lambda: Microphone("lavfi:sine=frequency=440"))
    assert threading.active_count() == before
