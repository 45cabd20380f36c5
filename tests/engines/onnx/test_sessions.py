"""Sessions run on what they were asked to run on, or say why not; a file that does not fit is named."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from realtime.engines import machine
from realtime.engines.onnx import sessions
from realtime.engines.onnx.graph import build
from realtime.engines.onnx.sessions import KINDS, Bound, Kind, OrtSession, Place, choose_place, one_line, why_not
from realtime.errors import InputError, RestyleError, StyleError
from realtime.transnet.folding import fold
from realtime.transnet.network import identity_network
from tests.helpers.networks import rgb_network

CPU = Place(KINDS["cpu"])
WITH_SHAPES = Place(Kind("cpu", "CPUExecutionProvider", fixed=True))
"""The CPU, treated like a device that wants its shapes beforehand."""

has_cuda = not why_not("CUDAExecutionProvider")


@pytest.fixture(scope="module")
def identity() -> bytes:
    data: bytes = build(fold(identity_network()), ends="cells").SerializeToString()
    return data


def cells(n: int, h: int, w: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"cells": np.random.default_rng(seed).integers(0, 256, (n, h, w, 24), np.uint8)}


@pytest.mark.parametrize("place", [CPU, WITH_SHAPES], ids=["any", "fixed"])
def test_a_session_takes_shapes_as_they_come(identity: bytes, place: Place) -> None:
    session = OrtSession(identity, place)
    assert session.runs_on == "CPUExecutionProvider"
    assert [port.name for port in session.inputs] == ["cells"]
    assert session.inputs[0].shape == ("N", "h", "w", 24)
    assert session.inputs[0].type == np.uint8
    for number in range(2 * sessions.SHAPES):
        given = cells(1 + number % 3, 2 + 2 * number, 4, number)
        (got,) = session.run(given)
        assert np.array_equal(got, given["cells"])
    assert session.notes == []


def test_bound_arrays_stay_where_they_are_and_results_are_ones_own(identity: bytes) -> None:
    """What runs on CUDA and DirectML, on the CPU's memory."""
    options = onnxruntime.SessionOptions()
    for name, size in (("N", 2), ("h", 4), ("w", 6)):
        options.add_free_dimension_override_by_name(name, size)
    session = onnxruntime.InferenceSession(identity, options, providers=["CPUExecutionProvider"])
    first, second = cells(2, 4, 6, 1), cells(2, 4, 6, 2)
    bound = Bound(session, first, CPU)
    (a,) = bound.run(first)
    kept = a.copy()
    (b,) = bound.run({"cells": second["cells"][:, ::-1]})  # not contiguous
    assert np.array_equal(a, kept) and np.array_equal(a, first["cells"])
    assert np.array_equal(b, second["cells"][:, ::-1])


