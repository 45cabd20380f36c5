"""Reading: planes as views that outlive the reader, ranges, sizes, and damaged files."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import InputError, MediaError
from realtime.media.files.reader import VideoReader
from tests.helpers.clips import REAL_CLIPS, Clip, decoded


def test_planes_are_views_and_outlive_the_reader(tmp_path: Path) -> None:
    path = Clip(tmp_path / "a.mp4", frames=40).make()
    wanted = [f.to_ndarray() for f in decoded(path)]
    with VideoReader(path) as reader:
        frames = list(reader)
    gc.collect()
    junk = [np.full(96 * 64 * 4, 255, np.uint8) for _ in range(100)]  # would be allocated in buffers that were freed
    assert len(frames) == len(wanted) == 40
    for frame, array in zip(frames, wanted, strict=True):
        assert not frame.y.flags.owndata
        assert frame.y.dtype == np.uint8
        assert (frame.y.shape, frame.u.shape) == ((64, 96), (32, 48))
        np.testing.assert_array_equal(frame.y, array[:64])
        np.testing.assert_array_equal(frame.u.reshape(-1), array[64:80].reshape(-1))
    del junk


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_every_frame_once_with_its_time(tmp_path: Path, threads: int) -> None:
    times = [0, 512, 900, 1100, 4000, 4100, 9000]
    path = Clip(tmp_path / "a.mp4", times=times).make()
    with VideoReader(path, threads=threads) as reader:
        assert reader.total_frames == 7
        frames = list(reader)
        assert reader.warnings == []
    assert [f.pts for f in frames] == times
    assert {f.time_base for f in frames} == {Fraction(1, 12800)}


def test_second_iteration_is_refused(tmp_path: Path) -> None:
    with VideoReader(Clip(tmp_path / "a.mp4", frames=3).make()) as reader:
        list(reader)
        with pytest.raises(RuntimeError):
            iter(reader)


@pytest.mark.parametrize(
    ("start", "end", "first", "count"),
    [(None, 1.0, 0, 25), (1.0, None, 25, 75), (0.99, 1.01, 25, 1), (1.5, 3.5, 38, 50), (0, 99, 0, 100)],
)
def test_range(tmp_path: Path, start: float | None, end: float | None, first: int, count: int) -> None:
    path = Clip(tmp_path / "a.mp4", frames=100, options={"crf": "12", "g": "20"}).make()
    wanted = [f.to_ndarray() for f in decoded(path)]
    with VideoReader(path, start=start, end=end) as reader:
        assert abs((reader.total_frames or 0) - count) <= 1
        frames = list(reader)
    assert len(frames) == count
    assert [f.pts for f in frames] == [512 * i for i in range(count)]
    np.testing.assert_array_equal(frames[0].y, wanted[first][:64])
    np.testing.assert_array_equal(frames[-1].y, wanted[first + count - 1][:64])


def test_wrong_ranges_and_sizes(tmp_path: Path) -> None:
    path = Clip(tmp_path / "a.mp4").make()
    for start, end in ((-1.0, None), (2.0, 1.0), (50.0, None), (None, 0.0), (float("nan"), None)):
        with pytest.raises(InputError):
            VideoReader(path, start=start, end=end)
    for size in (0, -5, 3, 10**6, (64, 0), (99999, 64)):
        with pytest.raises(InputError):
            VideoReader(path, size=size)


@pytest.mark.parametrize(
    ("size", "shape", "aspect"),
    [(32, (32, 48), None), (64, (64, 96), None), (128, (128, 192), None), ((64, 64), (64, 64), Fraction(3, 2))],
)
def test_size(tmp_path: Path, size: int | tuple[int, int], shape: tuple[int, int], aspect: Fraction | None) -> None:
    path = Clip(tmp_path / "a.mp4", frames=3).make()
    with VideoReader(path, size=size) as reader:
        assert [f.y.shape for f in reader] == [shape] * 3
        assert reader.sample_aspect_ratio == aspect


def test_size_is_after_rotation(tmp_path: Path) -> None:
    path = Clip(tmp_path / "a.mp4", frames=2, setup=lambda _, v: v.set_display_rotation(90)).make()
    with VideoReader(path, size=(32, 48)) as reader:
        assert (reader.width, reader.height, reader.sample_aspect_ratio) == (48, 32, None)


def test_truncated(tmp_path: Path) -> None:
    whole = Clip(tmp_path / "a.mp4", frames=100, audio=["aac"], container_options={"movflags": "faststart"}).make()
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) // 2])
    with VideoReader(cut) as reader:
        count = sum(1 for _ in reader)
        warnings = reader.warnings
    assert 10 < count < 95
    assert any(str(cut) in w for w in warnings)


def test_damage_in_the_middle(tmp_path: Path) -> None:
    whole = Clip(tmp_path / "a.mkv", frames=100, time_base=Fraction(1, 1000), options={"g": "10"}).make()
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(data)
    with VideoReader(broken) as reader:
        pts = [f.pts for f in reader]
        # FFmpeg does not report what a demuxer skips after damage; pictures are then missing.
        assert reader.warnings or len(pts) < 100
    assert 40 < len(pts) < 101
    assert pts == sorted(set(pts))
    assert pts[-1] > 3000


def test_nothing_to_decode(tmp_path: Path) -> None:
    whole = Clip(tmp_path / "a.mp4", frames=20, container_options={"movflags": "faststart"}).make()
    data = bytearray(whole.read_bytes())
    body = data.index(b"mdat") + 4
    data[body:] = bytes(len(data) - body)
    (tmp_path / "dead.mp4").write_bytes(data)
    with pytest.raises(MediaError, match="damaged"):
        VideoReader(tmp_path / "dead.mp4")


def test_size_change_in_mid_stream(tmp_path: Path) -> None:
    """Transport streams joined end to end: another size, and a clock that starts again."""
    a = Clip(tmp_path / "a.ts", frames=30, time_base=Fraction(1, 90000), times=[90000 + 3600 * i for i in range(30)])
    b = Clip(tmp_path / "b.ts", frames=30, time_base=Fraction(1, 90000), times=[3600 * i for i in range(30)])
    b.size = (64, 48)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(a.make().read_bytes() + b.make().read_bytes())
    with VideoReader(joined) as reader:
        frames = list(reader)
        assert {f.y.shape for f in frames} == {(64, 96)}
        assert any("another size" in w for w in reader.warnings)
    pts = [f.pts for f in frames]
    assert len(pts) >= 58
    assert pts == sorted(set(pts))


def test_no_packets_are_queued_without_a_writer(tmp_path: Path) -> None:
    with VideoReader(Clip(tmp_path / "a.mp4", frames=50, audio=["aac"]).make()) as reader:
        list(reader)
        assert len(reader.packets) == 0


def test_burnt_in_counter() -> None:
    """300 pictures that carry their number: none lost, doubled or out of order."""
    path = REAL_CLIPS / "counter_1080p_hevc.mp4"
    if not path.is_file():
        pytest.skip("the folder of real clips is not beside this checkout")
    with VideoReader(path, end=2) as reader:
        pts = [f.pts for f in reader]
    assert pts == [512 * i for i in range(60)]
