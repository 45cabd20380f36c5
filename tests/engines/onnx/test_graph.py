"""The graph computes what the network computes: for any size, input and output, in floats and in integers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.onnx_check import Reference
from realtime.engines.onnx.builder import Quantization
from realtime.engines.onnx.calibration import Calibration, calibrate
from realtime.engines.onnx.channel_balancing import balanced
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.engines.onnx.graph import RGB_CODES, GraphIo, build
from realtime.engines.onnx.int8_graph import integer_weights
from realtime.errors import RestyleError
from realtime.transnet.folding import TRAINED_IN, FoldedTransNet, fold
from realtime.transnet.network import Architecture, TransNet, equalise_phases, identity_network
from tests.helpers.networks import SMALL, mild_network
from tests.helpers.textured import LOCAL, textured_network
from tests.helpers.transnets import BODIES

IO: list[GraphIo] = ["planes", "rgb", "rgb-uint8"]


def session(model: Any) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def built(network: TransNet, io: GraphIo, calibration: Calibration | None = None, **options: Any) -> Any:
    folded = fold(network, *(RGB_CODES if io.startswith("rgb") else TRAINED_IN))
    if calibration is None:
        return build(folded, io=io, **options)
    return build(balanced(folded, calibration.gains), io=io, quantizations=calibration.quantizations, **options)


def inputs(io: GraphIo, n: int, height: int, width: int, channels: int = 24) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(height * width)
    if io == "packed":
        return {"cells": rng.integers(0, 256, (n, height // 4, width // 4, channels), np.uint8)}
    if io == "planes":
        half = (-(-height // 2), -(-width // 2))
        return {
            "y": rng.integers(0, 256, (n, 1, height, width), np.uint8),
            "uv": rng.integers(0, 256, (n, 2, *half), np.uint8),
        }
    rgb = rng.integers(0, 256, (n, 3, height, width), np.uint8)
    return {"rgb": rgb if io == "rgb-uint8" else (rgb / 255).astype(np.float32)}


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("io", IO)
def test_every_network_is_computed_as_pytorch_does(body: dict[str, Any], io: GraphIo) -> None:
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), **body))
    given = inputs(io, 2, 37, 50)
    got = session(built(network, io)).run(None, given)
    want = Reference(network, io)(*(torch.from_numpy(array) for array in given.values()))
    for a, b in zip(got, want, strict=True):
        assert a.shape == tuple(b.shape)
        assert a.dtype == b.numpy().dtype
        difference = np.abs(a.astype(np.float64) - b.double().numpy()) * (255 if io == "rgb" else 1)
        # sums in another order turn a rounding here and there, and contours answer that
        assert difference.mean() < 0.02


@settings(max_examples=25)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 3),
    st.sampled_from(["fp32", "fp16", "int8"]),
    st.booleans(),
)
def test_planes_come_back_unchanged_from_the_identity(
    height: int, width: int, n: int, precision: str, static: bool
) -> None:
    n = 1 if static else n
    calibration = IDENTITY if precision == "int8" else None
    size = (width, height) if static else None
    model = built(identity_network(), "planes", calibration, half=precision == "fp16", static=size)
    given = inputs("planes", n, height, width)
    got = session(model).run(["styled_y", "styled_uv"], given)
    for have, plane in zip(got, given.values(), strict=True):
        # halves hold 11 bits: a code of 255 in units of 1/64 just fits
        assert np.abs(have.astype(int) - plane).max() <= (1 if precision == "fp16" else 0)


IDENTITY = calibrate(identity_network(), generated_pictures())


@pytest.mark.parametrize(
    "network", [mild_network(), textured_network(), textured_network(LOCAL)], ids=["plain", "textured", "local"]
)
@pytest.mark.parametrize("target", ["any", "cpu"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_packed_planes_are_painted_as_pytorch_does(network: TransNet, target: Any, precision: str) -> None:
    """Whatever operators a target gets."""
    calibration = calibrate(network, generated_pictures(4)) if precision == "int8" else None
    given = inputs("packed", 2, 40, 56, network.architecture.inputs)
    model = built(network, "packed", calibration, half=precision == "fp16", target=target)
    (got,) = session(model).run(None, given)
    x = torch.from_numpy(given["cells"]).permute(0, 3, 1, 2).float() - 128
    with torch.inference_mode():
        want = (fold(network)(x) + 128).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    difference = np.abs(got.astype(float) - want)
    assert difference.mean() < {"fp32": 0.01, "fp16": 0.3, "int8": 6}[precision]  # int8 of noise on a random network


@pytest.mark.parametrize("static", [None, (1100, 40), (40, 1100), (16, 16)])
@pytest.mark.parametrize("io", IO)
def test_a_graph_holds_the_texture_plane(io: GraphIo, static: tuple[int, int] | None) -> None:
    """From the picture's corner on, and repeated where the picture is larger than the field."""
    width, height = static or (1100, 40)
    network = textured_network(LOCAL)
    given = inputs(io, 1 if static else 2, height, width)
    got = session(built(network, io, static=static)).run(None, given)
    want = Reference(network, io)(*(torch.from_numpy(array) for array in given.values()))
    for a, b in zip(got, want, strict=True):
        difference = np.abs(a.astype(np.float64) - b.double().numpy()) * (255 if io == "rgb" else 1)
        assert difference.mean() < 0.02
    without = textured_network(LOCAL)
    with torch.no_grad():
        without.stem.weight[:, 24:] = 0
    assert np.abs(session(built(without, io)).run(None, given)[0].astype(float) - got[0]).max() > 1 / 255


