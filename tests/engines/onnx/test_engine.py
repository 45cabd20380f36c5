"""The ONNX engine paints what the PyTorch engine paints; and runs other people's networks as they are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from export.onnx_export import export_onnx
from realtime.engines.base import Overlapping
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.sessions import why_not
from realtime.errors import InputError, StyleError
from realtime.frames import ColorTags, Frame
from realtime.media.convert.rgb import frame_from_rgb, rgb_from_frame
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import TransNet, identity_network
from tests.engines.torch.test_engine import difference, frame
from tests.helpers.networks import FLAT, codes, exact, mean_difference, mild_network, rgb_network

COLORS = [ColorTags("bt709", "limited"), ColorTags("bt601", "full"), ColorTags("bt2020", "limited")]

identity_engines = {p: OnnxEngine(identity_network(), device="cpu", precision=p, threads=2) for p in ("fp32", "int8")}  # type: ignore[arg-type]


@settings(max_examples=20)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["fp32", "int8"]), st.integers(1, 5))
def test_identity_at_any_size(height: int, width: int, precision: str, batch: int) -> None:
    frames = [frame(height, width, seed) for seed in range(batch)]
    for a, b in zip(frames, identity_engines[precision].stylize(frames), strict=True):
        assert (b.y.shape, b.u.shape) == (a.y.shape, a.u.shape)
        assert difference(a, b) == 0
        assert (b.pts, b.duration, b.time_base, b.color) == (a.pts, a.duration, a.time_base, a.color)


@pytest.mark.parametrize("color", COLORS, ids=str)
@pytest.mark.parametrize(("precision", "most"), [("fp32", 0.02), ("int8", 3)])
def test_it_paints_what_pytorch_paints(color: ColorTags, precision: Any, most: float) -> None:
    network = mild_network(FLAT)
    frames = [frame(50, 66, seed, color) for seed in range(3)]
    engine = OnnxEngine(network, device="cpu", precision=precision, threads=2)
    for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
        assert mean_difference(a, b) < most


def test_one_frame_and_many_are_painted_alike() -> None:
    network = mild_network(FLAT)
    engine = OnnxEngine(network, device="cpu", precision="int8", threads=3)
    frames = [frame(40, 48, seed) for seed in range(7)]
    together = engine.stylize(frames)
    begun = engine.begin(frames)
    apart = [engine.stylize([f])[0] for f in frames]
    for a, b, c in zip(together, apart, begun(), strict=True):
        assert difference(a, b) == 0 == difference(a, c)
    assert engine.stylize([]) == [] == engine.begin([])()


def test_the_pipeline_takes_it_for_an_engine_that_overlaps() -> None:
    """Without every attribute of the protocol it would wait for each batch, and nobody would notice."""
    engine = OnnxEngine(identity_network(), device="cpu", threads=2)
    assert isinstance(engine, Overlapping) and engine.ahead == 1


def test_workers_tell_what_they_do() -> None:
    engine = OnnxEngine(identity_network(), device="cpu", threads=2)
    told: list[tuple[str, int]] = []
    engine.trace = lambda name, frames, begin, end: told.append((name, len(frames))) if end >= begin else None
    engine.stylize([frame(16, 16, seed) for seed in range(3)])
    engine.stylize([frame(16, 16)])
    assert told == [("paint", 1)] * 4


@pytest.mark.parametrize(("threads", "batch"), [(1, 1), (2, 2), (20, 8)])
def test_cores_become_frames_side_by_side(threads: int, batch: int) -> None:
    before = torch.get_num_threads()
    engine = OnnxEngine(identity_network(), device="cpu", threads=threads)
    assert engine.batch == batch
    frames = [frame(24, 32, seed) for seed in range(5)]
    assert all(difference(a, b) == 0 for a, b in zip(frames, engine.stylize(frames), strict=True))
    assert torch.get_num_threads() == before


def test_strength_and_colour() -> None:
    network = mild_network(FLAT)
    engine = OnnxEngine(network, device="cpu", precision="fp32", threads=1)
    source = frame(32, 48)
    full = engine.stylize([source])[0]
    assert difference(engine.stylize([source], strength=0)[0], source) == 0
    half = engine.stylize([source], strength=0.5)[0]
    assert np.abs(codes(half) - (codes(full) + codes(source)) / 2).max() <= 1
    kept = engine.stylize([source], keep_color=True)[0]
    assert np.array_equal(kept.u, source.u) and np.array_equal(kept.v, source.v)
    assert np.array_equal(kept.y, full.y)


def test_what_it_says_of_itself() -> None:
    engine = OnnxEngine(identity_network(), device="cpu", precision="int8", threads=2)
    assert (engine.backend, engine.device, engine.precision) == ("onnx", "cpu", "int8")
    engine.stylize([frame(16, 16)])
    assert engine.description == "onnx on cpu (CPUExecutionProvider), int8, 2 threads"
    assert engine.notes == []


def test_precisions_and_devices_that_are_not_to_be_had() -> None:
    network = identity_network()
    for precision, wanted in (("fp16", "fp32 or int8"), ("bf16", "--backend torch"), ("int4", "fp32 or int8")):
        with pytest.raises(InputError, match=wanted):
            OnnxEngine(network, device="cpu", precision=precision)  # type: ignore[arg-type]
    for options in ({"batch": 0}, {"threads": 0}, {"device": "gpu"}):
        with pytest.raises(InputError, match=next(iter(options))):
            OnnxEngine(network, **{"device": "cpu", **options})  # type: ignore[arg-type]


# Our own files


def exported(folder: Path, network: TransNet, **options: Any) -> Path:
    checkpoint = folder / "style.safetensors"
    save_checkpoint(checkpoint, network, StyleCard("style", "A Title", "A Painter", 1889, network.architecture))
    path = folder / "style.onnx"
    export_onnx(checkpoint, path, overwrite=True, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"input": "rgb"}, {"input": "rgb", "uint8": True}], ids=str)
@pytest.mark.parametrize("color", COLORS, ids=str)
def test_exported_files_run(tmp_path: Path, options: dict[str, Any], color: ColorTags) -> None:
    network = mild_network(FLAT)
    engine = OnnxEngine(exported(tmp_path, network, **options), device="cpu", threads=2)
    assert engine.style is not None
    assert (engine.style.label, engine.style.architecture) == ("A Title, A Painter, 1889", FLAT)
    frames = [soft(45, 62, seed, color) for seed in range(3)]
    for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
        assert mean_difference(a, b) < 1.6  # numbers of another meaning, or RGB, in 8 bits on the way
        assert a.color == b.color
    assert engine.notes == []


def soft(height: int, width: int, seed: int, color: ColorTags) -> Frame:
    """A picture without the colours of noise, which no RGB has."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    rgb = np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1)[:height, :width])
    return frame_from_rgb(rgb, matrix=color.matrix, value_range=color.range)