def test_outputs_of_unknown_size_are_bound_too(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx", shape=(1, 3, 8, 8))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    picture = {"input1": np.random.default_rng(0).random((1, 3, 8, 8), np.float32)}
    (got,) = Bound(session, picture, CPU).run(picture)
    assert np.allclose(got, 255 - picture["input1"])


def test_many_threads_run_one_session(identity: bytes) -> None:
    session = OrtSession(identity, CPU)
    wrong: list[int] = []

    def work(seed: int) -> None:
        given = cells(1, 8, 8, seed)
        for _ in range(20):
            if not np.array_equal(session.run(given)[0], given["cells"]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_wrong_arrays_are_one_line(identity: bytes) -> None:
    with pytest.raises(RestyleError, match=r"my style: ONNX Runtime failed on pixels \(1, 2\)") as caught:
        OrtSession(identity, CPU, name="my style").run({"pixels": np.zeros((1, 2), np.uint8)})
    assert "\n" not in str(caught.value)


# Files


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="no such style file"):
        OrtSession(tmp_path / "none.onnx", CPU)
    with pytest.raises(StyleError, match="is a folder"):
        OrtSession(tmp_path, CPU)


def changed(data: bytes, path: Path, change: Any) -> Path:
    model = onnx.load_from_string(data)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_damaged_file(identity: bytes, tmp_path: Path) -> None:
    path = tmp_path / "style.onnx"
    for data in (b"", b"\x00" * 100, b"no onnx at all", identity[: len(identity) // 2]):
        path.write_bytes(data)
        with pytest.raises(StyleError, match=r"style\.onnx: not an ONNX file, or damaged"):
            OrtSession(path, CPU)


def test_what_this_runtime_does_not_know(identity: bytes, tmp_path: Path) -> None:
    def opset(model: Any) -> None:
        model.opset_import[0].version = 99

    def format(model: Any) -> None:
        model.ir_version = 99

    def operator(model: Any) -> None:
        model.graph.node[1].op_type = "Frobnicate"

    path = tmp_path / "style.onnx"
    with pytest.raises(StyleError, match=r"style\.onnx: made for opset 99, which ONNX Runtime .* does not know"):
        OrtSession(changed(identity, path, opset), CPU)
    with pytest.raises(StyleError, match=r"style\.onnx: ONNX format 99; ONNX Runtime .* reads up to"):
        OrtSession(changed(identity, path, format), CPU)
    with pytest.raises(StyleError, match=r"style\.onnx: ONNX Runtime .* cannot run it: .*Frobnicate") as caught:
        OrtSession(changed(identity, path, operator), CPU)
    assert "\n" not in str(caught.value)


# Providers


def test_words_for_devices() -> None:
    assert choose_place("cpu") == CPU
    assert choose_place("auto").kind.word in sessions.AUTOMATIC
    for word in ("gpu", "cuda:x", "cpu:1", "", "coreml:0"):
        with pytest.raises(InputError, match="choose auto, cpu, cuda, tensorrt, coreml, directml, openvino"):
            choose_place(word)
    assert Place(KINDS["cuda"], 1).name == "cuda:1"


@pytest.mark.skipif(has_cuda, reason="this machine has CUDA")
@pytest.mark.parametrize("word", ["cuda", "cuda:1", "tensorrt"])
def test_a_missing_cuda_says_what_is_missing(word: str) -> None:
    with pytest.raises(InputError, match=r"cannot be used: (no NVIDIA driver|.*lib|.*dll|this build)"):
        choose_place(word)


def test_a_driver_without_libraries_names_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    if has_cuda or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs ONNX Runtime's GPU build on a machine without CUDA")
    monkeypatch.setattr(sessions, "_has_driver", lambda: True)
    reason = why_not.__wrapped__("CUDAExecutionProvider")
    assert "this build wants CUDA" in reason, reason
    assert "\n" not in reason


@pytest.mark.parametrize("word", ["coreml", "directml", "openvino", "mps"])
def test_a_provider_that_this_build_has_not(word: str) -> None:
    kind = KINDS["coreml" if word == "mps" else word]
    if kind.provider in onnxruntime.get_available_providers():
        pytest.skip(f"this build has {kind.provider}")
    with pytest.raises(InputError, match=f"{kind.provider} cannot be used: this build of ONNX Runtime has none; the"):
        choose_place(word)


def test_a_fallback_is_never_silent(identity: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that opens and then leaves the network to the CPU."""
    if has_cuda or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs ONNX Runtime's GPU build on a machine without CUDA")
    with pytest.raises(RestyleError, match="CUDAExecutionProvider was asked for, and CPUExecutionProvider came"):
        OrtSession(identity, Place(KINDS["cuda"])).run(cells(1, 2, 2))


def test_options_are_strings_that_providers_take() -> None:
    for kind in KINDS.values():
        options = sessions._options(Place(kind, 1), graphs=True)
        assert all(isinstance(value, str) for value in options.values())
    cuda = sessions._options(Place(KINDS["cuda"], 1), graphs=True)
    assert (cuda["device_id"], cuda["cudnn_conv_algo_search"], cuda["enable_cuda_graph"]) == ("1", "EXHAUSTIVE", "1")
    tensorrt = sessions._options(Place(KINDS["tensorrt"]), graphs=True)
    assert tensorrt["trt_engine_cache_path"].startswith(str(machine.cache_folder()))


def test_nothing_of_the_runtime_gets_to_the_terminal(identity: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    why_not.__wrapped__("CUDAExecutionProvider")
    with pytest.raises(StyleError):
        OrtSession(b"nonsense", CPU)
    assert capfd.readouterr() == ("", "")


def test_messages_are_one_line() -> None:
    text = "[ONNXRuntimeError] : 1 : FAIL : /src/core/graph/model.cc:256 onnxruntime::Model::Model(int) Unsupported\n x"
    assert one_line(text) == "Unsupported x"


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    monkeypatch.setattr(machine.sys, "platform", "win32")
    assert machine.cache_folder() == tmp_path / "a" / "restyle"
    monkeypatch.setattr(machine.sys, "platform", "linux")
    assert machine.cache_folder() == tmp_path / "b" / "restyle"
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert machine.cache_folder() == Path.home() / ".cache" / "restyle"
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert machine.cache_folder() == Path.home() / "Library" / "Caches" / "restyle"


@pytest.mark.gpu
@pytest.mark.skipif(not has_cuda, reason=f"no CUDA for ONNX Runtime here: {why_not('CUDAExecutionProvider')}")
def test_cuda_runs_what_the_cpu_runs(identity: bytes) -> None:
    session = OrtSession(identity, choose_place("cuda"))
    for seed in range(4):
        given = cells(2, 8, 10, seed)
        assert np.array_equal(session.run(given)[0], given["cells"])
    assert session.runs_on == "CUDAExecutionProvider"


def test_ctypes_is_what_finds_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert not sessions._has_driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: name)
    assert sessions._has_driver()
