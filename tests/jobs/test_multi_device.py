"""Several devices, as engines on the CPU: the frames, times and sound of one device, however the file is cut."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.engines.painter import FramePainter
from realtime.errors import DeviceLost, InputError
from realtime.jobs import multi_device, partition
from realtime.jobs.batch import Entry
from realtime.jobs.multi_device import MultiDevice, expand
from realtime.jobs.partition import paint_part, plan_parts
from realtime.jobs.video import restyle_video
from realtime.media.files.fragments import FRAMES as FRAGMENT
from realtime.media.files.fragments import work_folder
from realtime.options import EngineOptions, StyleOptions, VideoOptions
from realtime.pipeline import Cancelled
from realtime.transnet.network import identity_network
from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.host_runtime import FailingRuntime, HostRuntime
from tests.helpers.transnets import CPU

FRAMES = 430
TEN = VideoOptions(quality=10)
needs_cuda = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Longer than three fragments, with B-frames, few key frames, an uneven rate and sound."""
    steps = np.random.default_rng(1).integers(200, 1200, FRAMES)
    times = [0, *np.cumsum(steps)[:-1].tolist()]
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    return Clip(path, times=times, audio=["aac"], options={"crf": "10", "g": "70", "bf": "2"}).make()


@pytest.fixture(scope="module")
def two(identity: Path) -> Iterator[MultiDevice]:
    """A style that changes nothing, in two engines."""
    with MultiDevice(identity, ["cpu", "cpu"], CPU) as made:
        yield made


