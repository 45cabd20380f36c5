"""The operators of a network in floats, fp32 or fp16."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from realtime.engines.onnx.builder import CODES, GraphBuilder, Size, Value
from realtime.engines.plane_packing import PLANES
from realtime.transnet.folding import PictureNorm
from realtime.transnet.network import FLOOR, MULTIPLE, Contours
from realtime.transnet.texture import FIELD_SIDE, texture_cells


class FloatGraph(GraphBuilder):
    """Adds operators that take and give floats; packed planes may also come as uint8 codes.

    Attributes:
        columns: width of the packed planes: the number, or the name of an int64 (1,). Set by `pack`.
    """

    columns: int | str

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

    # Packed planes

    @property
    def plane_type(self) -> int:
        """ONNX's number for the type of the planes that `pack` takes."""
        return int(self.float_type)

    def packed_input(self, cells: str, size: Size | None) -> Value:
        """Packed uint8 codes (N, h, w, 24 or 28) as the network's input; `size`: (H, W) in pixels where it is known."""
        return Value(self.node("Transpose", cells, name="cells_first", perm=[0, 3, 1, 2]), CODES, cells)

    def rounded_codes(self, x: str) -> str:
        """The network's output as uint8 codes."""
        if self.cpu:
            return self.quantized(x, CODES).name
        kind = np.float16 if self.half else np.float32
        codes = self.clamped(self.node("Round", self.codes(x), name="rounded"), 255, "rounded_limited", kind)
        return self.node("Cast", codes, name="rounded_codes", to=self.onnx.TensorProto.UINT8)

    def codes(self, x: str) -> str:
        """The network's output as codes that are not rounded, where they are floats."""
        return self.node("Add", x, self.center(), name="codes")

    def pack(self, y: str, uv: str, size: Size | None) -> str:
        """Planes as cells of codes, (N, h, w, 24).

        Args:
            y, uv: codes of `plane_type`, (N, 1, H, W) and (N, 2, H/2, W/2), padded to the network's multiple.
            size: (H, W) before the padding, where it is known.
        """
        self.columns = -(-size[1] // MULTIPLE) * MULTIPLE // 4 if size else ""
        self.columns = self.columns or self.node("Div", self.sizes(y, 3), self.integers(4), name="wide")
        self.node("Split", uv, self.integers(1, 1), name="uv_split", outputs=("u_in", "v_in"), axis=1)
        cells = []
        for plane, (_, side) in zip((y, "u_in", "v_in"), PLANES, strict=True):
            split = self.node("Reshape", plane, self.shape(0, -1, side, self.columns, side), name=f"{plane}_split")
            rows = self.node("Transpose", split, name=f"{plane}_rows", perm=[0, 1, 3, 2, 4])
            cells.append(self.node("Reshape", rows, self.integers(0, 0, 0, side**2), name=f"{plane}_cells"))
        return self.node("Concat", *cells, name="cells_in", axis=3)

    def with_texture(self, cells: str, size: Size | None) -> str:
        """Cells of `pack` with the texture plane behind them, (N, h, w, 28): the field from its origin on, repeated.

        Only plain operators: a runtime that knows the size makes a constant of it.
        """
        field = self.constant(texture_cells((0, 0), *[FIELD_SIDE // 2] * 2)[None], "texture_field")
        if self.plane_type != self.onnx.TensorProto.UINT8:
            field = self.node("Cast", field, name="texture_codes", to=self.plane_type)
        side = FIELD_SIDE // 2
        if size is not None:
            h, w = (-(-length // MULTIPLE) * MULTIPLE // 4 for length in size)
            repeats, wanted = self.integers(1, -(-h // side), -(-w // side), 1), self.integers(h, w)
        else:
            wanted = self.sizes(cells, 1, 2)
            more = self.node("Add", wanted, self.integers(side - 1), name="texture_more")
            times = self.node("Div", more, self.integers(side), name="texture_times")
            repeats = self.shape(1, times, 1)
        tiled = self.node("Tile", field, repeats, name="texture_repeated")
        part = self.node("Slice", tiled, self.integers(0, 0), wanted, self.integers(1, 2), name="texture_part")
        if size is None:
            part = self.node("Expand", part, self.shape(self.sizes(cells, 0), 1, 1, 1), name="texture_cells")
        return self.node("Concat", cells, part, name="cells_with_texture", axis=3)

    def packed(self, cells: str, size: Size | None) -> Value:
        """Cells of `pack` as the network's input."""
        packed = FloatGraph.packed_input(self, cells, size)
        if self.plane_type == self.onnx.TensorProto.UINT8:
            return packed
        return Value(self.centered(packed.name, "cells"))

    def unpack(self, codes: str) -> tuple[str, str]:
        """The inverse of `pack`, of codes (N, 24, h, w) of any type."""
        cells = self.node("Transpose", codes, name="cells_last", perm=[0, 2, 3, 1])
        names, counts = ("y_out", "u_out", "v_out"), self.integers(*(side**2 for _, side in PLANES))
        self.node("Split", cells, counts, name="cells_split", outputs=tuple(f"{name}_cells" for name in names), axis=3)
        planes = []
        for name, (_, side) in zip(names, PLANES, strict=True):
            split = self.node("Reshape", f"{name}_cells", self.integers(0, 0, 0, side, side), name=f"{name}_split")
            rows = self.node("Transpose", split, name=f"{name}_rows", perm=[0, 1, 3, 2, 4])
            width = self.times(self.columns, side, f"wide_{side}")
            planes.append(self.node("Reshape", rows, self.shape(0, 1, -1, width), name=name))
        return planes[0], self.node("Concat", *planes[1:], name="uv_out", axis=1)


def equal_phases(conv: nn.Conv2d, phases: tuple[int, ...]) -> bool:
    """Whether all output channels of a plane are computed alike, up to rounding. `phases`: channels of each plane."""
    if len(set(phases)) != 1:
        return False
    assert conv.bias is not None
    parts = (part.detach().unflatten(0, (-1, phases[0])) for part in (conv.weight, conv.bias))
    return all(float((part - part[:, :1]).abs().max()) <= 1e-6 * float(part.abs().max()) for part in parts)
