"""The report on a GPU, made on the CPU: every figure is there, what does not hold is named, and the time is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.benchmark import gpu
from realtime.benchmark.cases import Choice, Options, default_choices
from realtime.benchmark.gpu import Check, Effort, Wanted, gpu_report, markdown
from realtime.errors import InputError, RestyleError
from tests.helpers.host_runtime import HostRuntime

SIZES = {(128, 96): 1.0, (192, 128): 1e9}
EFFORT = Effort(seconds=0.01, readings=1, frames=24)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    wanted = Wanted(fps=SIZES, roofline=0.0, whole=0.0)
    return gpu_report(
        "starry-night", device="cpu", precision="fp32", wanted=wanted, effort=EFFORT, runtime=HostRuntime()
    )


def test_every_figure_is_there(report: dict[str, Any]) -> None:
    found = {check["name"]: check for check in report["checks"]}
    measured = [name for name, check in found.items() if check["value"] is not None]
    assert measured == [
        "network alone, 128x96",
        "network with copies to it and back, 128x96",
        "share of the roofline, 128x96",
        "network alone, 192x128",
        "network with copies to it and back, 192x128",
        "PSNR against the CPU in fp32",
        "decode alone, software",
        "encode alone, libx264",
        "whole, decoded by software, into a null sink",
        "whole, decoded by software, into a null sink: share of the slower codec",
        "whole, decoded by software, encoded by libx264",
        "whole, decoded by software, encoded by libx264: share of the slower codec",
    ]
    assert all(found[name]["value"] > 0 for name in measured)
    missing = {name: check["note"] for name, check in found.items() if check["value"] is None}
    assert set(missing) == {
        "decode alone, cuda",
        "encode alone, h264_nvenc",
        "ONNX Runtime, CUDA, 128x96",
        "ONNX Runtime, TensorRT, 128x96",
    }
    assert all(missing.values())
    json.dumps(report)


def test_what_does_not_hold_is_named(report: dict[str, Any]) -> None:
    assert report["failed"] == ["network alone, 192x128"]
    assert not report["holds"]
    text = markdown(report)
    assert "Does not hold: network alone, 192x128." in text
    assert text.count("**no**") == 1
    assert "at least" in text and "pytest -m gpu" in text


def test_the_same_picture(report: dict[str, Any]) -> None:
    [check] = [check for check in report["checks"] if check["name"].startswith("PSNR")]
    assert check["holds"] and check["value"] > 60


def test_what_is_only_told_holds_nothing() -> None:
    assert Check("a", 1.0, "fps").holds is None
    assert Check("a", None, "fps", 1.0).holds is None
    assert Check("a", 1.0, "fps", 1.0).holds is True
    assert Check("a", 0.9, "fps", 1.0).holds is False


def test_no_time_is_no_measurement() -> None:
    report = gpu_report(
        "starry-night",
        device="cpu",
        precision="fp32",
        wanted=Wanted(fps=SIZES),
        effort=Effort(budget=-1),
        runtime=HostRuntime(),
    )
    assert {check["note"] for check in report["checks"]} == {"not measured: the time was up"}
    assert report["holds"] is False and len(report["failed"]) == len(report["checks"])


def test_a_step_that_fails_does_not_end_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: object) -> None:
        raise RestyleError("no room\nfor it")

    monkeypatch.setattr(gpu._Report, "_pipelines", failing)
    monkeypatch.setattr(gpu._Report, "_fidelity", lambda self: None)
    report = gpu_report(
        "starry-night",
        device="cpu",
        precision="fp32",
        wanted=Wanted(fps={(64, 64): 0.0}, roofline=0),
        effort=EFFORT,
        runtime=HostRuntime(),
    )
    assert report["failed"] == ["codecs and the whole pipeline"]
    assert any(check["note"] == "failed: no room for it" for check in report["checks"])


def test_a_cpu_is_no_gpu() -> None:
    with pytest.raises(InputError, match="CUDA devices"):
        gpu_report("starry-night", device="cpu")


def test_every_way_to_a_gpu_is_measured_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert default_choices() == [Choice()]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    choices = default_choices()
    assert [(c.backend, c.device) for c in choices[1:]] == [("torch", "cuda"), ("onnx", "cuda"), ("onnx", "tensorrt")]
    assert Options("starry-night", choices=choices).command == "restyle bench --style starry-night"
    assert "--backend onnx" in Options("x", choices=[Choice("onnx", "cuda")]).command


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_no_gpu_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from realtime.cli import main

    assert main(["bench", "--gpu-report", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("error: device 'cuda': ")
    assert main(["bench", "--gpu-report", "--device", "cpu"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_both_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], report: dict[str, Any]
) -> None:
    from realtime.cli import main
    from realtime.engines.torch import device as torch_device

    monkeypatch.setattr(torch_device, "choose_device", lambda word: torch.device("cuda", 0))
    monkeypatch.setattr(gpu, "gpu_report", lambda style, **options: report)
    assert main(["bench", "--gpu-report", "--output", str(tmp_path), "--json"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu-report.json", "gpu-report.md"]
    assert json.loads((tmp_path / "gpu-report.json").read_text())["failed"] == report["failed"]
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["holds"] is False
    assert main(["bench", "--gpu-report", "--output", str(tmp_path)]) == 2  # they exist
    monkeypatch.setattr(gpu, "gpu_report", lambda style, **options: {**report, "holds": True})
    assert main(["bench", "--gpu-report", "--output", str(tmp_path / "a.md"), "--quiet"]) == 0
    assert main(["bench", "--gpu-report", "--output", str(tmp_path / "a.png")]) == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.gpu
def test_the_report_of_a_device() -> None:
    report = gpu_report("starry-night", effort=Effort(seconds=0.2, readings=1, frames=48))
    names = [check["name"] for check in report["checks"]]
    assert "peak of device memory" in names
    [fidelity] = [check for check in report["checks"] if check["name"].startswith("PSNR")]
    assert fidelity["holds"], fidelity
