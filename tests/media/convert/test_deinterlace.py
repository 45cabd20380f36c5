"""Interlaced sources: every picture once, at its time, without comb artefacts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.media.files.reader import VideoReader
from tests.helpers.clips import decoded
from tests.helpers.media import faults, identity


def comb(plane: np.ndarray) -> float:
    """Strength of comb artefacts: mean difference of each line from its neighbours."""
    rows = plane.astype(float)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


def make(path: Path, *, frames: int = 20, codec: str = "libx264") -> Path:
    """A bar that moves by two pixels from each field to the next."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        context = video.codec_context
        context.time_base = video.time_base = Fraction(1, 12800)
        if codec == "libx264":
            context.options = {"crf": "3", "x264-params": "tff=1:interlaced=1"}
        for number in range(frames):
            frame = av.VideoFrame(96, 64, "yuv420p")
            y = np.full((64, frame.planes[0].line_size), 40, np.uint8)
            for row in range(64):
                left = 4 * number + 2 * (row % 2)
                y[row, left : left + 14] = 220
            frame.planes[0].update(y.tobytes())
            for plane in frame.planes[1:]:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts, frame.time_base = number * 512 + (number % 3) * 50, Fraction(1, 12800)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def test_every_picture_once_and_without_comb_artefacts(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4")
    pictures = decoded(source)
    assert all(picture.interlaced_frame for picture in pictures)
    with VideoReader(source) as reader:
        frames = list(reader)
    assert reader.notes == ["20 interlaced pictures were deinterlaced (bwdif)"]
    assert reader.warnings == []
    assert [frame.time for frame in frames] == [picture.time for picture in pictures]
    before = np.mean([comb(picture.to_ndarray()[:64]) for picture in pictures])
    after = np.mean([comb(frame.y) for frame in frames])
    assert before > 3 * after
    identity(source, tmp_path / "b.mp4")
    assert faults(source, tmp_path / "b.mp4", quality=0) == []
    assert not any(picture.interlaced_frame for picture in decoded(tmp_path / "b.mp4"))


def test_a_range(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", frames=40)
    with VideoReader(source, start=0.4, end=0.8) as reader:
        frames = list(reader)
    assert [frame.time for frame in frames] == pytest.approx(
        [p.time - decoded(source)[10].time for p in decoded(source)[10:20]]
    )


def test_progressive_pictures_are_unchanged(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", codec="ffv1")
    with VideoReader(source) as reader:
        frames = list(reader)
    assert reader.notes == []
    for frame, picture in zip(frames, decoded(source), strict=True):
        np.testing.assert_array_equal(frame.y, picture.to_ndarray()[:64])


def test_joined_streams(tmp_path: Path) -> None:
    """Two transport streams, one after the other: no picture is lost where the clock starts again."""
    joined = tmp_path / "joined.ts"
    joined.write_bytes(make(tmp_path / "a.ts").read_bytes() + make(tmp_path / "b.ts", frames=15).read_bytes())
    with VideoReader(joined) as reader:
        frames = list(reader)
    assert len(frames) >= 33
    assert all(frame.y.shape == (64, 96) for frame in frames)
