"""Frames that stay on a device from the decoder to the encoder, and what becomes of a file where the device fails.

On the CPU: `HostRuntime` stands for the device, `HostSurfaces` for its codecs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.engines.painter import FramePainter
from realtime.errors import DeviceLost
from realtime.jobs import video
from realtime.jobs.batch import prepare, restyle_videos
from realtime.jobs.video import restyle_video
from realtime.media.files import output_spec
from realtime.media.files.fragments import FRAMES, work_folder
from realtime.options import VideoOptions
from realtime.transnet.network import identity_network
from tests.helpers.clips import Clip, decoded
from tests.helpers.host_runtime import FailingRuntime, HostRuntime, ScarceRuntime
from tests.helpers.surfaces import HostSurfaces
from tests.helpers.transnets import CPU


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=30).make()


@contextmanager
def on_device(style: Path, runtime: HostRuntime) -> Iterator[FramePainter]:
    """A style in a CUDA engine, in batches of four."""
    with FramePainter(style, CPU) as painter:
        painter.engine.close()
        painter.engine = CudaEngine(identity_network(), precision="fp32", runtime=runtime, plan=Plan(batch=4))
        yield painter


@pytest.fixture
def painter(identity: Path) -> Iterator[FramePainter]:
    with on_device(identity, HostRuntime()) as opened:
        yield opened


@pytest.fixture
def codecs(monkeypatch: pytest.MonkeyPatch) -> HostSurfaces:
    """The device has a decoder and an encoder."""
    surfaces = HostSurfaces()
    monkeypatch.setattr(video, "CudaSurfaces", lambda index, bind: surfaces)
    monkeypatch.setattr(output_spec, "AUTO_SURFACE_ENCODERS", {"libx264": "libx264"})
    return surfaces


def same(a: Path, b: Path) -> bool:
    pairs = zip(decoded(a), decoded(b), strict=True)
    return all(x.time == y.time and np.abs(x.to_ndarray().astype(int) - y.to_ndarray()).mean() < 1.5 for x, y in pairs)


def test_no_frame_passes_through_the_memory_of_the_cpu(
    painter: FramePainter, codecs: HostSurfaces, clip: Path, tmp_path: Path
) -> None:
    summary = restyle_video(painter, clip, tmp_path / "b.mp4", VideoOptions(quality=2))
    assert (codecs.given, codecs.taken) == (30, 30)
    assert summary.decoder == "cuda"
    assert "30 pictures were decoded on the GPU" in summary.notes
    assert same(clip, tmp_path / "b.mp4")


@pytest.mark.parametrize(
    ("options", "decoder", "taken"),
    [
        (VideoOptions(quality=2, resume=True), "cuda", 0),
        (VideoOptions(quality=2, decoder="software"), "software", 30),
    ],
    ids=["resume", "software decoder"],
)
def test_frames_are_copied_to_the_cpu_where_it_needs_them(
    painter: FramePainter, codecs: HostSurfaces, clip: Path, tmp_path: Path,
    options: VideoOptions, decoder: str, taken: int,
) -> None:  # fmt: skip
    summary = restyle_video(painter, clip, tmp_path / "b.mp4", options)
    assert (summary.decoder, codecs.taken) == (decoder, taken)
    assert codecs.given == (30 if decoder == "cuda" else 0)
    assert same(clip, tmp_path / "b.mp4")


def test_compare_needs_the_source_on_the_cpu(
    painter: FramePainter, codecs: HostSurfaces, clip: Path, tmp_path: Path
) -> None:
    options = VideoOptions(quality=2, compare=True)
    summary = restyle_video(painter, clip, tmp_path / "b.mp4", options)
    assert (summary.decoder, codecs.given, codecs.taken) == ("software", 0, 0)
    summary = restyle_video(painter, clip, tmp_path / "c.mp4", options.replace(decoder="cuda"))
    assert (summary.decoder, codecs.given, codecs.taken) == ("cuda", 30, 0)
    assert same(tmp_path / "b.mp4", tmp_path / "c.mp4")


def test_a_device_failure_ends_the_run_and_finished_work_is_kept(identity: Path, tmp_path: Path) -> None:
    source, target = Clip(tmp_path / "a.mp4", frames=2 * FRAMES, size=(48, 32)).make(), tmp_path / "b.mp4"
    options = VideoOptions(quality=2, resume=True)
    with on_device(identity, FailingRuntime(FRAMES * 3 // 2 // 4)) as painter:
        with pytest.raises(DeviceLost, match=r"cpu: the GPU has failed .*--resume"):
            restyle_video(painter, source, target, options)
    assert not target.exists() and (work_folder(target) / "000000.json").exists()
    with on_device(identity, HostRuntime()) as painter:
        assert restyle_video(painter, source, target, options).resumed >= FRAMES
    assert same(source, target)
    assert not work_folder(target).exists()


def test_other_files_are_not_begun_after_a_device_failure(identity: Path, clip: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(clip.read_bytes())
    jobs = prepare([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "out", None)
    with on_device(identity, FailingRuntime(0)) as painter:
        entries = restyle_videos(jobs, lambda source, target: restyle_video(painter, source, target))
    assert [entry.status for entry in entries] == ["failed", "failed"]
    assert "not begun, because the GPU has failed" in entries[1].error  # type: ignore[union-attr]


def test_the_summary_mentions_memory_that_ran_out(identity: Path, clip: Path, tmp_path: Path) -> None:
    with on_device(identity, ScarceRuntime()) as painter:
        summary = restyle_video(painter, clip, tmp_path / "b.mp4", VideoOptions(quality=2))
    assert summary.frames == 30
    assert any("out of memory with 4 frames at once; going on with 2" in note for note in summary.notes)
    assert same(clip, tmp_path / "b.mp4")
