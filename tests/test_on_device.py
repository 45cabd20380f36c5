"""The whole way with frames that stay on a device, and what becomes of a file where the device gives up.

On the CPU, with stand-ins for the device and its codecs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.engines.cuda.engine import CudaEngine, Plan
from realtime.errors import DeviceLost
from realtime.media.files import output_spec, surfaces
from realtime.media.files.fragments import FRAMES, work_folder
from realtime.stylizer import Stylizer
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import identity_network
from tests.helpers.clips import Clip, decoded
from tests.helpers.host_runtime import HostRuntime
from tests.helpers.surfaces import HostSurfaces


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=30).make()


@pytest.fixture
def stylizer(tmp_path: Path) -> Stylizer:
    """A style that changes nothing, on an engine that takes the CPU for a device."""
    path = tmp_path / "identity.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("identity"))
    made = Stylizer(path, backend="torch", device="cpu", precision="fp32")
    made.engine = CudaEngine(identity_network(), precision="fp32", runtime=HostRuntime(), plan=Plan(batch=4))
    return made


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> HostSurfaces:
    codecs = HostSurfaces()
    monkeypatch.setattr(surfaces, "CudaSurfaces", lambda index, bind: codecs)
    monkeypatch.setattr(output_spec, "AUTO_SURFACE_ENCODERS", {"libx264": "libx264"})
    return codecs


def same(a: Path, b: Path) -> bool:
    pairs = zip(decoded(a), decoded(b), strict=True)
    return all(x.time == y.time and np.abs(x.to_ndarray().astype(int) - y.to_ndarray()).mean() < 1.5 for x, y in pairs)


def test_no_frame_is_seen_by_the_cpu(stylizer: Stylizer, there: HostSurfaces, clip: Path, tmp_path: Path) -> None:
    summary = stylizer.video(clip, tmp_path / "b.mp4", quality=2)
    assert (there.given, there.taken) == (30, 30)
    assert summary["decoder"] == "cuda"
    assert "30 pictures were decoded on the GPU" in summary["notes"]
    assert same(clip, tmp_path / "b.mp4")
    assert stylizer.engine.surfaces is False  # type: ignore[attr-defined]


def test_where_the_cpu_looks_frames_come_to_it(
    stylizer: Stylizer, there: HostSurfaces, clip: Path, tmp_path: Path
) -> None:
    summary = stylizer.video(clip, tmp_path / "b.mp4", quality=2, compare=True)
    assert (summary["decoder"], there.given, there.taken) == ("software", 0, 0)
    summary = stylizer.video(clip, tmp_path / "c.mp4", quality=2, compare=True, decoder="cuda")
    assert (summary["decoder"], there.taken) == ("cuda", 0)
    assert same(tmp_path / "b.mp4", tmp_path / "c.mp4")
    summary = stylizer.video(clip, tmp_path / "d.mp4", quality=2, resume=True)
    assert (summary["decoder"], there.taken) == ("cuda", 0)
    assert same(clip, tmp_path / "d.mp4")
    summary = stylizer.video(clip, tmp_path / "e.mp4", quality=2, decoder="software")
    assert (summary["decoder"], there.taken) == ("software", 30)


def test_a_device_that_is_lost_ends_the_run_and_keeps_what_is_done(
    stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip(tmp_path / "a.mp4", frames=FRAMES + 30).make()
    engine = stylizer.engine
    assert isinstance(engine, CudaEngine)
    begin, calls = engine._begin, 0

    def failing(*args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == FRAMES // 4 + 6:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return begin(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "_begin", failing)
    target = tmp_path / "b.mp4"
    with pytest.raises(DeviceLost, match="cpu: the GPU has failed .*--resume"):
        stylizer.video(clip, target, resume=True, quality=2)
    assert not target.exists() and (work_folder(target) / "000000.json").exists()
    summary = stylizer.video(clip, target, resume=True, quality=2)
    assert summary["resumed"] > 0
    assert same(clip, target)
    assert not work_folder(target).exists()


def test_the_other_files_are_not_begun_on_a_lost_device(
    stylizer: Stylizer, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(clip.read_bytes())

    def failing(*args: object, **options: object) -> object:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(stylizer.engine, "_begin", failing)
    summary = stylizer.videos([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "out")
    assert summary["failed"] == 2
    assert "not begun, for the GPU has failed" in summary["videos"][1]["error"]


def test_memory_that_runs_out_is_told_in_the_summary(stylizer: Stylizer, clip: Path, tmp_path: Path) -> None:
    device = stylizer.engine._device  # type: ignore[attr-defined]
    pinned = device.pinned

    def scarce(*shape: int) -> torch.Tensor:
        if shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return pinned(*shape)  # type: ignore[no-any-return]

    device.pinned = scarce
    summary = stylizer.video(clip, tmp_path / "b.mp4", quality=2)
    assert summary["frames"] == 30
    assert any("out of memory with 4 frames at once; going on with 2" in note for note in summary["notes"])
    assert same(clip, tmp_path / "b.mp4")
