"""The engine paints in both runtimes what the PyTorch engine paints, and runs other people's networks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.openvino_session import openvino_problem, openvino_runtime
from realtime.engines.onnx.ort_session import ort_runtime
from realtime.engines.onnx.providers import CUDA, provider_problem
from realtime.engines.onnx.session import Runtime
from realtime.engines.torch.device import cpu_has_bf16
from realtime.errors import InputError, StyleError
from realtime.frames import ColorTags, Frame
from realtime.media.convert.rgb import rgb_from_frame
from realtime.options import PaintOptions
from realtime.transnet.network import identity_network
from tests.helpers.frames import COLORS, difference, frame, soft_frame
from tests.helpers.networks import FLAT, codes, exact, exported, mean_difference, mild_network, rgb_network

needs_openvino = pytest.mark.skipif(bool(openvino_problem()), reason=openvino_problem() or "it is there")
both_runtimes = pytest.mark.parametrize(
    "runtime", [ort_runtime, pytest.param(openvino_runtime, marks=needs_openvino)], ids=["onnx", "openvino"]
)
MakeRuntime = Callable[[str], Runtime]


@pytest.fixture(scope="module")
def identity_engines() -> Any:
    made = {p: OnnxEngine(identity_network(), ort_runtime("cpu"), precision=p, threads=2) for p in ("fp32", "int8")}  # type: ignore[arg-type]
    yield made
    for engine in made.values():
        engine.close()


@settings(max_examples=20)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["fp32", "int8"]), st.integers(1, 5))
def test_identity_at_any_size(
    identity_engines: dict[str, OnnxEngine], height: int, width: int, precision: str, batch: int
) -> None:
    frames = [frame(height, width, seed) for seed in range(batch)]
    for a, b in zip(frames, identity_engines[precision].stylize(frames), strict=True):
        assert (b.y.shape, b.u.shape) == (a.y.shape, a.u.shape)
        assert difference(a, b) == 0
        assert (b.pts, b.duration, b.time_base, b.color) == (a.pts, a.duration, a.time_base, a.color)


@needs_openvino
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("height", "width", "batch"), [(1, 1, 1), (33, 46, 3), (64, 48, 2)])
def test_identity_in_openvino(precision: Any, height: int, width: int, batch: int) -> None:
    frames = [frame(height, width, seed) for seed in range(batch)]
    with OnnxEngine(identity_network(), openvino_runtime(), precision=precision, threads=2) as engine:
        for a, b in zip(frames, engine.stylize(frames), strict=True):
            assert difference(a, b) == 0
            assert (b.pts, b.color) == (a.pts, a.color)


@both_runtimes
@pytest.mark.parametrize("color", COLORS, ids=str)
@pytest.mark.parametrize(("precision", "most"), [("fp32", 0.02), ("bf16", 2), ("int8", 3)])
def test_it_paints_what_pytorch_paints(runtime: MakeRuntime, color: ColorTags, precision: Any, most: float) -> None:
    where = runtime("cpu")
    if precision not in where.precisions or (precision == "bf16" and not cpu_has_bf16()):
        pytest.skip(f"{where.title} does not compute in {precision} here")
    network = mild_network(FLAT)
    frames = [frame(50, 66, seed, color) for seed in range(3)]
    with OnnxEngine(network, where, precision=precision, threads=2) as engine:
        for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
            assert mean_difference(a, b) < most


@needs_openvino
@pytest.mark.skipif(not cpu_has_bf16(), reason="this processor has no bf16")
def test_contours_stay_exact_in_bf16() -> None:
    """Their phases are many turns wide: in bf16 they would be noise."""
    network = mild_network()
    frames = [soft_frame(64, 80, seed, COLORS[0]) for seed in range(2)]
    with OnnxEngine(network, openvino_runtime(), precision="bf16", threads=1) as engine:
        for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
            assert mean_difference(a, b) < 2


def test_one_frame_and_many_are_painted_alike() -> None:
    frames = [frame(40, 48, seed) for seed in range(7)]
    with OnnxEngine(mild_network(FLAT), ort_runtime("cpu"), precision="int8", threads=3) as engine:
        together = engine.stylize(frames)
        finish = engine.begin(frames)
        one_by_one = [engine.stylize([f])[0] for f in frames]
        for a, b, c in zip(together, one_by_one, finish(), strict=True):
            assert difference(a, b) == 0 == difference(a, c)
        assert engine.stylize([]) == [] == engine.begin([])()


@pytest.mark.parametrize("threads", [1, 10])
def test_workers_trace_their_own_call(threads: int) -> None:
    traced: list[tuple[str, int]] = []

    def trace(name: str, frames: Any, began: float, ended: float) -> None:
        assert ended >= began
        traced.append((name, len(frames)))

    with OnnxEngine(identity_network(), ort_runtime("cpu"), threads=threads) as engine:
        assert engine.ahead == 1
        frames = [frame(16, 16, seed) for seed in range(3)]
        finish = engine.begin(frames, trace=trace)
        engine.begin(frames)()
        finish()
    assert traced == [("paint", 1)] * 3


@both_runtimes
def test_a_closed_engine_has_no_threads(runtime: MakeRuntime) -> None:
    before = set(threading.enumerate())
    engine = OnnxEngine(identity_network(), runtime("cpu"), precision="fp32", threads=2)
    engine.stylize([frame(16, 16, seed) for seed in range(2)])
    assert len(set(threading.enumerate()) - before) == 2
    engine.close()
    assert set(threading.enumerate()) == before
    engine.close()


@pytest.mark.parametrize(("threads", "batch"), [(1, 1), (2, 2), (20, 8)])
def test_cores_become_frames_side_by_side(threads: int, batch: int) -> None:
    before = torch.get_num_threads()
    with OnnxEngine(identity_network(), ort_runtime("cpu"), threads=threads) as engine:
        assert engine.batch == batch
        frames = [frame(24, 32, seed) for seed in range(5)]
        assert all(difference(a, b) == 0 for a, b in zip(frames, engine.stylize(frames), strict=True))
    assert torch.get_num_threads() == before


def test_strength_and_color() -> None:
    source = frame(32, 48)
    with OnnxEngine(mild_network(FLAT), ort_runtime("cpu"), precision="fp32", threads=1) as engine:

        def paint(**options: Any) -> Frame:
            return engine.stylize([source], PaintOptions(**options))[0]

        full, half, kept = paint(), paint(strength=0.5), paint(keep_color=True)
        assert difference(paint(strength=0), source) == 0
    assert np.abs(codes(half) - (codes(full) + codes(source)) / 2).max() <= 1
    assert np.array_equal(kept.u, source.u) and np.array_equal(kept.v, source.v)
    assert np.array_equal(kept.y, full.y)


def test_what_it_says_of_itself() -> None:
    with OnnxEngine(identity_network(), ort_runtime("cpu"), precision="int8", threads=2, notes=["a note"]) as engine:
        assert (engine.backend, engine.device, engine.precision) == ("onnx", "cpu", "int8")
        assert engine.description == "onnx on cpu (CPUExecutionProvider), int8, 2 threads"
        assert engine.notes == ("a note",)


@both_runtimes
@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_precisions_that_a_runtime_does_not_have(runtime: MakeRuntime, precision: Any) -> None:
    with pytest.raises(InputError, match=f"precision '{precision}': .* takes auto, .*fp32.*int8"):
        OnnxEngine(identity_network(), runtime("cpu"), precision=precision)


# Exported files


@both_runtimes
@pytest.mark.parametrize("options", [{}, {"input": "rgb"}, {"input": "rgb", "uint8": True}], ids=str)
@pytest.mark.parametrize("color", COLORS, ids=str)
def test_exported_files_run(tmp_path: Path, runtime: MakeRuntime, options: dict[str, Any], color: ColorTags) -> None:
    network = mild_network(FLAT)
    frames = [soft_frame(45, 62, seed, color) for seed in range(3)]
    with OnnxEngine(exported(tmp_path, network, **options), runtime("cpu"), threads=2) as engine:
        assert engine.style is not None and not engine.foreign
        assert (engine.style.label, engine.style.architecture) == ("A Title, A Painter, 1889", FLAT)
        for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
            assert mean_difference(a, b) < 1.6  # codes of another meaning, or RGB, in 8 bits on the way
            assert a.color == b.color
        assert engine.notes == ()


@pytest.mark.parametrize("input", ["planes", "rgb"])
def test_a_file_for_one_size_takes_others_by_scaling(tmp_path: Path, input: Any) -> None:
    path = exported(tmp_path, identity_network(), input=input, static=(64, 48))
    with OnnxEngine(path, ort_runtime("cpu"), threads=1) as engine:
        source = soft_frame(96, 128, 0, COLORS[0])
        got = engine.stylize([source, source])
        assert len(got) == 2 and got[0].y.shape == (96, 128)
        assert mean_difference(source, got[0]) < 12  # half the size and back
        same = soft_frame(48, 64, 0, COLORS[0])
        assert mean_difference(same, engine.stylize([same])[0]) < (3 if input == "rgb" else 1e-9)


def test_a_file_has_its_precision(tmp_path: Path) -> None:
    path = exported(tmp_path, mild_network(FLAT), precision="int8")
    for precision in ("auto", "int8"):
        with OnnxEngine(path, ort_runtime("cpu"), precision=precision) as engine:  # type: ignore[arg-type]
            assert engine.precision == "int8"
    before = threading.active_count()
    with pytest.raises(InputError, match=r"style\.onnx: computes in int8"):
        OnnxEngine(path, ort_runtime("cpu"), precision="fp32")
    assert threading.active_count() == before


def test_metadata_that_do_not_fit_the_network(tmp_path: Path) -> None:
    path = exported(tmp_path, identity_network())

    def open_with(**changes: str) -> None:
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {p.key: p.value for p in model.metadata_props} | changes)
        path.write_bytes(model.SerializeToString())
        OnnxEngine(path, ort_runtime("cpu"))

    with pytest.raises(StyleError, match="network for 'rgb', but takes y, uv and gives styled_y, styled_uv"):
        open_with(input="rgb")
    with pytest.raises(StyleError, match="matrix 'bt1'"):
        open_with(input="planes", matrix="bt1")
    with pytest.raises(StyleError, match="damaged metadata"):
        open_with(matrix="bt709", architecture="{")


# Other people's files, which make the negative of a picture


def distance_from_negative(source: Frame, engine: OnnxEngine) -> float:
    """How far the engine is from the negative, in codes of RGB; edges of colours are soft in 4:2:0."""
    (got,) = engine.stylize([source])
    assert got.y.shape == source.y.shape
    return float(np.abs(rgb_from_frame(got) - (255 - rgb_from_frame(source).astype(float))).mean())


@both_runtimes
@pytest.mark.parametrize("full", [1.0, 255.0])
@pytest.mark.parametrize(
    "shape",
    [("N", 3, "H", "W"), (1, 3, "H", "W"), (4, 3, "H", "W"), ("N", "H", "W", 3), (None, None, None, None)],
    ids=str,
)
def test_plain_networks_run(tmp_path: Path, runtime: MakeRuntime, full: float, shape: tuple[Any, ...]) -> None:
    path = rgb_network(tmp_path / "somebody.onnx", full=full, shape=shape)
    with OnnxEngine(path, runtime("cpu"), threads=2) as engine:
        assert engine.notes == (f"taken for a network on RGB in 0..{full:g}",)
        assert engine.style is not None and engine.style.name == "somebody" and engine.foreign
        assert distance_from_negative(soft_frame(45, 62, 1, COLORS[1]), engine) < 4
        assert len(engine.stylize([soft_frame(24, 32, seed, COLORS[1]) for seed in range(5)])) == 5


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_other_types_of_numbers(tmp_path: Path, kind: int) -> None:
    with OnnxEngine(rgb_network(tmp_path / "x.onnx", kind=kind), ort_runtime("cpu"), threads=1) as engine:
        assert engine.precision == ("fp16" if kind == TensorProto.FLOAT16 else "fp32")
        assert distance_from_negative(soft_frame(40, 56, 1, COLORS[1]), engine) < 4


def test_one_size_only(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx", shape=(1, 3, 48, 64))
    with OnnxEngine(path, ort_runtime("cpu"), threads=1) as engine:
        assert "it takes 64x48 only: frames are scaled to that and back" in engine.notes[0]
        assert distance_from_negative(soft_frame(48, 64, 1, COLORS[1]), engine) < 4
        assert distance_from_negative(soft_frame(96, 128, 1, COLORS[1]), engine) < 25


def test_a_network_that_gives_a_few_pixels_more(tmp_path: Path) -> None:
    with OnnxEngine(rgb_network(tmp_path / "x.onnx", grow=4), ort_runtime("cpu"), threads=1) as engine:
        assert distance_from_negative(soft_frame(40, 56, 1, COLORS[1]), engine) < 4


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"shape": ("N", 4, "H", "W")}, r"must take one RGB picture.*it has input1 \(N, 4, H, W\)"),
        ({"kind": TensorProto.INT64}, "must take one RGB picture"),
        ({"shape": ("N", 3, 64, "W")}, "only one side fixed"),
        ({"grow": 64}, "128x128 for 64x64"),
    ],
    ids=str,
)
def test_what_is_no_style_network(tmp_path: Path, options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InputError, match=wanted) as caught:
        OnnxEngine(rgb_network(tmp_path / "x.onnx", **options), ort_runtime("cpu"))
    assert "\n" not in str(caught.value)


def test_a_network_with_two_inputs_is_refused(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx")
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    with pytest.raises(StyleError, match=r"one RGB picture.*mask \(1\)"):
        OnnxEngine(path, ort_runtime("cpu"))


def test_a_network_that_fails_in_the_trial_run_is_refused(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx", shape=("N", 3, "H", "W"))
    model = onnx.load(path)
    model.graph.node.insert(0, onnx.helper.make_node("Reshape", ["input1", "odd"], ["reshaped"]))
    model.graph.node[1].input[0] = "reshaped"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 7, 7]), "odd"))
    onnx.save(model, path)
    wanted = r"x\.onnx: a trial run failed: .*ONNX Runtime failed on input1 \(1, 3, 64, 64\)"
    with pytest.raises(StyleError, match=wanted):
        OnnxEngine(path, ort_runtime("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(bool(provider_problem(CUDA)), reason=f"no CUDA here: {provider_problem(CUDA)}")
def test_cuda_paints_what_pytorch_paints() -> None:
    network = mild_network(FLAT)
    frames = [frame(50, 66, seed) for seed in range(3)]
    with OnnxEngine(network, ort_runtime("cuda")) as engine:
        for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
            assert mean_difference(a, b) < 1
        assert "CUDAExecutionProvider" in engine.description
