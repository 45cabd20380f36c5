"""The report on a GPU, made on the CPU: every figure is there, and what does not hold is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from realtime.benchmark.cases import with_engine
from realtime.benchmark.gpu import Check, GpuReport, Requirements, gpu_report, markdown
from realtime.engines.cuda.engine import CudaEngine
from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.options import EngineOptions
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import find_style
from tests.helpers.host_runtime import HostRuntime

ON_CPU = EngineOptions(backend="torch", device="cpu", precision="fp32", threads=1)
SMALL = {"seconds": 0.01, "readings": 1, "frames": 16}


@pytest.fixture(scope="module")
def painter() -> Iterator[FramePainter]:
    """A style in the CUDA engine, with the CPU in the place of the device."""
    network, _ = load_checkpoint(find_style("starry-night"))
    engine = CudaEngine(network, precision="fp32", batch=2, runtime=HostRuntime())
    with engine, FramePainter("starry-night", ON_CPU) as opened:
        yield with_engine(opened, engine)


@pytest.fixture(scope="module")
def report(painter: FramePainter) -> GpuReport:
    sizes = {(128, 96): 1.0, (192, 128): 1e9}
    return gpu_report(painter, requirements=Requirements(fps=sizes, roofline=0.0, whole=0.0, **SMALL))


def test_every_figure_is_there(report: GpuReport) -> None:
    measured = {check.name: check.value for check in report.checks if check.value is not None}
    assert list(measured) == [
        "network alone, 128x96",
        "network with copies to it and back, 128x96",
        "share of the roofline, 128x96",
        "network alone, 192x128",
        "network with copies to it and back, 192x128",
        "PSNR against the CPU in fp32",
        "decoder software, encoder none: decode alone",
        "decoder software, encoder none: whole",
        "decoder software, encoder none: share of the slower codec",
        "decoder software, encoder libx264: decode alone",
        "decoder software, encoder libx264: encode alone",
        "decoder software, encoder libx264: whole",
        "decoder software, encoder libx264: share of the slower codec",
    ]
    assert all(value > 0 for value in measured.values())
    missing = {check.name: check.note for check in report.checks if check.value is None}
    assert list(missing) == [
        "decoder software, encoder h264_nvenc",
        "decoder cuda, encoder none",
        "decoder cuda, encoder libx264",
        "decoder cuda, encoder h264_nvenc",
    ]
    assert all(missing.values())


def test_what_does_not_hold_is_named(report: GpuReport) -> None:
    assert report.failed == ("network alone, 192x128",)
    assert not report.holds
    told = json.loads(json.dumps(report.to_json()))
    assert (told["failed"], told["holds"]) == (["network alone, 192x128"], False)
    assert told["checks"][0]["holds"] is True
    text = markdown(report)
    assert "Does not hold: network alone, 192x128." in text
    assert text.count("**no**") == 1
    assert "pytest -m gpu" in text


def test_the_picture_is_that_of_the_cpu(report: GpuReport) -> None:
    (check,) = [check for check in report.checks if check.name.startswith("PSNR")]
    assert check.holds
    assert check.value is not None
    assert check.value > 60


@pytest.mark.parametrize(
    ("value", "least", "holds"), [(1.0, None, None), (None, 1.0, None), (1.0, 1.0, True), (0.9, 1.0, False)]
)
def test_only_a_value_with_a_requirement_holds_or_fails(
    value: float | None, least: float | None, holds: bool | None
) -> None:
    assert Check("name", value, "fps", least).holds is holds


def test_a_step_that_fails_does_not_end_the_report(painter: FramePainter, tmp_path: Path) -> None:
    """The style's file has been deleted since it was opened."""
    gone = with_engine(painter, painter.engine)
    gone.path = tmp_path / "deleted.safetensors"
    found = gpu_report(gone, requirements=Requirements(fps={(64, 64): 0.0}, roofline=0, whole=0, **SMALL))
    assert found.failed == ("PSNR against the CPU in fp32",)
    (check,) = [check for check in found.checks if check.holds is False]
    assert check.note.startswith("failed: ")
    assert "deleted.safetensors" in check.note
    assert found.checks[-1].name == "decoder cuda, encoder h264_nvenc"


def test_a_cpu_is_not_a_gpu() -> None:
    with FramePainter("starry-night", ON_CPU) as opened, pytest.raises(InputError, match="CUDA devices"):
        gpu_report(opened)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.gpu
def test_the_report_of_a_device() -> None:
    with FramePainter("starry-night", EngineOptions(backend="torch", device="cuda", precision="fp16")) as opened:
        found = gpu_report(opened, requirements=Requirements(seconds=0.2, readings=1, frames=48))
    assert "peak of device memory" in [check.name for check in found.checks]
    (fidelity,) = [check for check in found.checks if check.name.startswith("PSNR")]
    assert fidelity.holds, fidelity
