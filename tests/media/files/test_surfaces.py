"""Pictures that stay on a device: what the reader returns, what the writer takes, and when software is used.

Tested on the CPU with NV12 in its memory; tests that need a device are marked `gpu`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime.errors import InputError
from realtime.frames import Frame, SurfaceFrame
from realtime.media.files import output_spec
from realtime.media.files import surfaces as surfaces_module
from realtime.media.files.reader import VideoReader
from realtime.media.files.surfaces import CudaSurfaces
from realtime.media.files.writer import VideoWriter
from tests.helpers.clips import Clip, decoded
from tests.helpers.surfaces import HostSurfaces

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(tmp_path_factory.mktemp("clip") / "a.mp4", times=[0, 512, 1024, 2048, 2560, 3072, 5120, 5632]).make()


def planes(frame: Frame) -> list[np.ndarray]:
    return [np.array(plane) for plane in (frame.y, frame.u, frame.v)]


def test_surfaces_are_the_frames(clip: Path) -> None:
    there = HostSurfaces()
    with VideoReader(clip, surfaces=there) as reader:
        assert reader.decoder == "cuda"
        given = list(reader)
    with VideoReader(clip) as reader:
        assert reader.decoder == "software"
        plain = list(reader)
    assert there.given == len(plain)
    for a, b in zip(plain, given, strict=True):
        assert isinstance(b, SurfaceFrame) and not b.fetched
        assert (a.pts, a.duration, a.time_base, a.color) == (b.pts, b.duration, b.time_base, b.color)
        assert (a.height, a.width) == (b.height, b.width)
        assert all(np.array_equal(p, q) for p, q in zip(planes(a), planes(b), strict=True))
        assert b.fetched


def test_a_picture_that_the_device_refuses(clip: Path) -> None:
    """A stream may change to a form that the device does not decode."""
    with VideoReader(clip, surfaces=HostSurfaces(refuses=frozenset({2, 3}))) as reader:
        given = list(reader)
        assert "8 pictures were decoded on the GPU, 2 of them in software" in reader.notes
    assert [isinstance(frame, SurfaceFrame) for frame in given] == [n not in (2, 3) for n in range(8)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": (32, 24)}, "scaled"),
        ({"surfaces": HostSurfaces(opens=False)}, "cannot be opened"),
        ({"surfaces": HostSurfaces(decodes=False)}, "the GPU has no decoder for h264"),
    ],
)
def test_software_where_the_device_cannot_be_used(clip: Path, options: dict[str, Any], reason: str) -> None:
    options = {"surfaces": HostSurfaces(), **options}
    with VideoReader(clip, **options) as reader:
        assert reader.decoder == "software"
        assert not any(isinstance(frame, SurfaceFrame) for frame in reader)
        assert any("in software" in note and reason in note for note in reader.notes)
    with pytest.raises(InputError, match=f"--decoder cuda: .*{reason}.*--decoder software"):
        VideoReader(clip, decoder="cuda", **options)


@pytest.mark.parametrize(("pix_fmt", "reason"), [("yuv444p", "not 8-bit 4:2:0"), ("yuv420p10le", "not 8-bit 4:2:0")])
def test_other_pixel_formats_are_decoded_in_software(tmp_path: Path, pix_fmt: str, reason: str) -> None:
    path = Clip(tmp_path / "a.mkv", pix_fmt=pix_fmt).make()
    with VideoReader(path, surfaces=HostSurfaces()) as reader:
        assert reader.decoder == "software"
        assert reason in " ".join(reader.notes)


def test_no_device_at_all(clip: Path) -> None:
    with pytest.raises(InputError, match="needs the torch backend on a CUDA device"):
        VideoReader(clip, decoder="cuda")
    with pytest.raises(InputError, match="choose auto, software, cuda"):
        VideoReader(clip, decoder="nvdec")  # type: ignore[arg-type]
    with VideoReader(clip, decoder="software", surfaces=HostSurfaces()) as reader:
        assert (reader.decoder, reader.notes) == ("software", [])


def copied(clip: Path, target: Path, source: HostSurfaces | None, sink: HostSurfaces | None, **options: Any) -> Any:
    with VideoReader(clip, surfaces=source) as reader, VideoWriter(target, reader, surfaces=sink, **options) as writer:
        takes = writer.takes_surfaces
        for frame in reader:
            writer.write(frame)
        return writer.finish(), takes


def test_from_surface_to_surface(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_spec, "AUTO_SURFACE_ENCODERS", {"libx264": "libx264"})
    there = HostSurfaces()
    summary, takes = copied(clip, tmp_path / "a.mp4", there, there, quality=1)
    assert takes and (there.given, there.taken, summary.frames) == (8, 8, 8)
    for a, b in zip(decoded(clip), decoded(tmp_path / "a.mp4"), strict=True):
        assert a.time == b.time
        assert np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() < 1
        assert (a.color_range, a.colorspace) == (b.color_range, b.colorspace)


def test_frames_of_the_cpu_go_into_the_same_encoder(clip: Path, tmp_path: Path) -> None:
    sink = HostSurfaces()
    summary, takes = copied(clip, tmp_path / "a.mp4", None, sink, encoder="libx264", quality=1)
    assert takes and (sink.taken, summary.frames) == (0, 8)
    assert len(decoded(tmp_path / "a.mp4")) == 8


def test_an_encoder_that_cannot_be_opened(clip: Path, tmp_path: Path) -> None:
    summary, _ = copied(clip, tmp_path / "a.mp4", None, HostSurfaces(encodes=False))
    assert summary.encoder == "libx264"
    assert any("encoded in software (libx264), not on the GPU: h264_nvenc: no such device" in n for n in summary.notes)
    assert len(decoded(tmp_path / "a.mp4")) == 8


def test_a_part_has_the_times_of_the_whole(clip: Path) -> None:
    with VideoReader(clip) as reader:
        whole = [(frame.pts, frame.y.copy()) for frame in reader]
    begin, stop = whole[2][0], whole[6][0]
    for part, wanted in (((begin, stop), whole[2:6]), ((begin, None), whole[2:]), ((0, begin), whole[:2])):
        with VideoReader(clip, part=part) as reader:
            given = list(reader)
            assert not reader.warnings
        assert [frame.pts for frame in given] == [pts for pts, _ in wanted]
        assert all(np.array_equal(frame.y, y) for frame, (_, y) in zip(given, wanted, strict=True))


def test_missing_devices_are_reported(clip: Path) -> None:
    """PyAV's real calls, as far as they work without a device."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    bound: list[int] = []
    real = CudaSurfaces(0, lambda: bound.append(1))
    with VideoReader(clip, surfaces=real) as reader:
        assert reader.decoder == "software"
        assert "its decoder cannot be opened (" in reader.notes[0]
    assert real.encoder_problem("h264_nvenc", 64, 48)
    assert real.encoder_problem("h264_nvenc", 63, 48) == "63x48 is odd"
    assert len(bound) >= 2


