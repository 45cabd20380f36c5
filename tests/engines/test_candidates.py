"""Which engines could run, on machines of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.engines.candidates import Machine, candidates
from realtime.engines.onnx.providers import PROVIDERS, OrtDevice
from realtime.options import EngineOptions
from tests.helpers.machines import OtherMachine


def names(options: dict[str, Any], machine: Machine) -> list[str]:
    return [str(candidate) for candidate in candidates(EngineOptions(**options), machine)]


@pytest.mark.parametrize(
    ("backend", "device", "precision", "found"),
    [
        ("auto", "cpu", "auto", ["torch bf16", "onnx int8", "openvino int8", "openvino bf16"]),
        ("auto", "cpu", "fp32", ["torch fp32", "onnx fp32", "openvino fp32"]),
        ("auto", "cpu", "int8", ["onnx int8", "openvino int8"]),
        ("auto", "cpu", "fp16", ["torch fp16"]),
        ("onnx", "cpu", "auto", ["onnx int8", "onnx fp32"]),
        ("onnx", "cpu", "bf16", ["onnx bf16"]),
        ("torch", "auto", "auto", ["torch bf16"]),
        ("openvino", "cpu", "auto", ["openvino int8", "openvino bf16"]),
        ("openvino", "cuda", "auto", ["openvino auto on cuda"]),
        ("auto", "cuda:1", "auto", ["torch fp16 on cuda:1", "onnx fp16 on cuda:1"]),
        ("auto", "mps", "auto", ["torch fp16 on mps"]),
        ("auto", "tensorrt", "auto", ["onnx auto on tensorrt"]),
        ("torch", "tensorrt", "auto", ["torch auto on tensorrt"]),
    ],
)
def test_with_bf16_openvino_and_cuda(backend: str, device: str, precision: str, found: list[str]) -> None:
    options = {"backend": backend, "device": device, "precision": precision}
    assert names(options, OtherMachine(providers=("cpu", "cuda"))) == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["torch bf16", "openvino bf16"]),
        ({"backend": "onnx"}, ["onnx fp32"]),
        ({"backend": "onnx", "precision": "int8"}, ["onnx int8"]),
    ],
    ids=str,
)
def test_int8_only_where_it_is_allowed_or_asked_for(options: dict[str, Any], found: list[str]) -> None:
    assert names({**options, "device": "cpu", "allow_int8": False}, OtherMachine()) == found


ON_CPU = ["torch bf16", "onnx int8", "openvino int8", "openvino bf16"]


@pytest.mark.parametrize(
    ("torch", "onnx", "backend", "found"),
    [
        ("cuda:0", "cuda", "auto", ["torch fp16 on cuda:0", "onnx fp16 on cuda:0"]),
        ("cuda:0", "cpu", "auto", ["torch fp16 on cuda:0"]),
        ("cpu", "cuda", "auto", ["onnx fp16 on cuda:0"]),
        ("cpu", "directml", "auto", ["onnx fp16 on directml", *ON_CPU]),
        ("mps", "coreml", "auto", ["torch fp16 on mps", "onnx fp16 on coreml", *ON_CPU]),
        # a backend that cannot use the GPU runs on the CPU, unless the GPU was asked for
        ("cuda:0", "cuda", "openvino", ["openvino int8", "openvino bf16"]),
        ("cuda:0", "cpu", "onnx", ["onnx int8", "onnx fp32"]),
    ],
)
def test_device_auto(torch: str, onnx: str, backend: str, found: list[str]) -> None:
    machine = OtherMachine(torch=torch, onnx=OrtDevice(PROVIDERS[onnx]))
    assert names({"backend": backend}, machine) == found


def test_this_machine_is_described() -> None:
    identity = Machine().identity()
    assert identity["packages"]["torch"] and identity["machine"][2]
    assert "torch" in {candidate.backend for candidate in candidates(EngineOptions(device="cpu"), Machine())}
