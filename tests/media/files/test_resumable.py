"""Work that is interrupted and taken up again: the same frames, times and sound as without the interruption."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.errors import DiskFull, InputError
from realtime.media.files import disk_space
from realtime.media.files.disk_space import check_space
from realtime.media.files.fragments import work_folder
from realtime.media.files.reader import VideoReader
from realtime.media.files.resumable import ResumableWriter
from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.media import faults, identity

JOB = {"strength": 1.0}


class Interrupted(Exception):
    pass


def rhythm(count: int) -> list[int]:
    """Times of a very uneven rate, in 12,800ths."""
    steps = np.random.default_rng(1).integers(100, 3000, count)
    return [0, *np.cumsum(steps)[:-1].tolist()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "a.mp4"
    return Clip(path, times=rhythm(47), audio=["aac"], options={"crf": "10", "g": "25"}).make()


def run(source: Path, target: Path, *, stop: int | None = None, job: dict[str, Any] = JOB, **options: Any) -> list[int]:
    """Restyles by doing nothing, up to a frame; gives the numbers of the frames that had to be encoded."""
    writing = {"job": job, "fragment_frames": 10, **options}
    with VideoReader(source) as reader, ResumableWriter(target, reader, **writing) as writer:
        encoded = []
        for number, frame in enumerate(reader):
            if number == stop:
                raise Interrupted
            if number >= writer.frames_done:
                encoded.append(number)
            writer.write(frame)
        writer.finish()
    return encoded


def pictures(path: Path) -> list[tuple[float, str]]:
    return [(f.time, hashlib.sha256(f.to_ndarray().tobytes()).hexdigest()) for f in decoded(path)]


@pytest.mark.parametrize(
    ("extension", "encoder"),
    [
        ("mp4", "libx264"), ("mkv", "libx264"), ("ts", "libx264"), ("avi", "libx264"), ("mp4", "libx265"),
        ("mov", "prores_ks"), ("webm", "libvpx-vp9"), ("mp4", "libsvtav1"), ("mkv", "ffv1"),
    ],
)  # fmt: skip
def test_the_same_as_without_interruption(source: Path, tmp_path: Path, extension: str, encoder: str) -> None:
    whole, parts, plain = (tmp_path / f"{name}.{extension}" for name in ("whole", "parts", "plain"))
    assert run(source, whole, encoder=encoder) == list(range(47))
    with pytest.raises(Interrupted):
        run(source, parts, stop=23, encoder=encoder)
    assert os.listdir(tmp_path) != [] and not parts.exists()
    with pytest.raises(Interrupted):
        run(source, parts, stop=38, encoder=encoder)
    assert run(source, parts, encoder=encoder) == list(range(30, 47))
    assert not work_folder(parts).exists()
    identity(source, plain, encoder=encoder)
    # The same settings on the same pictures: the same bits. (x264 does not give them for pictures as small as this.)
    if encoder in ("libx265", "ffv1", "prores_ks"):
        assert pictures(parts) == pictures(whole)
    assert [f.time for f in decoded(parts)] == [f.time for f in decoded(whole)]
    assert len(decoded(parts)) == 47
    if extension != "avi":  # it has one frame rate
        same = extension in ("mp4", "mkv", "mov")
        assert faults(source, parts, same_audio=same, quality=0) == faults(source, plain, same_audio=same, quality=0)
        first = [decoded(p)[0].time for p in (parts, plain)]
        assert first[0] == pytest.approx(first[1], abs=0.001 if same else 0.2)
    for a, b in zip(audio_packets(parts), audio_packets(plain), strict=True):
        assert a[:2] == b[:2]


def test_nothing_is_left_where_nothing_was_done(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(source, tmp_path / "b.mp4", stop=9)
    assert os.listdir(tmp_path) == []


def test_an_old_file_stays_until_the_end(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    target.write_bytes(b"old")
    with pytest.raises(InputError, match="--overwrite"):
        run(source, target)
    assert os.listdir(tmp_path) == ["b.mp4"]
    with pytest.raises(Interrupted):
        run(source, target, stop=25, overwrite=True)
    assert target.read_bytes() == b"old"


def test_other_work_is_refused(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    with pytest.raises(Interrupted):
        run(source, target, stop=25)
    with pytest.raises(InputError, match=r"another strength \([0-9.]+\); run it"):
        run(source, target, job={"strength": 0.5})
    with pytest.raises(InputError, match="another quality"):
        run(source, target, quality=30)
    assert run(source, target) == list(range(20, 47))
    with pytest.raises(Interrupted):
        run(source, tmp_path / "c.mp4", stop=25)
    assert run(source, tmp_path / "c.mp4", job={"strength": 0.5}, overwrite=True) == list(range(47))


def test_a_gif_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GIF cannot be resumed"):
        run(source, tmp_path / "b.gif")
    assert os.listdir(tmp_path) == []


def test_two_at_once(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="Windows keeps open files from being replaced")
    target = tmp_path / "b.mp4"
    with VideoReader(source) as reader, ResumableWriter(target, reader, job=JOB) as writer:
        with pytest.raises(InputError, match="another restyle"):
            run(source, target)
        for frame in reader:
            writer.write(frame)
        writer.finish()
    assert len(decoded(target)) == 47


def damage_size(folder: Path) -> None:
    file = folder / "000001.packets"
    file.write_bytes(file.read_bytes()[:-20])


def damage_description(folder: Path) -> None:
    (folder / "000001.json").write_text("{")


def remove_description(folder: Path) -> None:
    (folder / "000001.json").unlink()


@pytest.mark.parametrize("harm", [damage_size, damage_description, remove_description])
def test_a_damaged_fragment_is_made_again(source: Path, tmp_path: Path, harm: Any) -> None:
    target = tmp_path / "b.mp4"
    with pytest.raises(Interrupted):
        run(source, target, stop=35)
    (work_folder(target) / "1234.part.mp4").write_bytes(b"left by a process that was killed")
    harm(work_folder(target))
    assert run(source, target) == list(range(10, 47))
    assert faults(source, target, quality=0) == []
    assert os.listdir(tmp_path) == ["b.mp4"]


def test_a_description_of_another_job_s_kind(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    with pytest.raises(Interrupted):
        run(source, target, stop=35)
    said = json.loads((work_folder(target) / "job.json").read_text())
    assert said["strength"] == 1.0
    (work_folder(target) / "job.json").write_text("garbage")
    with pytest.raises(InputError, match="begun with another"):
        run(source, target)


def test_full_disk_keeps_what_is_done(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "b.mp4"
    free: Iterator[int] = iter([10**12, 10**12, 1000])
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: next(free))
    with pytest.raises(DiskFull, match=r"b\.mp4.*full.*--resume"):
        run(source, target)
    assert not target.exists()
    monkeypatch.undo()
    assert run(source, target) == list(range(30, 47))
    assert faults(source, target, quality=0) == []


def test_a_file_that_cannot_grow(source: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a disk that is full."""
    resource = pytest.importorskip("resource", reason="limits are a matter of Unix")
    target = tmp_path / "b.mkv"
    with pytest.raises(Interrupted):
        run(source, target, stop=15, quality=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(Exception, match="--resume"):
            run(source, target, quality=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not target.exists()
    assert run(source, target, quality=0)[0] >= 10
    assert len(decoded(target)) == 47


def test_space_is_checked_ahead(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VideoReader(source) as reader:
        info = reader.info
    assert info.file_size == source.stat().st_size

    def check(free: int | None, copies: int = 1) -> str | None:
        monkeypatch.setattr(disk_space, "free_bytes", lambda folder: free)
        return check_space(tmp_path / "b.mp4", info, size=(1920, 1080), frames=200_000, copies=copies)

    with pytest.raises(DiskFull, match="50 MB are free"):
        check(50_000_000)
    warning = check(10**9)  # it takes 260 MB at least, and 5.2 GB probably
    assert warning is not None and "may" in warning
    assert check(15 * 10**9) is None
    assert check(15 * 10**9, copies=4) is not None
    assert check(None) is None


def test_a_transport_stream_and_a_jump_of_the_clock(tmp_path: Path) -> None:
    clips = [
        Clip(tmp_path / f"{n}.ts", frames=22, time_base=Fraction(1, 90000), times=[t + 3600 * i for i in range(22)])
        for n, t in (("a", 900000), ("b", 0))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(c.make().read_bytes() for c in clips))
    run(joined, tmp_path / "whole.mp4")
    with pytest.raises(Interrupted):
        run(joined, tmp_path / "parts.mp4", stop=35)
    run(joined, tmp_path / "parts.mp4")
    times = [[time for time, _ in pictures(tmp_path / f"{name}.mp4")] for name in ("parts", "whole")]
    assert times[0] == times[1]
    assert len(times[0]) >= 42
