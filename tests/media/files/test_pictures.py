"""Outputs that hold pictures only: GIF and sequences of images."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import InputError
from realtime.media.files.image_sequence import SequenceWriter, is_sequence
from realtime.media.files.reader import VideoReader
from realtime.media.files.stills import read_image
from tests.helpers.clips import Clip, decoded, psnr, scene
from tests.helpers.media import identity


def sequence(source: Path, pattern: Path, **options: bool) -> SequenceWriter:
    with VideoReader(source) as reader, SequenceWriter(pattern, reader, **options) as writer:
        for frame in reader:
            writer.write(frame)
        writer.finish()
    return writer


def test_gif(tmp_path: Path) -> None:
    times = [0, 512, 1024, 2048, 4096, 4608]
    source = Clip(tmp_path / "a.mp4", times=times, audio=["aac"], color=(1, 5, 5, 6)).make()
    summary = identity(source, tmp_path / "b.gif")
    pictures = decoded(tmp_path / "b.gif")
    assert [round(p.time * 100) for p in pictures] == [round(t / 128) for t in times]
    assert summary.dropped == ["audio 1 (aac): .gif holds pictures only"]
    assert (summary.encoder, summary.audio_streams) == ("gif", 0)
    for number, picture in enumerate(pictures):
        assert psnr(picture.to_ndarray(format="rgb24"), scene(number, 96, 64)) > 28
        assert len(np.unique(picture.to_ndarray(format="rgb24").reshape(-1, 3), axis=0)) > 128


def test_gif_of_many_pictures_a_second(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", frames=60, rate=100).make()
    summary = identity(source, tmp_path / "b.gif")
    assert len(decoded(tmp_path / "b.gif")) == 30
    assert summary.frames == 30
    assert summary.dropped == ["30 pictures: .gif shows 50 a second at most"]


def test_gif_to_gif_and_to_video(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", frames=12, rate=10, color=(1, 5, 5, 6)).make()
    identity(source, tmp_path / "b.gif")
    for extension in ("gif", "mp4"):
        target = tmp_path / f"c.{extension}"
        identity(tmp_path / "b.gif", target)
        pictures = decoded(target)
        assert [round(p.time * 10) for p in pictures] == list(range(12))
        assert psnr(pictures[5].to_ndarray(format="rgb24"), scene(5, 96, 64)) > 26


def test_what_is_a_sequence() -> None:
    for name, wanted in [("f-%05d.png", True), ("%d.jpg", True), ("a.png", False), ("%05d.mp4", False)]:
        assert is_sequence(Path("folder") / name) == wanted


def test_sequence(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", frames=5, audio=["aac"], color=(1, 5, 5, 6)).make()
    (tmp_path / "out").mkdir()
    writer = sequence(source, tmp_path / "out" / "f-%03d.png")
    assert sorted(os.listdir(tmp_path / "out")) == [f"f-{n:03}.png" for n in range(1, 6)]
    assert writer.summary.frames == 5
    assert writer.summary.dropped == ["audio 1 (aac): images hold none"]
    for number in range(5):
        assert psnr(read_image(tmp_path / "out" / f"f-{number + 1:03}.png"), scene(number, 96, 64)) > 30
    with pytest.raises(InputError, match="--overwrite"):
        sequence(source, tmp_path / "out" / "f-%03d.png")
    sequence(source, tmp_path / "out" / "f-%03d.png", overwrite=True)
    with pytest.raises(InputError, match="one number"):
        sequence(source, tmp_path / "out" / "%d-%d.png")
    with pytest.raises(InputError, match="does not exist"):
        sequence(source, tmp_path / "no" / "%d.png")


def test_a_sequence_is_upright_and_square(tmp_path: Path) -> None:
    def setup(_: object, video: object) -> None:
        video.set_display_rotation(90)  # type: ignore[attr-defined]
        video.codec_context.sample_aspect_ratio = Fraction(2)  # type: ignore[attr-defined]

    source = Clip(tmp_path / "a.mp4", frames=2, setup=setup).make()
    (tmp_path / "out").mkdir()
    sequence(source, tmp_path / "out" / "%d.jpg")
    assert read_image(tmp_path / "out" / "1.jpg").shape == (192, 64, 3)


def test_nothing_is_left(tmp_path: Path) -> None:
    source = Clip(tmp_path / "a.mp4", frames=5).make()
    with VideoReader(source) as reader, SequenceWriter(tmp_path / "%d.png", reader) as writer:
        writer.write(next(iter(reader)))
    assert os.listdir(tmp_path) == ["a.mp4"]