@pytest.fixture(scope="module")
def alone(same_painter: FramePainter, long_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one engine makes of the clip."""
    target = tmp_path_factory.mktemp("alone") / "b.mp4"
    restyle_video(same_painter, long_clip, target, TEN)
    return target


def same(a: Path, b: Path) -> None:
    ours, theirs = decoded(a), decoded(b)
    assert [f.time for f in ours] == [f.time for f in theirs]
    for x, y in zip(ours, theirs, strict=True):
        assert np.abs(x.to_ndarray().astype(int) - y.to_ndarray()).mean() < 2
    assert [p[:2] for p in audio_packets(a)] == [p[:2] for p in audio_packets(b)]


def test_one_file_in_parts(two: MultiDevice, long_clip: Path, alone: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    seen: list[int] = []
    summary = two.video(long_clip, target, TEN, progress=lambda now: seen.append(now.frames))
    assert (summary.frames, summary.parts, summary.device) == (FRAMES, 2, "cpu,cpu")
    assert summary.audio_streams == 1 and summary.resumed == 0
    assert all(stage.busy_seconds > 0 for stage in summary.stages.values())
    assert os.listdir(tmp_path) == ["b.mp4"]
    assert seen == sorted(seen)
    same(alone, target)


def test_earlier_work_is_kept(
    two: MultiDevice, same_painter: FramePainter, long_clip: Path, alone: Path, tmp_path: Path
) -> None:
    """Also where parts are missing before and after what is there."""
    target = tmp_path / "b.mp4"
    parts, done = plan_parts(same_painter, long_clip, target, 3, TEN)
    assert done == 0 and [(p.first, p.count) for p in parts] == [(0, 1), (1, 1), (2, 1)]
    paint_part(same_painter, long_clip, target, parts[1], TEN)
    assert sorted(path.name for path in work_folder(target).glob("0*.json")) == ["000001.json"]
    summary = two.video(long_clip, target, TEN.replace(resume=True))
    assert (summary.resumed, summary.parts) == (FRAGMENT, 2)
    same(alone, target)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (VideoOptions(start=1.0), "a range"),
        (VideoOptions(end=3.0), "a range"),
        (VideoOptions(), "too short"),
    ],
    ids=["start", "end", "short"],
)
def test_cases_for_one_device(
    two: MultiDevice, long_clip: Path, tmp_path: Path, options: VideoOptions, reason: str
) -> None:
    source = Clip(tmp_path / "short.mp4", frames=30).make() if reason == "too short" else long_clip
    summary = two.video(source, tmp_path / "b.mp4", options)
    assert summary.parts == 1
    assert any("cpu alone" in note and reason in note for note in summary.notes)
    assert not work_folder(tmp_path / "b.mp4").exists()


def test_images_are_made_by_one_device(two: MultiDevice, tmp_path: Path) -> None:
    source = Clip(tmp_path / "short.mp4", frames=3).make()
    summary = two.video(source, tmp_path / "%03d.png")
    assert summary.frames == 3 and any(".png is not made in parts" in note for note in summary.notes)


def test_skip_existing(two: MultiDevice, long_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"there")
    assert two.video(long_clip, tmp_path / "b.mp4", VideoOptions(skip_existing=True)).skipped


def with_a_damaged_picture(path: Path) -> Path:
    """Motion JPEG in which one packet is nothing: it has a time, but gives no picture."""
    whole = Clip(path.with_name("whole.mkv"), frames=300, codec="mjpeg", pix_fmt="yuvj420p", size=(48, 32)).make()
    with av.open(str(whole)) as before, av.open(str(path), "w") as after:
        stream = before.streams.video[0]
        copy = after.add_stream_from_template(stream)
        for number, packet in enumerate(before.demux(stream)):
            if packet.size:
                damaged = av.Packet(bytes(packet.size) if number == 10 else bytes(packet))
                damaged.pts, damaged.dts, damaged.time_base = packet.pts, packet.dts, packet.time_base
                damaged.duration, damaged.is_keyframe, damaged.stream = packet.duration, True, copy
                after.mux(damaged)
    return path


@pytest.mark.slow
def test_a_packet_that_gives_no_picture(two: MultiDevice, same_painter: FramePainter, tmp_path: Path) -> None:
    source = with_a_damaged_picture(tmp_path / "a.mkv")
    summary = two.video(source, tmp_path / "b.mkv", TEN)
    restyle_video(same_painter, source, tmp_path / "alone.mkv", TEN)
    assert summary.frames == 299
    same(tmp_path / "alone.mkv", tmp_path / "b.mkv")


def test_times_that_are_not_those_of_the_packets(
    two: MultiDevice, long_clip: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found when the parts are joined: then one device does it alone."""
    real = partition.picture_times
    monkeypatch.setattr(partition, "picture_times", lambda path, info: real(path, info)[1:])
    summary = two.video(long_clip, tmp_path / "b.mp4", TEN)
    assert summary.parts == 1 and any("not those of its packets" in note for note in summary.notes)
    same(alone, tmp_path / "b.mp4")


def test_several_files(two: MultiDevice, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        Clip(folder / f"{name}.mp4", frames=20 + ord(name)).make()
    (folder / "d.mp4").write_bytes(b"no video")
    told: list[Entry] = []
    summary = two.videos([folder], tmp_path / "out", VideoOptions(size=(48, 32)), done=told.append)
    assert (summary.done, summary.failed, summary.skipped) == (3, 1, 0)
    assert summary.frames == sum(20 + ord(name) for name in "abc")
    assert {Path(entry.output).name for entry in told} == {"a.mp4", "b.mp4", "c.mp4", "d.mp4"}
    [error] = [entry.error for entry in told if entry.status == "failed"]
    assert "d.mp4" in error
    assert sorted(os.listdir(tmp_path / "out")) == ["a.mp4", "b.mp4", "c.mp4"]
    assert decoded(tmp_path / "out" / "a.mp4")[0].width == 48


def test_a_cancelled_run_leaves_nothing(identity: Path, long_clip: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with MultiDevice(identity, ["cpu", "cpu"], CPU) as made:
        with pytest.raises(Cancelled):
            made.video(long_clip, tmp_path / "b.mp4", cancel=cancel)
    assert os.listdir(tmp_path) == []


def test_a_missing_device(identity: Path) -> None:
    before = threading.active_count()
    with pytest.raises(InputError, match="cuda:99"):
        MultiDevice(identity, ["cpu", "cuda:99"], CPU)
    assert threading.active_count() == before  # the first engine is closed


@pytest.fixture
def failing(identity: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MultiDevice]:
    """Two devices, the second of which fails with its first frames."""
    engines = iter([HostRuntime(), FailingRuntime(0)])

    class HostPainter(FramePainter):
        def __init__(self, style: Path, options: EngineOptions, style_options: StyleOptions, like: object) -> None:
            super().__init__(style, options, style_options)
            self.engine.close()
            self.engine = CudaEngine(identity_network(), precision="fp32", runtime=next(engines), plan=Plan(batch=4))

    monkeypatch.setattr(multi_device, "open_painter", HostPainter)
    with MultiDevice(identity, ["cpu", "cpu"], CPU) as made:
        yield made


def test_the_other_device_continues_if_one_fails(failing: MultiDevice, tmp_path: Path) -> None:
    sources = [Clip(tmp_path / f"{name}.mp4", frames=20).make() for name in "abcd"]
    summary = failing.videos(sources, tmp_path / "out")
    assert (summary.done, summary.failed) == (3, 1)
    (error,) = [entry.error for entry in summary.videos if entry.status == "failed"]
    assert "the GPU has failed" in error


def test_a_file_whose_part_fails_is_not_made(failing: MultiDevice, long_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceLost, match="the GPU has failed"):
        failing.video(long_clip, tmp_path / "b.mp4", TEN)
    assert os.listdir(tmp_path) == []


def test_everything_is_closed(identity: Path) -> None:
    before = threading.active_count()
    with MultiDevice(identity, ["cpu", "cpu"], CPU) as made:
        assert made.style.name == "identity" and "an engine on each of cpu, cpu" in made.description
    made.close()
    assert threading.active_count() == before


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expand("cuda:0,cuda:2") == ["cuda:0", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert expand("all") == ["cuda:0", "cuda:1", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="no CUDA device"):
        expand("all")
    with pytest.raises(ValueError, match="two devices"):
        MultiDevice("starry-night", ["cpu"])


@needs_cuda
@pytest.mark.gpu
def test_two_gpus(identity: Path, long_clip: Path, alone: Path, tmp_path: Path) -> None:
    with MultiDevice(identity, ["cuda:0", "cuda:1"], EngineOptions(backend="torch")) as made:
        summary = made.video(long_clip, tmp_path / "b.mp4", TEN)
    assert summary.parts == 2
    same(alone, tmp_path / "b.mp4")