@pytest.mark.parametrize("input", ["planes", "rgb"])
def test_a_file_for_one_size_takes_all_by_scaling(tmp_path: Path, input: Any) -> None:
    engine = OnnxEngine(exported(tmp_path, identity_network(), input=input, static=(64, 48)), device="cpu", threads=1)
    source = soft(96, 128, 0, COLORS[0])
    got = engine.stylize([source, source])
    assert len(got) == 2 and got[0].y.shape == (96, 128)
    assert mean_difference(source, got[0]) < 12  # half the size and back
    same = soft(48, 64, 0, COLORS[0])
    assert mean_difference(same, engine.stylize([same])[0]) < (3 if input == "rgb" else 1e-9)


def test_a_file_has_its_precision(tmp_path: Path) -> None:
    path = exported(tmp_path, mild_network(FLAT), precision="int8")
    assert OnnxEngine(path, device="cpu").precision == "int8"
    assert OnnxEngine(path, device="cpu", precision="int8").precision == "int8"
    with pytest.raises(InputError, match=r"style\.onnx: computes in int8"):
        OnnxEngine(path, device="cpu", precision="fp32")


def test_metadata_that_do_not_fit_the_network(tmp_path: Path) -> None:
    path = exported(tmp_path, identity_network())

    def with_metadata(**changes: str) -> None:
        model = onnx.load(path)
        said = {p.key: p.value for p in model.metadata_props} | changes
        onnx.helper.set_model_props(model, said)
        path.write_bytes(model.SerializeToString())

    with_metadata(input="rgb")
    with pytest.raises(StyleError, match="network for 'rgb', but takes y, uv and gives styled_y, styled_uv"):
        OnnxEngine(path, device="cpu")
    with_metadata(input="planes", matrix="bt1")
    with pytest.raises(StyleError, match="matrix 'bt1'"):
        OnnxEngine(path, device="cpu")
    with_metadata(matrix="bt709", architecture="{")
    with pytest.raises(StyleError, match="damaged metadata"):
        OnnxEngine(path, device="cpu")


