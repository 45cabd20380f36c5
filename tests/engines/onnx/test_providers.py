"""Devices of ONNX Runtime: their words, and what is said where one cannot be used."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from realtime.engines.onnx.providers import (
    AUTOMATIC,
    CPU,
    CUDA,
    PROVIDERS,
    OrtDevice,
    choose_device,
    missing_library,
    provider_problem,
)
from realtime.errors import InputError

has_cuda = not provider_problem(CUDA)


def test_words_for_devices() -> None:
    assert choose_device("cpu") == OrtDevice(CPU)
    assert choose_device("auto").provider.device in AUTOMATIC
    for word in ("gpu", "cuda:x", "cpu:1", "", "coreml:0"):
        with pytest.raises(InputError, match="choose auto, cpu, cuda, tensorrt, coreml, directml, openvino"):
            choose_device(word)
    assert OrtDevice(CUDA, 1).name == "cuda:1"


@pytest.mark.skipif(has_cuda, reason="this machine has CUDA")
@pytest.mark.parametrize("word", ["cuda", "cuda:1", "tensorrt"])
def test_a_missing_cuda_says_what_is_missing(word: str) -> None:
    with pytest.raises(InputError, match=r"cannot be used: (no NVIDIA driver|.*lib|.*dll|this build)"):
        choose_device(word)


def test_a_driver_without_libraries_names_the_library() -> None:
    if has_cuda or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs ONNX Runtime's GPU build on a machine without CUDA")
    reason = missing_library(CUDA)
    assert "this build needs CUDA" in reason, reason
    assert "\n" not in reason
    assert missing_library(CPU) == ""


@pytest.mark.parametrize("word", ["coreml", "directml", "openvino", "mps"])
def test_a_provider_that_this_build_does_not_have(word: str) -> None:
    provider = PROVIDERS["coreml" if word == "mps" else word]
    if provider.name in onnxruntime.get_available_providers():
        pytest.skip(f"this build has {provider.name}")
    wanted = f"{provider.name} cannot be used: this build of ONNX Runtime does not have it; the"
    with pytest.raises(InputError, match=wanted):
        choose_device(word)


def test_options_are_strings_that_providers_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    for provider in PROVIDERS.values():
        options = OrtDevice(provider, 1).provider_options(graphs=True)
        assert all(isinstance(value, str) for value in options.values())
    cuda = OrtDevice(CUDA, 1).provider_options(graphs=True)
    assert (cuda["device_id"], cuda["cudnn_conv_algo_search"], cuda["enable_cuda_graph"]) == ("1", "EXHAUSTIVE", "1")
    tensorrt = OrtDevice(PROVIDERS["tensorrt"]).provider_options(graphs=False)
    assert (tensorrt["device_id"], tensorrt["trt_cuda_graph_enable"]) == ("0", "0")
    assert Path(tensorrt["trt_engine_cache_path"]).is_dir()
