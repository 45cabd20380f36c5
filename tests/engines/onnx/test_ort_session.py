"""Sessions run where they are asked to or say why not; a file that cannot be run is named."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from realtime.engines.onnx.graph import build
from realtime.engines.onnx.ort_session import BoundSession, OrtSession
from realtime.engines.onnx.providers import CUDA, OrtDevice, Provider, choose_device, provider_problem
from realtime.engines.onnx.session import MAX_SHAPES, runtime_message
from realtime.errors import RestyleError, StyleError
from realtime.transnet.folding import fold
from realtime.transnet.network import identity_network
from tests.helpers.networks import rgb_network

CPU = OrtDevice()
STATIC_SHAPES = OrtDevice(Provider("cpu", "CPUExecutionProvider"))
"""The CPU, treated like a device that needs to know its shapes."""

cuda_problem = provider_problem(CUDA)


@pytest.fixture(scope="module")
def identity() -> bytes:
    data: bytes = build(fold(identity_network()), io="packed").SerializeToString()
    return data


def cells(n: int, h: int, w: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"cells": np.random.default_rng(seed).integers(0, 256, (n, h, w, 24), np.uint8)}


@pytest.mark.parametrize("device", [CPU, STATIC_SHAPES], ids=["any", "static"])
def test_a_session_takes_shapes_as_they_come(identity: bytes, device: OrtDevice) -> None:
    session = OrtSession(identity, device)
    assert [tensor.name for tensor in session.inputs] == ["cells"]
    assert session.inputs[0].shape == ("N", "h", "w", 24)
    assert session.inputs[0].dtype == np.uint8
    for number in range(2 * MAX_SHAPES):
        given = cells(1 + number % 3, 2 + 2 * number, 4, number)
        (got,) = session.run(given)
        assert np.array_equal(got, given["cells"])
    assert session.notes == ()


def test_inputs_stay_in_place_and_results_are_copies(identity: bytes) -> None:
    """As on CUDA and DirectML, but in the CPU's memory."""
    options = onnxruntime.SessionOptions()
    for name, size in (("N", 2), ("h", 4), ("w", 6)):
        options.add_free_dimension_override_by_name(name, size)
    session = onnxruntime.InferenceSession(identity, options, providers=["CPUExecutionProvider"])
    first, second = cells(2, 4, 6, 1), cells(2, 4, 6, 2)
    bound = BoundSession(session, first, CPU)
    (a,) = bound.run(first)
    kept = a.copy()
    (b,) = bound.run({"cells": second["cells"][:, ::-1]})  # not contiguous
    assert np.array_equal(a, kept) and np.array_equal(a, first["cells"])
    assert np.array_equal(b, second["cells"][:, ::-1])


def test_outputs_of_unknown_size(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx", shape=(1, 3, 8, 8))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    picture = {"input1": np.random.default_rng(0).random((1, 3, 8, 8), np.float32)}
    (got,) = BoundSession(session, picture, CPU).run(picture)
    assert np.allclose(got, 255 - picture["input1"])


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_run_one_session(identity: bytes, threads: int) -> None:
    session = OrtSession(identity, CPU, parallel=2, threads=threads)
    wrong: list[int] = []

    def work(seed: int) -> None:
        given = cells(1, 8, 8, seed)
        for _ in range(20):
            if not np.array_equal(session.run(given)[0], given["cells"]):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
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


def test_what_this_runtime_does_not_support(identity: bytes, tmp_path: Path) -> None:
    def opset(model: Any) -> None:
        model.opset_import[0].version = 99

    def format(model: Any) -> None:
        model.ir_version = 99

    def operator(model: Any) -> None:
        model.graph.node[1].op_type = "Frobnicate"

    path = tmp_path / "style.onnx"
    with pytest.raises(StyleError, match=r"style\.onnx: made for opset 99, which ONNX Runtime .* does not support"):
        OrtSession(changed(identity, path, opset), CPU)
    with pytest.raises(StyleError, match=r"style\.onnx: ONNX format 99; ONNX Runtime .* reads up to"):
        OrtSession(changed(identity, path, format), CPU)
    with pytest.raises(StyleError, match=r"style\.onnx: ONNX Runtime .* cannot run it: .*Frobnicate") as caught:
        OrtSession(changed(identity, path, operator), CPU)
    assert "\n" not in str(caught.value)


def test_a_fallback_is_an_error(identity: bytes) -> None:
    """A provider that opens and then leaves the network to the CPU."""
    if not cuda_problem or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs ONNX Runtime's GPU build on a machine without CUDA")
    with pytest.raises(
        RestyleError, match="CUDAExecutionProvider was asked for, but ONNX Runtime used CPUExecutionProvider"
    ):
        OrtSession(identity, OrtDevice(CUDA)).run(cells(1, 2, 2))


def test_the_runtime_prints_nothing(identity: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    provider_problem.__wrapped__(CUDA)
    with pytest.raises(StyleError):
        OrtSession(b"nonsense", CPU)
    assert capfd.readouterr() == ("", "")


def test_messages_are_one_line() -> None:
    text = "[ONNXRuntimeError] : 1 : FAIL : /src/core/graph/model.cc:256 onnxruntime::Model::Model(int) Unsupported\n x"
    assert runtime_message(text) == "Unsupported x"


@pytest.mark.gpu
@pytest.mark.skipif(bool(cuda_problem), reason=f"no CUDA for ONNX Runtime here: {cuda_problem}")
def test_cuda_runs_what_the_cpu_runs(identity: bytes) -> None:
    session = OrtSession(identity, choose_device("cuda"))
    for seed in range(4):
        given = cells(2, 8, 10, seed)
        assert np.array_equal(session.run(given)[0], given["cells"])