@pytest.mark.parametrize(
    "network",
    [mild_network(Architecture(width=8, body=16, dilations=(1, 2), contours=())), textured_network()],
    ids=["plain", "textured"],
)
def test_integers_are_close_on_pictures(network: TransNet) -> None:
    calibration = calibrate(network, generated_pictures())
    (rgb,) = generated_pictures(1, seed=5)[:1]
    got = session(built(network, "rgb", calibration)).run(None, {"rgb": rgb.numpy()})[0]
    (want,) = Reference(network, "rgb")(rgb)
    assert float(np.square(got - want.numpy()).mean()) < 10**-3.5  # 35 dB


@pytest.mark.parametrize("io", [*IO, "packed"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("size", [(64, 48), (45, 30)])
@pytest.mark.parametrize("textured", [False, True])
def test_static_graphs_compute_no_shapes_and_every_graph_is_tidy(
    io: GraphIo, precision: str, size: tuple[int, int], textured: bool
) -> None:
    if io == "packed" and size[0] % 8:
        pytest.skip("packed planes have whole cells")
    network, calibrated = (TEXTURED, TEXTURED_CALIBRATION) if textured else (mild_network(), MILD)
    calibration = calibrated if precision == "int8" else None
    half = precision == "fp16"
    for static in (size, None):
        model = built(network, io, calibration, half=half, static=static)
        session(model)
        kinds = Counter(node.op_type for node in model.graph.node)
        assert not kinds["Identity"]
        if static:
            assert not kinds["Shape"]
            if size[0] % 8 == 0 and io == "planes":
                assert not kinds["Mod"] and len([n for n in model.graph.node if n.name.endswith("_cropped")]) == 0
        taken = {name for node in model.graph.node for name in node.input}
        given = {value.name for value in (*model.graph.initializer, *model.graph.input)}
        made = {name for node in model.graph.node for name in node.output}
        outputs = {value.name for value in model.graph.output}
        assert given <= taken
        assert made <= taken | outputs


MILD = calibrate(mild_network(), generated_pictures(4))
TEXTURED = textured_network()
TEXTURED_CALIBRATION = calibrate(TEXTURED, generated_pictures(4))


def test_the_opset_is_the_oldest_possible() -> None:
    network = fold(mild_network())
    assert [o.version for o in build(network, io="planes").opset_import] == [13]
    assert build(network, io="planes").ir_version <= 7
    for opset in (13, 17, 19, 21):
        session(build(network, io="rgb", opset=opset))


def test_weights_keep_to_seven_bits() -> None:
    """So that the sum of two products fits into 16 bits, which some processors add them in."""
    model = built(mild_network(), "packed", MILD)
    weights = [
        onnx.numpy_helper.to_array(value) for value in model.graph.initializer if value.name.endswith("weight_codes")
    ]
    assert len(weights) == 10  # stem, down, mix, four of the blocks, up, refine, out
    assert all(array.dtype == np.int8 and np.abs(array.astype(int)).max() <= 63 for array in weights)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_no_grid_in_flat_areas(precision: str) -> None:
    """Weights that are rounded one by one would answer a flat picture with a pattern of cells."""
    network = mild_network(Architecture(width=16, body=32, dilations=(1,)))
    calibration = calibrate(network, generated_pictures(2)) if precision == "int8" else None
    run = session(built(network, "packed", calibration))
    colors = np.random.default_rng(0).integers(30, 220, (8, 3), np.uint8)
    cells = colors[:, [0] * 16 + [1] * 4 + [2] * 4][:, None, None].repeat(6, 1).repeat(8, 2)
    (styled,) = run.run(None, {"cells": cells})
    for first, count in ((0, 16), (16, 4), (20, 4)):
        plane = styled[..., first : first + count]
        assert np.ptp(plane.reshape(len(plane), -1), axis=1).max() == 0


@given(st.integers(1, 16), st.integers(1, 5), st.sampled_from([1, 3]), st.integers(0, 1000))
def test_integer_weights_keep_the_sums_of_phases(phases: int, inputs: int, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(phases, inputs, side, side, generator=generator, dtype=torch.float64)
    equal, _ = equalise_phases(weight, torch.zeros(phases, dtype=torch.float64), (phases,))
    codes, scale = integer_weights(equal.numpy())
    assert codes.dtype == np.int8 and np.abs(codes.astype(int)).max() <= 63
    sums = codes.astype(int).sum((2, 3))
    assert (sums == sums[:1]).all()
    assert np.abs(codes * scale - equal.numpy()).max() < 1.001 * scale
    if phases == 1 or side == 1:
        assert np.abs(codes * scale - equal.numpy()).max() < 0.501 * scale


def test_weights_that_are_all_zero() -> None:
    codes, scale = integer_weights(np.zeros((2, 3, 3, 3)))
    assert scale > 0 and not codes.any()


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_a_quantization_holds_its_range(a: float, b: float) -> None:
    low, high = sorted((a, b))
    q = Quantization.for_range(low, high)
    assert 0 <= q.zero_point <= 255
    assert q.scale > 0
    for value in (low, high, 0.0):
        code = min(255, max(0, round(value / q.scale) + q.zero_point))
        assert abs((code - q.zero_point) * q.scale - value) <= 1.01 * q.scale


def test_an_unknown_step_is_named() -> None:
    class Odd(FoldedTransNet):
        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            return torch.tanh(super().forward(planes))

    folded = fold(mild_network(SMALL))
    folded.__class__ = Odd
    with pytest.raises(RestyleError, match="tanh"):
        build(folded, io="planes")


class TurnedBlock(torch.nn.Module):
    """A residual block that adds its terms the other way round."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.first, self.norm, self.relu, self.second = block.first, block.norm, block.relu, block.second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.relu(self.norm(self.first(x))))


def test_the_order_of_terms_in_forward_does_not_matter() -> None:
    """Runtimes compute a sum together with the convolution of its first term, and int8 rounds accordingly."""
    folded = fold(mild_network())
    for turned in (False, True):
        if turned:
            folded.blocks = torch.nn.Sequential(*(TurnedBlock(block) for block in folded.blocks))
        sums = [node.input[0] for node in build(folded, io="packed").graph.node if node.op_type == "Add"]
        assert sums[1:3] == ["net_blocks_0_second", "net_blocks_1_second"]
