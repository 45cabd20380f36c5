"""The operators of a network in floats, fp32 or fp16."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from realtime.engines.onnx.builder import CODES, GraphBuilder, Size, Value
from realtime.engines.plane_packing import PLANES
from realtime.transnet.folding import PictureNorm
from realtime.transnet.network import FLOOR, Contours


class FloatGraph(GraphBuilder):
    """Adds operators that take and give floats. Only packed planes may come as uint8 codes."""

    integer_codes = False
    """Whether `pack` takes and `unpack` gives uint8 codes, instead of floats."""

    def conv(self, x: Value, conv: nn.Conv2d, phases: tuple[int, ...], name: str) -> str:
        """A convolution padded by replication, as floats.

        Where all phases (`NetworkSteps.phases`) are equal, as those of a phase-equalised 1x1 convolution are, only one
        of them is computed, and `upsampled` repeats it.
        """
        pad = conv.padding[0]
        assert isinstance(pad, int) and conv.bias is not None
        if pad:
            if not self.cpu:  # not every runtime pads uint8
                x = Value(self.floats(x, name))
            pads = self.integers(*[0, 0, pad, pad] * 2)
            x = Value(self.node("Pad", x.name, pads, name=f"{name}_pad", mode="edge"), x.quantization)
        data = self.floats(x, name)
        weight, bias = (v.detach().cpu().double().numpy() for v in (conv.weight, conv.bias))
        if equal_phases(conv, phases):
            weight, bias, phases = weight[:: phases[0]], bias[:: phases[0]], ()
        parameters = self.parameters(weight, bias, x, phases, name)
        return self.node("Conv", data, *parameters, name=name, strides=list(conv.stride), dilations=list(conv.dilation))

    def parameters(
        self, weight: np.ndarray, bias: np.ndarray, x: Value, phases: tuple[int, ...], name: str
    ) -> tuple[str, str]:
        """Weight and bias of a convolution of `x`."""
        return self.weights(weight, f"{name}_weight"), self.weights(bias, f"{name}_bias")

    def activation(self, x: str, step: str) -> Value:
        """The result of a step of the network, as the next step takes it."""
        return Value(x)

    def picture_norm(self, x: str, norm: PictureNorm, name: str) -> str:
        """Instance normalisation."""
        weight, bias = (v.detach().cpu().numpy() for v in (norm.weight, norm.bias))
        parameters = self.weights(weight, f"{name}_weight"), self.weights(bias, f"{name}_bias")
        return self.node("InstanceNormalization", x, *parameters, name=name, epsilon=FLOOR)

    def contours(self, x: Value, contours: Contours, step: str) -> Value:
        """Contour planes; in fp32, for their phases are many turns wide."""
        name = f"net_{step}"
        data = self.floats(x, name)
        if self.half:
            data = self.node("Cast", data, name=f"{name}_exact", to=self.onnx.TensorProto.FLOAT)
        weight, bias = (v.detach().cpu().float().numpy() for v in (contours.weight, contours.bias))
        parameters = self.constant(weight, f"{name}_weight"), self.constant(bias, f"{name}_bias")
        phases = self.node("Conv", data, *parameters, name=f"{name}_phases", strides=[2, 2])
        waves = self.sine_and_cosine(phases, name, axis=1)
        return Value(self.node("Cast", waves, name=name, to=self.float_type) if self.half else waves)

    def sine_and_cosine(self, phases: str, name: str, axis: int) -> str:
        """Both, one after the other along an axis."""
        both = [self.node(operator, phases, name=f"{name}_{operator.lower()}") for operator in ("Sin", "Cos")]
        return self.node("Concat", *both, name=f"{name}_waves", axis=axis)

    def upsampled(self, x: Value, conv: nn.Conv2d, side: int, name: str) -> Value:
        """Pixel shuffle of what `conv` gave: where its phases are equal, each pixel `side` times in both directions."""
        if side == 1:
            return x
        if not equal_phases(conv, (side**2,)):
            return Value(self.node("DepthToSpace", x.name, name=name, blocksize=side, mode="CRD"), x.quantization)
        return self.repeated(x, side, conv.out_channels // side**2, name)

    def repeated(self, x: Value, side: int, channels: int, name: str) -> Value:
        """Each pixel `side` times in both directions."""
        scales = self.constant(np.array([1, 1, side, side], np.float32))
        nearest: dict[str, Any] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return Value(self.node("Resize", x.name, "", scales, name=name, **nearest))

    def packed_input(self, name: str, size: Size | None) -> Value:
        """Packed codes, uint8 (N, h, w, 24), as the network's input; `size`: (H, W) in pixels where it is known."""
        return Value(self.node("Transpose", name, name="cells_first", perm=[0, 3, 1, 2]), CODES, name)

    def packed_output(self, x: str, name: str) -> str:
        """The network's output as packed codes."""
        codes = self.quantized(x, CODES).name if self.cpu else self.rounded(self.uncentered(x), "rounded")
        return self.node("Transpose", codes, name=name, perm=[0, 2, 3, 1])

    def pack(self, y: str, uv: str, size: Size | None) -> Value:
        """Planes as the network's input.

        Args:
            y, uv: codes, (N, 1, H, W) and (N, 2, H/2, W/2), padded to the network's multiple.
            size: (H, W) before the padding, where it is known.
        """
        # SpaceToDepth orders channels as (phase, plane), pixel_unshuffle as (plane, phase): the same for one plane
        planes = zip((y, *self.split_uv(uv)), PLANES, strict=True)
        cells = [self.node("SpaceToDepth", plane, name=f"{plane}_cells", blocksize=side) for plane, (_, side) in planes]
        return Value(self.centered(self.node("Concat", *cells, name="cells", axis=1), "cells"))

    def split_uv(self, uv: str) -> tuple[str, str]:
        """U and V, each with one channel."""
        self.node("Split", uv, self.integers(1, 1), name="uv_split", outputs=("u_in", "v_in"), axis=1)
        return "u_in", "v_in"

    def unpack(self, x: str) -> tuple[str, str]:
        """The inverse of `pack`: the network's output as codes, not rounded."""
        self.node(
            "Split",
            self.uncentered(x),
            self.integers(16, 8),
            name="codes_split",
            outputs=("y_codes", "uv_codes"),
            axis=1,
        )
        y = self.node("DepthToSpace", "y_codes", name="y_out", blocksize=4, mode="CRD")
        return y, self.node("DepthToSpace", "uv_codes", name="uv_out", blocksize=2, mode="CRD")


def equal_phases(conv: nn.Conv2d, phases: tuple[int, ...]) -> bool:
    """Whether all output channels of a plane are computed alike, up to rounding. `phases`: channels of each plane."""
    if len(set(phases)) != 1:
        return False
    assert conv.bias is not None
    parts = (part.detach().unflatten(0, (-1, phases[0])) for part in (conv.weight, conv.bias))
    return all(float((part - part[:, :1]).abs().max()) <= 1e-6 * float(part.abs().max()) for part in parts)
