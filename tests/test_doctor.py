from __future__ import annotations

import json
import sys
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import realtime
from realtime import doctor
from realtime.cli import main
from realtime.doctor import installation_problems
from realtime.media import capabilities
from tests.helpers.host_runtime import HostRuntime


def test_an_encoder_that_opens_and_one_that_does_not_exist() -> None:
    works, missing = capabilities.encoders(("libx264", "no-such-encoder"))
    assert works == capabilities.Capability("libx264", True)
    assert not missing.works
    assert "not in this build" in missing.reason


def test_probing_encoders_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    capabilities.encoders()
    capabilities.hardware_decoders()
    assert capfd.readouterr() == ("", "")


def test_whatever_does_not_work_says_why() -> None:
    for found in [*capabilities.encoders(), *capabilities.hardware_decoders(), *capabilities.cameras()]:
        assert found.works == (not found.reason)
        assert "\n" not in found.reason


def test_the_report_is_json_and_names_everything() -> None:
    found: dict[str, Any] = json.loads(json.dumps(doctor.examine()))
    assert {"restyle", "python", "torch", "torchvision", "av", "ffmpeg", "onnxruntime", "opencv"} <= set(
        found["versions"]
    )
    assert found["cpu"]["cores"] >= 1
    names = [device["name"] for device in found["devices"]]
    assert names[0] == "cpu"
    assert any(name.startswith("cuda") for name in names)
    assert "mps" in names
    for entry in [*found["devices"], *found["providers"]]:
        assert entry["works"] == (not entry["reason"]), entry
    assert any(entry["name"] == "CUDAExecutionProvider" for entry in found["providers"])


def test_without_opencv_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    reason = capabilities.versions()["opencv"]
    assert reason.startswith("OpenCV cannot be loaded (")
    assert "\n" not in reason


def test_without_onnx_runtime_it_still_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (entry,) = doctor._providers()
    assert not entry["works"]
    assert entry["reason"]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("Versions", "Devices", "Video encoders", "Cameras", "libx264: yes"))
    assert main(["doctor", "--json"]) == 0
    assert "devices" in json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_way_through_a_gpu_is_told_part_by_part() -> None:
    import torch

    found = doctor.examine()["gpu"]
    assert [entry["name"].split()[-1] for entry in found] == ["graphs", "surfaces", "surfaces"]
    for entry in found:
        assert entry["works"] == (not entry["reason"])
        if not torch.cuda.is_available():
            assert entry["reason"].startswith("no CUDA device: ")


def test_a_graph_is_tried_out() -> None:
    assert doctor._why_no_graphs(HostRuntime()) == ""

    class Refusing(HostRuntime):
        def record(self, run: Any, stream: Any) -> Any:
            raise RuntimeError("no graphs here\nand advice")

    assert doctor._why_no_graphs(Refusing()) == "no graphs here"


def test_another_distribution_with_a_package_of_the_same_name() -> None:
    assert installation_problems({"realtime": ["restyle"], "export": ["restyle"]}) == []
    [problem] = installation_problems({"realtime": ["restyle", "realtime-of-others"]})
    assert "realtime-of-others has a package named 'realtime'" in problem
    assert "pip uninstall realtime-of-others" in problem and "--force-reinstall" in problem


def test_a_package_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "__dir__", lambda: ["other"])
    [problem] = installation_problems({})
    assert "is not restyle's" in problem
