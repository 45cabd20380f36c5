"""Descriptions of files, and the messages for files that cannot be read."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from realtime.errors import MediaError
from realtime.media.files.mp4_header import shown_seconds
from realtime.media.files.probe import pick_video, probe
from tests.helpers.clips import Clip


def test_info(tmp_path: Path) -> None:
    def setup(container: Any, video: Any) -> None:
        video.set_display_rotation(90)
        video.codec_context.sample_aspect_ratio = Fraction(2, 1)
        container.metadata["title"] = "T"

    path = Clip(tmp_path / "a.mp4", audio=["aac"], languages=["deu"], color=(2, 1, 1, 1), setup=setup).make()
    info = probe(path)
    assert (info.width, info.height, info.frames) == (96, 64, 24)
    assert (info.codec, info.pix_fmt, info.bit_depth, info.rotation) == ("h264", "yuvj420p", 8, 90)
    assert (info.average_rate, info.sample_aspect_ratio, info.time_base) == (25, 2, Fraction(1, 12800))
    assert (info.color.matrix, info.color.range) == ("bt709", "full")
    assert info.duration == pytest.approx(0.96, abs=0.05)
    assert [(a.codec, a.channels, a.sample_rate, a.language) for a in info.audio] == [("aac", 2, 48000, "deu")]
    assert info.metadata["title"] == "T"


def test_messages(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video at all\n" * 200)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    sound = tmp_path / "sound.m4a"
    with av.open(str(sound), "w", format="mp4") as container:
        track: Any = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    cases = [
        (tmp_path / "none.mp4", "no such file"),
        (tmp_path, "folder"),
        (text, "not a media file"),
        (empty, "empty"),
        (sound, "only audio"),
    ]
    for path, words in cases:
        with pytest.raises(MediaError) as caught:
            probe(path)
        message = str(caught.value)
        assert words in message
        assert str(path) in message
        assert "\n" not in message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = Clip(tmp_path / "a.mp4", frames=3).make()
    path.chmod(0)
    with pytest.raises(MediaError, match="permission"):
        probe(path)


def test_cover_art_is_not_the_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        track: Any = container.add_stream("aac", rate=48000)
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = 1 << 10
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        sound = [*track.encode(frame), *track.encode(None)]
        picture = av.VideoFrame(64, 64, "yuvj420p")
        picture.pts = 0
        container.mux([*cover.encode(picture), *cover.encode(None)])
        container.mux(sound)
    with pytest.raises(MediaError, match="only audio"):
        probe(path)


def test_no_decoder() -> None:
    """The error names the codec that is missing and what to do."""
    stream = SimpleNamespace(disposition=0, codec_context=None, name="vvc")
    container = SimpleNamespace(streams=SimpleNamespace(video=[stream], audio=[]))
    with pytest.raises(MediaError, match=r"a\.mp4.*no decoder.*vvc.*convert"):
        pick_video(container, "a.mp4")  # type: ignore[arg-type]


def test_how_long_an_mp4_is_shown(tmp_path: Path) -> None:
    path = Clip(tmp_path / "a.mp4", frames=50, audio=["aac"]).make()
    shown = shown_seconds(path)
    assert sorted(shown) == [1, 2]
    assert shown[1] == pytest.approx(2, abs=0.002)
    assert shown_seconds(Clip(tmp_path / "a.mkv", frames=5, time_base=Fraction(1, 1000)).make()) == {}
    whole = path.read_bytes()
    for cut in (0, 7, 30, len(whole) // 2, len(whole) - 9):  # a header that is cut off raises nothing
        path.write_bytes(whole[:cut])
        assert shown_seconds(path) in ({}, shown)
    assert shown_seconds(tmp_path / "none.mp4") == {}
