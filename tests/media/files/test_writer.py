"""Writing: refused before the work, complete after it, and nothing left where it fails."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media.files.reader import VideoReader
from realtime.media.files.writer import VideoWriter
from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.media import identity


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(tmp_path_factory.mktemp("source") / "a.mp4", frames=50, audio=["aac"]).make()


def test_refusals(source: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.write_bytes(b"precious")
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (there, {}, "--overwrite"),
        (tmp_path / "no" / "b.mp4", {}, "does not exist"),
        (tmp_path, {}, "folder"),
        (tmp_path / "b.xyz", {}, ".mkv"),
        (tmp_path / "b", {}, "extension"),
        (tmp_path / "b.mp3", {}, ".mp4"),
        (source, {"overwrite": True}, "input itself"),
        (tmp_path / "b.mp4", {"encoder": "libnothing"}, "libx264"),
        (tmp_path / "b.mp4", {"encoder": "aac"}, "not for video"),
        (tmp_path / "b.webm", {"encoder": "libx264"}, "cannot hold"),
        (tmp_path / "b.mp4", {"quality": 99}, "0 (best) to 51"),
        (tmp_path / "b.mp4", {"encoder": "libx265", "size": (48, 32)}, "use libx264"),
    ]
    for target, options, words in cases:
        with VideoReader(source, size=options.pop("size", None)) as reader, pytest.raises(InputError) as caught:
            VideoWriter(target, reader, **options)
        assert words in str(caught.value), target
        assert "\n" not in str(caught.value)
    assert there.read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["there.mp4"]


def test_target_appears_at_the_end_only(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    target.write_bytes(b"old")
    with VideoReader(source) as reader, VideoWriter(target, reader, overwrite=True) as writer:
        for frame in reader:
            writer.write(frame)
            assert target.read_bytes() == b"old"
        writer.finish()
    assert len(decoded(target)) == 50
    assert os.listdir(tmp_path) == ["b.mp4"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_left_after_an_error(source: Path, tmp_path: Path, error: type[BaseException]) -> None:
    def work() -> None:
        with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mp4", reader) as writer:
            for number, frame in enumerate(reader):
                writer.write(frame)
                if number == 30:
                    raise error

    with pytest.raises(error):
        work()
    assert os.listdir(tmp_path) == []


def test_nothing_left_without_frames(source: Path, tmp_path: Path) -> None:
    with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mp4", reader) as writer, pytest.raises(RestyleError):
        writer.finish()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_full_disk(source: Path, tmp_path: Path, extension: str) -> None:
    """A limit on the size of files stands in for a disk that is full."""
    resource = pytest.importorskip("resource", reason="limits are a matter of Unix")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with VideoReader(source) as reader, VideoWriter(tmp_path / f"b.{extension}", reader, quality=0) as writer:

        def write_all() -> None:
            for frame in reader:
                writer.write(frame)
            writer.finish()

        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
        try:
            with pytest.raises(RestyleError, match=r"b\.m.*nothing was kept"):
                write_all()
        finally:
            writer.abort()
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_wrong_frame_size(source: Path, tmp_path: Path) -> None:
    with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mp4", reader) as writer:
        small = Frame(np.zeros((32, 32), np.uint8), np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8))
        with pytest.raises(RestyleError, match="32x32"):
            writer.write(small)


def test_frames_may_be_reused_after_write(source: Path, tmp_path: Path) -> None:
    """The encoder looks ahead; what it holds must not be the caller's buffer."""
    with VideoReader(source) as reader, VideoWriter(tmp_path / "b.mp4", reader, quality=5) as writer:
        buffer: Frame | None = None
        for frame in reader:
            planes = [np.array(p) for p in (frame.y, frame.u, frame.v)]
            if buffer is None:
                buffer = frame.with_planes(*planes)
            else:
                for mine, new in zip((buffer.y, buffer.u, buffer.v), planes, strict=True):
                    mine[:] = new
                buffer.pts = frame.pts
            writer.write(buffer)
        writer.finish()
    for a, b in zip(decoded(source), decoded(tmp_path / "b.mp4"), strict=True):
        assert np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() < 2


@pytest.mark.parametrize(("encoder", "extension"), [("libx265", "mp4"), ("mpeg4", "mp4"), ("libsvtav1", "mkv"),
                                                    ("libvpx", "webm"), ("mjpeg", "mov"), ("ffv1", "mkv")])  # fmt: skip
def test_named_encoders(
    source: Path, tmp_path: Path, encoder: str, extension: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from av.codec.codec import Codec, UnknownCodecError

    try:
        Codec(encoder, "w")
    except UnknownCodecError:
        pytest.skip(f"{encoder} is not in this build of FFmpeg")
    summary = identity(source, tmp_path / f"b.{extension}", encoder=encoder)
    assert summary.encoder == encoder
    assert capfd.readouterr() == ("", "")
    pictures = decoded(tmp_path / f"b.{extension}")
    assert len(pictures) == 50
    assert max(abs(p.time - pictures[0].time - i / 25) for i, p in enumerate(pictures)) < 0.001


def test_reader_and_writer_in_two_threads(source: Path, tmp_path: Path) -> None:
    """The reader's thread may end, and close the file, while the writer's still takes packets from the queue."""
    frames: list[Frame] = []
    reader = VideoReader(source)
    writer = VideoWriter(tmp_path / "b.mp4", reader)

    def read() -> None:
        frames.extend(reader)
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    with writer:
        for frame in frames:
            writer.write(frame)
        writer.finish()
    assert audio_packets(source)[0][:2] == audio_packets(tmp_path / "b.mp4")[0][:2]


def test_other_size(source: Path, tmp_path: Path) -> None:
    with VideoReader(source, size=32) as reader, VideoWriter(tmp_path / "b.mp4", reader) as writer:
        for frame in reader:
            writer.write(frame)
        writer.finish()
    assert decoded(tmp_path / "b.mp4")[0].to_ndarray().shape == (48, 48)