# Other people's files: the negative of a picture


def negative(source: Frame, engine: OnnxEngine) -> float:
    """How far the engine is from the negative, in codes of RGB; edges of colours are soft in 4:2:0."""
    (got,) = engine.stylize([source])
    assert got.y.shape == source.y.shape
    want = 255 - rgb_from_frame(source).astype(float)
    return float(np.abs(rgb_from_frame(got) - want).mean())


@pytest.mark.parametrize("full", [1.0, 255.0])
@pytest.mark.parametrize(
    "shape",
    [("N", 3, "H", "W"), (1, 3, "H", "W"), (4, 3, "H", "W"), ("N", "H", "W", 3), (None, None, None, None)],
    ids=str,
)
def test_plain_networks_run(tmp_path: Path, full: float, shape: tuple[Any, ...]) -> None:
    engine = OnnxEngine(rgb_network(tmp_path / "somebody.onnx", full=full, shape=shape), device="cpu", threads=2)
    assert engine.notes == [f"taken for a network on RGB in 0..{full:g}"]
    assert engine.style is not None and engine.style.name == "somebody"
    assert negative(soft(45, 62, 1, COLORS[1]), engine) < 4
    frames = [soft(24, 32, seed, COLORS[1]) for seed in range(5)]
    assert len(engine.stylize(frames)) == 5


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_other_types_of_numbers(tmp_path: Path, kind: int) -> None:
    engine = OnnxEngine(rgb_network(tmp_path / "x.onnx", kind=kind), device="cpu", threads=1)
    assert engine.precision == ("fp16" if kind == TensorProto.FLOAT16 else "fp32")
    assert negative(soft(40, 56, 1, COLORS[1]), engine) < 4


def test_one_size_only(tmp_path: Path) -> None:
    engine = OnnxEngine(rgb_network(tmp_path / "x.onnx", shape=(1, 3, 48, 64)), device="cpu", threads=1)
    assert "it takes 64x48 only: frames are scaled to that and back" in engine.notes[0]
    assert negative(soft(48, 64, 1, COLORS[1]), engine) < 4
    assert negative(soft(96, 128, 1, COLORS[1]), engine) < 25


def test_a_network_that_gives_a_few_pixels_more(tmp_path: Path) -> None:
    engine = OnnxEngine(rgb_network(tmp_path / "x.onnx", grow=4), device="cpu", threads=1)
    assert negative(soft(40, 56, 1, COLORS[1]), engine) < 4


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
        OnnxEngine(rgb_network(tmp_path / "x.onnx", **options), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_network_with_two_inputs_is_refused(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx")
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    with pytest.raises(StyleError, match=r"one RGB picture.*mask \(1\)"):
        OnnxEngine(path, device="cpu")


def test_a_network_that_fails_on_trial_is_refused(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "x.onnx", shape=("N", 3, "H", "W"))
    model = onnx.load(path)
    model.graph.node.insert(0, onnx.helper.make_node("Reshape", ["input1", "odd"], ["reshaped"]))
    model.graph.node[1].input[0] = "reshaped"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 7, 7]), "odd"))
    onnx.save(model, path)
    with pytest.raises(
        StyleError, match=r"x\.onnx: a trial run failed: .*ONNX Runtime failed on input1 \(1, 3, 64, 64\)"
    ):
        OnnxEngine(path, device="cpu")


@pytest.mark.gpu
@pytest.mark.skipif(bool(why_not("CUDAExecutionProvider")), reason=f"no CUDA here: {why_not('CUDAExecutionProvider')}")
def test_cuda_paints_what_pytorch_paints() -> None:
    network = mild_network(FLAT)
    frames = [frame(50, 66, seed) for seed in range(3)]
    engine = OnnxEngine(network, device="cuda")
    for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
        assert mean_difference(a, b) < 1
    assert "CUDAExecutionProvider" in engine.description
