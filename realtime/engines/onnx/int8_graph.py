"""The operators of a network in integers.

Activations are uint8 with one scale for each tensor, weights int8 with one for each output channel. They are written as
QuantizeLinear and DequantizeLinear around plain operators ("QDQ"): a runtime joins these into integer operators or,
where it has none, computes in floats. A picture's codes are integers already: the first convolution takes them and the
last one gives them without loss.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realtime.engines.onnx.builder import Quantization, Size, Value
from realtime.engines.onnx.float_graph import FloatGraph
from realtime.engines.plane_packing import PLANES
from realtime.transnet.network import PLANE_CHANNELS, Contours

MAX_WEIGHT = 63
"""Largest int8 weight. Seven bits: processors without VNNI add two products in 16 bits, and 2 * 255 * 63 fits."""


class Int8Graph(FloatGraph):
    """Adds operators that take and give uint8. Where ReLU follows, and at the end, results stay floats.

    Args:
        quantizations: of each step of the network (`realtime.engines.onnx.calibration`).
    """

    def __init__(self, quantizations: Mapping[str, Quantization]) -> None:
        super().__init__(cpu=True)
        self._quantizations = quantizations

    def activation(self, x: str, step: str) -> Value:
        return self.quantized(x, self._quantizations[step])

    def parameters(
        self, weight: np.ndarray, bias: np.ndarray, x: Value, phases: tuple[int, ...], name: str
    ) -> tuple[str, str]:
        """Weight and bias as integers with a scale for each plane of phases."""
        assert x.quantization is not None
        phases = phases or (1,) * len(weight)
        parts = [integer_weights(plane) for plane in np.split(weight, np.cumsum(phases)[:-1])]
        codes = np.concatenate([codes for codes, _ in parts])
        scale = np.repeat([scale for _, scale in parts], phases).astype(np.float32)
        bias_scale = scale * np.float32(x.quantization.scale)
        bias_codes = np.clip(np.rint(bias / bias_scale), -(2**31) + 128, 2**31 - 128).astype(np.int32)
        return (
            self.dequantized_rows(codes, scale, f"{name}_weight"),
            self.dequantized_rows(bias_codes, bias_scale, f"{name}_bias"),
        )

    def contours(self, x: Value, contours: Contours, step: str) -> Value:
        """Contour planes, from integer sums of codes: all taps of a plane are equal, so three sums are enough."""
        name = f"net_{step}"
        assert x.quantization is not None and x.channels_last
        weight, bias = (v.detach().cpu().float().numpy() for v in (contours.weight, contours.bias))
        taps = np.ascontiguousarray(weight[:, [channels.start for channels, _ in PLANES], 0, 0].T)  # (3, waves)
        # a network with contours has no texture plane
        ones = np.zeros((2 * PLANE_CHANNELS, len(PLANES)), np.int8)
        for plane, (channels, _) in enumerate(PLANES):
            ones.reshape(2, PLANE_CHANNELS, -1)[:, channels, plane] = 1
        pairs = self.node("Reshape", x.channels_last, self.integers(0, 0, -1, len(ones)), name=f"{name}_pairs")
        parts = self.constant(ones, f"{name}_ones"), self.constant(np.uint8(x.quantization.zero_point))
        sums = self.node("MatMulInteger", pairs, *parts, name=f"{name}_sums_of_rows")
        end, axis, step_2 = self.integers(2**31), self.integers(1), self.integers(2)
        rows = [self.node("Slice", sums, self.integers(n), end, axis, step_2, name=f"{name}_row_{n}") for n in (0, 1)]
        total = self.node("Add", *rows, name=f"{name}_sums")
        total = self.node("Cast", total, name=f"{name}_floats", to=self.onnx.TensorProto.FLOAT)
        phases = self.node("MatMul", total, self.constant(taps, f"{name}_weight"), name=f"{name}_turns")
        phases = self.node("Add", phases, self.constant(bias, f"{name}_bias"), name=f"{name}_phases")
        waves = self.activation(self.sine_and_cosine(phases, name, axis=3), step)
        return Value(self.node("Transpose", waves.name, name=name, perm=[0, 3, 1, 2]), waves.quantization)

    def repeated(self, x: Value, side: int, channels: int, name: str) -> Value:
        # with the channels last, where whole pixels and whole rows are copied
        last = self.node("Transpose", x.name, name=f"{name}_last", perm=[0, 2, 3, 1])
        pixels = self.node("Concat", *[last] * side, name=f"{name}_pixels", axis=3)
        rows = self.node("Reshape", pixels, self.integers(0, 0, 1, -1), name=f"{name}_row")
        rows = self.node("Concat", *[rows] * side, name=f"{name}_rows", axis=2)
        whole = self.node("Reshape", rows, self.shape(0, -1, self.columns, channels), name=f"{name}_whole")
        # shape inference cannot find the channels, and runtimes choose kernels by them
        uint8, shape = self.onnx.TensorProto.UINT8, (None, None, None, channels)
        self.shape_hints.append(self.onnx.helper.make_tensor_value_info(whole, uint8, shape))
        return Value(self.node("Transpose", whole, name=name, perm=[0, 3, 1, 2]), x.quantization)

    @property
    def plane_type(self) -> int:
        return int(self.onnx.TensorProto.UINT8)

    def packed_input(self, cells: str, size: Size | None) -> Value:
        self.columns = size[1] // 4 if size else self.sizes(cells, 2)
        return super().packed_input(cells, size)

    def codes(self, x: str) -> str:
        return self.rounded_codes(x)


def integer_weights(plane: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights of one plane's phases as integers with one scale.

    Where the taps of every input sum to the same value in all phases (`equalise_phases`), the integers do too. Rounded
    one by one they would not, and a flat area would show the cells as a grid.

    Args:
        plane: (phases, inputs, kh, kw).

    Returns:
        int8 of the same shape, and the scale.
    """
    scale = float(np.abs(plane).max()) / MAX_WEIGHT or 1.0
    exact = (plane / scale).reshape(*plane.shape[:2], -1)
    codes, sums = np.rint(exact), exact.sum(2)
    if len(plane) > 1 and np.allclose(sums, sums[:1], atol=1e-3):
        below = np.floor(exact)
        missing = np.rint(sums.mean(0)) - below.sum(2)  # so many taps are rounded up: those with the largest remainder
        rank = np.argsort(np.argsort(below - exact, axis=2, kind="stable"), axis=2)
        codes = below + (rank < missing[..., None])
    return np.clip(codes, -MAX_WEIGHT, MAX_WEIGHT).astype(np.int8).reshape(plane.shape), scale