def test_pyav_has_the_options_that_are_used() -> None:
    """Options, arguments and encoders exist in PyAV."""
    import av
    from av.codec.hwaccel import HWAccel
    from av.video.frame import CudaContext

    accelerator = HWAccel("cuda", device="0", options=dict(surfaces_module._CURRENT_CONTEXT), is_hw_owned=True)
    assert accelerator.options == {"primary_ctx": "0", "current_ctx": "1"}
    context = CudaContext(0, primary_ctx=False, current_ctx=True)
    assert context.current_ctx and not context.primary_ctx
    for name in ("h264_nvenc", "hevc_nvenc"):
        assert any(c.format is not None and c.format.name == "cuda" for c in av.Codec(name, "w").hardware_configs)


# On a device


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> CudaSurfaces:
    from realtime.engines.cuda.runtime import CudaRuntime

    monkeypatch.undo()
    return CudaSurfaces(0, CudaRuntime(torch.device("cuda", 0)).bind)


@needs_cuda
@pytest.mark.gpu
def test_nvdec_returns_the_pictures_of_software(tmp_path: Path, device: CudaSurfaces) -> None:
    path = Clip(tmp_path / "a.mp4", size=(640, 360), frames=60).make()
    with VideoReader(path, surfaces=device) as reader:
        if reader.decoder != "cuda":
            pytest.skip(f"no NVDEC here: {reader.notes}")
        given = [(f.pts, planes(f)) for f in reader]
    with VideoReader(path) as reader:
        for (pts, ours), frame in zip(given, reader, strict=True):
            assert pts == frame.pts
            assert all(np.array_equal(p, q) for p, q in zip(ours, planes(frame), strict=True))


@needs_cuda
@pytest.mark.gpu
def test_from_nvdec_to_nvenc(tmp_path: Path, device: CudaSurfaces) -> None:
    from realtime.engines.cuda.engine import CudaEngine
    from realtime.transnet.network import identity_network

    if problem := device.encoder_problem("h264_nvenc", 640, 360):
        pytest.skip(f"no NVENC here: {problem}")
    path = Clip(tmp_path / "a.mp4", size=(640, 360), frames=60).make()
    target = tmp_path / "b.mp4"
    with (
        CudaEngine(identity_network()) as engine,
        VideoReader(path, surfaces=device) as reader,
        VideoWriter(target, reader, surfaces=device) as writer,
    ):
        assert writer.takes_surfaces
        for frame in reader:
            for styled in engine.begin([frame], on_device=True)():
                writer.write(styled)
        assert writer.finish().encoder == "h264_nvenc"
    for a, b in zip(decoded(path), decoded(target), strict=True):
        assert a.time == b.time
        assert np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() < 4
