"""A folded TransNet as an ONNX graph: what the ONNX and OpenVINO engines run, and what `restyle export` writes.

The graph is written node by node along the network's own steps (torch.fx), not by PyTorch's exporter: it stays small
and readable, takes any number of pictures of any size, and does not change with the exporter.

Ends (N, H and W are free unless `static` is given):

    planes     y   uint8 (N, 1, H, W)                    ->  styled_y    the same
               uv  uint8 (N, 2, ceil(H/2), ceil(W/2))    ->  styled_uv   the same
    rgb        rgb float32 (N, 3, H, W) in 0..1          ->  styled_rgb  the same
    rgb-uint8  rgb uint8 (N, 3, H, W)                    ->  styled_rgb  the same
    cells      cells uint8 (N, h, w, 24), h, w even      ->  styled      the same: what `torch_engine.pack` makes

The rgb ends make 8-bit 4:2:0 codes inside (BT.709, full range) just as `restyle image` does, so that both paint the
same.

In int8, activations are uint8 with one scale for each value and weights int8 with one for each output channel, written
as QuantizeLinear and DequantizeLinear around plain convolutions: a runtime joins them into integer convolutions or,
where it has none, runs the floats. Codes are whole numbers: the first convolution takes them and the last one gives
them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.fx
from torch import nn

from realtime.errors import InputError, RestyleError
from realtime.frames import Matrix, Range, rgb_to_codes
from realtime.transnet.folding import FoldedTransNet, PictureNorm
from realtime.transnet.network import CENTER, FLOOR, MULTIPLE, PLANE_CHANNELS, ChannelNorm, Contours

Ends = Literal["planes", "rgb", "rgb-uint8", "cells"]
Precision = Literal["fp32", "fp16", "int8"]
Target = Literal["any", "cpu"]

MIN_OPSET = 13
"""ONNX 1.8 (2020): per-channel QuantizeLinear, and every runtime of the last years."""

MIN_OPSET_OF_NORM = 17
"""LayerNormalization, which networks of norm "layer" need."""

RGB_CODES: tuple[Matrix, Range] = ("bt709", "full")
"""What the codes inside the rgb ends mean: that of `realtime.media.convert.rgb.frame_from_rgb`."""

EPSILON = 1e-3
"""That of `ChannelNorm`."""

MOST = 63
"""Largest int8 weight. Seven bits: on processors without VNNI two products meet in 16 bits, and 2 * 255 * 63 fits."""

_PLANES = ((0, 16, 4), (16, 4, 2), (20, 4, 2))
"""First channel, channels, and side of a cell: of Y, U and V."""


@dataclass(frozen=True, slots=True)
class Span:
    """How a float value is told in uint8: value = (code - zero) * scale."""

    scale: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> Span:
        """The finest one that holds low..high and 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255 or 1.0
        return cls(scale, round(-low / scale))


CODES = Span(1.0, int(CENTER))
"""Codes 0..255 as the network takes them: less 128."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A value in the graph, (N, C, H, W).

    Attributes:
        name: its name.
        span: of uint8 values; None for floats.
        last: name of the same value with its channels last, where it is there.
    """

    name: str
    span: Span | None = None
    last: str = ""


class Steps(torch.fx.Tracer):
    """Writes down a network's steps, without looking into the modules that have an ONNX form of their own."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Called by the tracer."""
        return isinstance(module, (nn.Conv2d, nn.Identity, nn.ReLU, ChannelNorm, PictureNorm, Contours))


def kind_of(step: torch.fx.Node, network: nn.Module) -> str:
    """What a step does: "Conv2d", "relu", "add", ...; in place or not is all the same."""
    if step.op == "call_module":
        return type(network.get_submodule(str(step.target))).__name__
    if step.op in ("call_function", "call_method"):
        target: Any = step.target
        return (target if isinstance(target, str) else str(target.__name__)).rstrip("_")
    return step.op


def _only_user(step: torch.fx.Node, network: nn.Module) -> torch.fx.Node | None:
    """The one step that takes what this one gives; steps that do nothing are passed over."""
    while len(step.users) == 1:
        step = next(iter(step.users))
        if kind_of(step, network) != "Identity":
            return step
    return None


def shuffled_convolutions(trace: torch.fx.Graph, network: nn.Module) -> dict[torch.fx.Node, int]:
    """Convolutions that go, perhaps through a ReLU, into a pixel shuffle only; and the side of its blocks."""
    found = {}
    for step in trace.nodes:
        then = _only_user(step, network)
        while then is not None and kind_of(then, network) in ("relu", "ReLU"):
            then = _only_user(then, network)
        if kind_of(step, network) == "Conv2d" and then is not None and kind_of(then, network) == "pixel_shuffle":
            side = then.args[1]
            assert isinstance(side, int)
            found[step] = side
    return found


class _Graph:
    """Nodes and constants as they gather.

    Args:
        onnx: the package.
        spans: of every step of the network; None computes in floats.
        half: floats are fp16.
        cpu: what the CPU kernels of runtimes do best, instead of what all of them understand.
    """

    def __init__(self, onnx: Any, *, spans: Mapping[str, Span] | None, half: bool, cpu: bool) -> None:
        self.onnx, self.spans, self.half, self.cpu = onnx, spans, half, cpu
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.made: set[str] = set()
        self.hints: list[Any] = []
        self.float_type = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
        self.wide: int | str = 0
        """Cells that stand beside each other: the number, or the name of an int64 (1,)."""

    # Constants and nodes

    def constant(self, value: Any, name: str = "") -> str:
        """A tensor in the graph, of the type it has."""
        array = np.asarray(value)
        name = name or f"{array.dtype}_{'x'.join(map(str, array.ravel().tolist()))}_{array.ndim}"
        if name not in self.constants:
            array = np.ascontiguousarray(array).reshape(array.shape)  # the former makes (1,) of ()
            self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def weights(self, value: np.ndarray, name: str) -> str:
        """Floats in the network's precision."""
        return self.constant(value.astype(np.float16 if self.half else np.float32), name)

    def whole(self, *values: int) -> str:
        """int64 (n,)."""
        return self.constant(np.array(values, np.int64))

    def add(self, kind: str, *inputs: str, name: str, outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        """A node; its (first) output has the name of the node."""
        outputs = outputs or (name,)
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), list(outputs), name=name, **attributes))
        self.made.add(name)
        return outputs[0]

    def rename(self, x: str, name: str) -> None:
        """Give a value that no node takes the name of an output."""
        (node,) = (node for node in self.nodes if x in node.output)
        node.output[list(node.output).index(x)] = name

    # Sizes

    def extent(self, x: str, axis: int, count: int = 1) -> str:
        """int64 (count,): sizes of a value from an axis on."""
        name = f"{x}_size" if (axis, count) == (2, 2) else f"{x}_size_{axis}_{count}"
        if name not in self.made:
            if f"{x}_shape" not in self.made:
                self.add("Shape", x, name=f"{x}_shape")
            self.add("Slice", f"{x}_shape", self.whole(axis), self.whole(axis + count), name=name)
        return name

    def shape(self, *sizes: int | str) -> str:
        """int64 (n,) of numbers, and of names of int64 (1,) or more."""
        if all(isinstance(s, int) for s in sizes):
            return self.whole(*(int(s) for s in sizes))
        name = "shape_" + "_".join(map(str, sizes))
        if name not in self.made:
            self.add("Concat", *(self.whole(s) if isinstance(s, int) else s for s in sizes), name=name, axis=0)
        return name

    def wide_times(self, factor: int) -> int | str:
        """`wide`, so many times."""
        if isinstance(self.wide, int):
            return self.wide * factor
        name = f"wide_{factor}"
        return name if name in self.made else self.add("Mul", self.wide, self.whole(factor), name=name)

    def replicate_to_multiple(self, x: str, multiple: int, size: tuple[int, int] | None) -> str:
        """Pad below and right by replication; `size` is (H, W) where it is known."""
        if size is not None:
            bottom, right = (-s % multiple for s in size)
            if not bottom and not right:
                return x
            pads = self.whole(0, 0, 0, 0, 0, 0, bottom, right)
        else:
            over = self.add("Mod", self.extent(x, 2, 2), self.whole(multiple), name=f"{x}_over")
            short = self.add("Sub", self.whole(multiple), over, name=f"{x}_short")
            missing = self.add("Mod", short, self.whole(multiple), name=f"{x}_missing")
            pads = self.add("Concat", self.whole(*[0] * 6), missing, name=f"{x}_pads", axis=0)
        return self.add("Pad", x, pads, name=f"{x}_padded", mode="edge")

    def crop(self, x: str, like: str, size: tuple[int, int] | None, multiple: int, name: str) -> str:
        """The upper left of a value that `replicate_to_multiple` has made of one of the size of `like`."""
        if size is not None and not any(s % multiple for s in size):
            return x
        wanted = self.extent(like, 2, 2) if size is None else self.whole(*size)
        return self.add("Slice", x, self.whole(0, 0), wanted, self.whole(2, 3), name=name)

    # Between floats and uint8

    def floats(self, x: _Value, user: str) -> str:
        """A value as floats, for one user: runtimes join that with what the user does."""
        if x.span is None:
            return x.name
        if not self.cpu:
            return self.centered(self.add("Cast", x.name, name=f"{user}_cast", to=self.float_type), user)
        scale, zero = self.constant(np.float32(x.span.scale)), self.constant(np.uint8(x.span.zero))
        return self.add("DequantizeLinear", x.name, scale, zero, name=f"{user}_floats")

    def centered(self, codes: str, user: str) -> str:
        """Codes less 128."""
        return self.add("Sub", codes, self.weights(np.array(CENTER), "center"), name=f"{user}_centered")

    def quantised(self, x: str, span: Span) -> _Value:
        """Floats as uint8, rounded and limited."""
        scale, zero = self.constant(np.float32(span.scale)), self.constant(np.uint8(span.zero))
        return _Value(self.add("QuantizeLinear", x, scale, zero, name=f"{x}_codes"), span)

    def rounded(self, codes: str, name: str) -> str:
        """Float codes as uint8."""
        x = self.limited(self.add("Round", codes, name=f"{name}_round"), 255, f"{name}_limited")
        return self.add("Cast", x, name=name, to=self.onnx.TensorProto.UINT8)

    def limited(self, x: str, highest: float, name: str, *, half: bool | None = None) -> str:
        """Clamp to 0..highest."""
        kind = np.float16 if (self.half if half is None else half) else np.float32
        return self.add("Clip", x, self.constant(kind(0)), self.constant(kind(highest)), name=name)

    # The network

    def network(self, x: _Value, network: FoldedTransNet) -> str:
        """The network, as its own `forward` says: its steps are followed one by one. Gives floats, codes less 128."""
        trace = Steps().trace(network)
        shuffled = shuffled_convolutions(trace, network)
        values: dict[torch.fx.Node, Any] = {}
        for step in trace.nodes:
            kind, name = kind_of(step, network), f"net_{step.name}"
            module: Any = network.get_submodule(str(step.target)) if step.op == "call_module" else None
            given = [values[a] if isinstance(a, torch.fx.Node) else a for a in step.args]
            if kind == "placeholder":
                values[step] = x
            elif kind == "output":
                return self.floats(given[0], name)
            elif kind == "Identity":
                values[step] = given[0]
            elif kind == "Conv2d":
                phases = _phases(module, shuffled.get(step, 1), last=_goes_out(step, network))
                values[step] = self.settled(self.conv(given[0], module, name, phases), step, network)
            elif kind == "pixel_shuffle":
                values[step] = self.upsampled(given[0], _convolution_before(step, network), given[1], name)
            elif kind == "ChannelNorm":
                values[step] = self.settled(self.norm(self.floats(given[0], name), module, name), step, network)
            elif kind == "PictureNorm":
                found = self.picture_norm(self.floats(given[0], name), module, name)
                values[step] = self.settled(found, step, network)
            elif kind == "Contours":
                values[step] = self.contours(given[0], module, step.name)
            elif kind in ("relu", "ReLU"):
                values[step] = self.settled(self.add("Relu", self.floats(given[0], name), name=name), step, network)
            elif kind in ("add", "iadd"):
                terms = [self.floats(value, f"{name}_{n}") for n, value in enumerate(given)]
                values[step] = self.settled(self.add("Add", *terms, name=name), step, network)
            else:
                raise RestyleError(f"this export does not know the step {kind!r} of the network")
        raise AssertionError("a network without output")

    def settled(self, found: str, step: torch.fx.Node, network: nn.Module) -> _Value:
        """What a step has found: as uint8 where the network is, except before a ReLU and at the end."""
        then = _only_user(step, network)
        before_relu = then is not None and kind_of(then, network) in ("relu", "ReLU")
        if self.spans is None or before_relu or _goes_out(step, network):
            return _Value(found)
        return self.quantised(found, self.spans[step.name])

    def conv(self, x: _Value, conv: nn.Conv2d, name: str, phases: tuple[int, ...]) -> str:
        """A convolution padded by replication, as floats.

        `phases`: how many of its outputs, one after the other, become neighbouring pixels of one plane. Where these are
        all alike (a 1x1 convolution that is phase-equalised), one of them is computed: see `upsampled`.
        """
        pad = conv.padding[0]
        assert isinstance(pad, int) and conv.bias is not None
        if pad:
            if not self.cpu:  # not every runtime pads uint8
                x = _Value(self.floats(x, name))
            x = _Value(
                self.add("Pad", x.name, self.whole(*[0, 0, pad, pad] * 2), name=f"{name}_pad", mode="edge"), x.span
            )
        data = self.floats(x, name)
        weight, bias = (v.detach().cpu().double().numpy() for v in (conv.weight, conv.bias))
        if _alike(conv, phases):
            weight, bias, phases = weight[:: phases[0]], bias[:: phases[0]], ()
        if self.spans is None:
            parts = self.weights(weight, f"{name}_weight"), self.weights(bias, f"{name}_bias")
        else:
            assert x.span is not None
            parts = self.integers(weight, bias, x.span, phases or (1,) * len(weight), name)
        form: dict[str, Any] = {"group": conv.groups} if conv.groups > 1 else {}
        return self.add(
            "Conv", data, *parts, name=name, strides=list(conv.stride), dilations=list(conv.dilation), **form
        )

    def integers(
        self, weight: np.ndarray, bias: np.ndarray, span: Span, phases: tuple[int, ...], name: str
    ) -> tuple[str, str]:
        """Weight and bias in integers, with a scale for each group of phases, and back to floats."""
        parts = [whole_weights(group) for group in np.split(weight, np.cumsum(phases)[:-1])]
        codes = np.concatenate([codes for codes, _ in parts])
        scale = np.repeat([scale for _, scale in parts], phases).astype(np.float32)
        bias_scale = scale * np.float32(span.scale)
        bias_codes = np.clip(np.rint(bias / bias_scale), -(2**31) + 128, 2**31 - 128).astype(np.int32)
        return (
            self.back_to_floats(codes, scale, f"{name}_weight"),
            self.back_to_floats(bias_codes, bias_scale, f"{name}_bias"),
        )

    def back_to_floats(self, codes: np.ndarray, scale: np.ndarray, name: str) -> str:
        """Constants with a scale for each of their rows."""
        parts = {"codes": codes, "scale": scale, "zero": np.zeros(len(codes), codes.dtype)}
        names = [self.constant(part, f"{name}_{what}") for what, part in parts.items()]
        return self.add("DequantizeLinear", *names, name=name, axis=0)

    def norm(self, x: str, norm: ChannelNorm, name: str) -> str:
        """A `ChannelNorm`."""
        x = self.add("Transpose", x, name=f"{name}_last", perm=[0, 2, 3, 1])
        weight, bias = (v.detach().cpu().numpy() for v in (norm.weight, norm.bias))
        parts = self.weights(weight, f"{name}_weight"), self.weights(bias, f"{name}_bias")
        x = self.add("LayerNormalization", x, *parts, name=f"{name}_layer", axis=-1, epsilon=EPSILON)
        return self.add("Transpose", x, name=name, perm=[0, 3, 1, 2])

    def picture_norm(self, x: str, norm: PictureNorm, name: str) -> str:
        """A `PictureNorm`."""
        weight, bias = (v.detach().cpu().numpy() for v in (norm.weight, norm.bias))
        parts = self.weights(weight, f"{name}_weight"), self.weights(bias, f"{name}_bias")
        return self.add("InstanceNormalization", x, *parts, name=name, epsilon=FLOOR)

    def contours(self, x: _Value, contours: Contours, step: str) -> _Value:
        """`Contours`: in fp32 whatever the rest is, for its phases are many turns wide."""
        name = f"net_{step}"
        weight = contours.weight.detach().cpu().float().numpy()
        bias = contours.bias.detach().cpu().float().numpy()
        if self.spans is not None:
            phases = self.phases_of_sums(x, weight, name)
            phases = self.add("Add", phases, self.constant(bias, f"{name}_bias"), name=f"{name}_phases")
            waves = self.quantised(self.waves(phases, name, axis=3), self.spans[step])
            return _Value(self.add("Transpose", waves.name, name=name, perm=[0, 3, 1, 2]), waves.span)
        data = self.floats(x, name)
        if self.half:
            data = self.add("Cast", data, name=f"{name}_exact", to=self.onnx.TensorProto.FLOAT)
        parts = self.constant(weight, f"{name}_weight"), self.constant(bias, f"{name}_bias")
        waves_name = self.waves(self.add("Conv", data, *parts, name=f"{name}_phases", strides=[2, 2]), name, axis=1)
        return _Value(self.add("Cast", waves_name, name=name, to=self.float_type) if self.half else waves_name)

    def waves(self, phases: str, name: str, axis: int) -> str:
        """Sine and cosine."""
        both = [self.add(kind, phases, name=f"{name}_{kind.lower()}") for kind in ("Sin", "Cos")]
        return self.add("Concat", *both, name=f"{name}_waves", axis=axis)

    def phases_of_sums(self, x: _Value, weight: np.ndarray, name: str) -> str:
        """(N, h, w, waves) fp32 from whole sums of codes: all taps of a plane are equal, so three sums say it all."""
        assert x.span is not None and x.last
        channels = [first for first, _, _ in _PLANES]
        taps = np.ascontiguousarray(weight[:, channels, 0, 0].T)  # (3, waves)
        ones = np.zeros((2 * PLANE_CHANNELS, len(_PLANES)), np.int8)
        for plane, (first, count, _) in enumerate(_PLANES):
            for cell in (0, PLANE_CHANNELS):
                ones[cell + first : cell + first + count, plane] = 1
        pairs = self.add("Reshape", x.last, self.whole(0, 0, -1, len(ones)), name=f"{name}_pairs")
        parts = self.constant(ones, f"{name}_ones"), self.constant(np.uint8(x.span.zero))
        sums = self.add("MatMulInteger", pairs, *parts, name=f"{name}_sums_of_rows")
        until, axis, step = self.whole(2**31), self.whole(1), self.whole(2)
        rows = [self.add("Slice", sums, self.whole(n), until, axis, step, name=f"{name}_row_{n}") for n in (0, 1)]
        total = self.add("Add", *rows, name=f"{name}_sums")
        total = self.add("Cast", total, name=f"{name}_floats", to=self.onnx.TensorProto.FLOAT)
        return self.add("MatMul", total, self.constant(taps, f"{name}_weight"), name=f"{name}_turns")

    def upsampled(self, x: _Value, conv: nn.Conv2d, side: int, name: str) -> _Value:
        """Pixel shuffle of what `conv` (and a ReLU) gave: where its phases are alike, each pixel `side` times."""
        if side == 1:
            return x
        if not _alike(conv, _phases(conv, side)):
            return _Value(self.add("DepthToSpace", x.name, name=name, blocksize=side, mode="CRD"), x.span)
        if x.span is None:
            scales = self.constant(np.array([1, 1, side, side], np.float32))
            nearest: dict[str, Any] = {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }
            return _Value(self.add("Resize", x.name, "", scales, name=name, **nearest))
        # channels last, where whole pixels and whole rows are copied
        last = self.add("Transpose", x.name, name=f"{name}_last", perm=[0, 2, 3, 1])
        pixels = self.add("Concat", *[last] * side, name=f"{name}_pixels", axis=3)
        rows = self.add("Reshape", pixels, self.whole(0, 0, 1, -1), name=f"{name}_row")
        rows = self.add("Concat", *[rows] * side, name=f"{name}_rows", axis=2)
        channels = conv.out_channels // side**2
        whole = self.add("Reshape", rows, self.shape(0, -1, self.wide, channels), name=f"{name}_whole")
        # nobody could find that out, and runtimes choose kernels by the channels
        uint8, shape = self.onnx.TensorProto.UINT8, (None, None, None, channels)
        self.hints.append(self.onnx.helper.make_tensor_value_info(whole, uint8, shape))
        return _Value(self.add("Transpose", whole, name=name, perm=[0, 3, 1, 2]), x.span)

    def runs_to_rows(self, x: str, side: int, run: int, name: str) -> str:
        """(N, h, w, side * run) -> (N, h, side, w, run): a run of pixels is moved as a whole, which is fast."""
        split = self.add("Reshape", x, self.whole(0, 0, 0, side, run), name=f"{name}_split")
        return self.add("Transpose", split, name=f"{name}_rows", perm=[0, 1, 3, 2, 4])

    # What goes in and comes out

    def cells(self, y: str, uv: str) -> _Value:
        """uint8 codes of the network's multiple as cells."""
        self.add("Split", uv, self.whole(1, 1), name="uv_split", outputs=("u_in", "v_in"), axis=1)
        packed = []
        for plane, (_, count, side) in zip((y, "u_in", "v_in"), _PLANES, strict=True):
            split = self.add("Reshape", plane, self.shape(0, -1, side, self.wide, side), name=f"{plane}_split")
            runs = self.add("Transpose", split, name=f"{plane}_runs", perm=[0, 1, 3, 2, 4])
            packed.append(self.add("Reshape", runs, self.whole(0, 0, 0, count), name=f"{plane}_cells"))
        return self.whole_cells(self.add("Concat", *packed, name="cells_in", axis=3))

    def whole_cells(self, last: str) -> _Value:
        """Cells, channels last, as the network takes them."""
        return _Value(self.add("Transpose", last, name="cells_first", perm=[0, 3, 1, 2]), CODES, last)

    def planes_of_cells(self, codes: str) -> tuple[str, str]:
        """The inverse of `cells`, of codes (N, 24, h, w)."""
        last = self.add("Transpose", codes, name="cells_last", perm=[0, 2, 3, 1])
        names = ("y_out", "u_out", "v_out")
        counts = self.whole(*(count for _, count, _ in _PLANES))
        self.add("Split", last, counts, name="cells_split", outputs=tuple(f"{n}_cells" for n in names), axis=3)
        planes = []
        for name, (_, _, side) in zip(names, _PLANES, strict=True):
            rows = self.runs_to_rows(f"{name}_cells", side, side, name)
            planes.append(self.add("Reshape", rows, self.shape(0, 1, -1, self.wide_times(side)), name=name))
        return planes[0], self.add("Concat", *planes[1:], name="uv_out", axis=1)

    def stylised(self, y: str, uv: str, network: FoldedTransNet, size: tuple[int, int] | None) -> tuple[str, str]:
        """Codes of any size (uint8 in integers, else floats) -> codes of the network's multiple, floats not rounded."""
        half = None if size is None else (-(-size[0] // 2), -(-size[1] // 2))
        y, uv = self.replicate_to_multiple(y, MULTIPLE, size), self.replicate_to_multiple(uv, MULTIPLE // 2, half)
        if self.spans is not None:
            if size is not None:
                self.wide = -(-size[1] // MULTIPLE) * MULTIPLE // 4
            else:
                self.wide = self.add("Div", self.extent(y, 3), self.whole(4), name="wide")
            codes = self.quantised(self.network(self.cells(y, uv), network), CODES)
            return self.planes_of_cells(codes.name)
        # SpaceToDepth orders channels as (phase, plane), pixel_unshuffle as (plane, phase): the same for one plane
        self.add("Split", uv, self.whole(1, 1), name="uv_split", outputs=("u_in", "v_in"), axis=1)
        sides = zip((y, "u_in", "v_in"), _PLANES, strict=True)
        packed = [self.add("SpaceToDepth", p, name=f"{p}_cells", blocksize=side) for p, (_, _, side) in sides]
        x = self.network(_Value(self.centered(self.add("Concat", *packed, name="cells", axis=1), "cells")), network)
        x = self.add("Add", x, self.weights(np.array(CENTER), "center"), name="codes")
        self.add("Split", x, self.whole(16, 8), name="codes_split", outputs=("y_codes", "uv_codes"), axis=1)
        y = self.add("DepthToSpace", "y_codes", name="y_out", blocksize=4, mode="CRD")
        return y, self.add("DepthToSpace", "uv_codes", name="uv_out", blocksize=2, mode="CRD")

    def cells_model(self, network: FoldedTransNet, size: tuple[int, int] | None) -> None:
        """The whole graph for cells; `size` in pixels."""
        if self.spans is not None:
            self.wide = size[1] // 4 if size else self.extent("cells", 2)
        x = self.network(self.whole_cells("cells"), network)
        if self.cpu:
            codes = self.quantised(x, CODES).name
        else:
            codes = self.rounded(self.add("Add", x, self.weights(np.array(CENTER), "center"), name="codes"), "rounded")
        self.add("Transpose", codes, name="styled", perm=[0, 2, 3, 1])

    def planes_model(self, network: FoldedTransNet, size: tuple[int, int] | None) -> None:
        """The whole graph for planes; `size` is (H, W) where it is known."""
        integers = self.spans is not None
        given = {
            plane: plane if integers else self.add("Cast", plane, name=f"{plane}_float", to=self.float_type)
            for plane in ("y", "uv")
        }
        styled = self.stylised(given["y"], given["uv"], network, size)
        half = None if size is None else (-(-size[0] // 2), -(-size[1] // 2))
        sizes = ((size, MULTIPLE), (half, MULTIPLE // 2))
        for (plane, like), x, (known, multiple) in zip(given.items(), styled, sizes, strict=True):
            x = self.crop(x, like, known, multiple, f"{plane}_cropped")
            if integers:
                self.rename(x, f"styled_{plane}")
            else:
                self.rounded(x, f"styled_{plane}")

    def rgb_model(self, network: FoldedTransNet, size: tuple[int, int] | None, *, uint8: bool) -> None:
        """The whole graph for RGB: codes are made and undone as `realtime.media.files.stills` does, in fp32."""
        full, kind = (255.0, "UINT8") if uint8 else (1.0, "FLOAT")
        m, t = rgb_to_codes(*RGB_CODES)
        x = self.add("Cast", "rgb", name="rgb_float", to=self.onnx.TensorProto.FLOAT) if uint8 else "rgb"
        x = self.replicate_to_multiple(x, 2, size)
        luma = self.affine(x, m[:1] / full, t[:1], "luma")
        mean = self.add("AveragePool", x, name="rgb_mean", kernel_shape=[2, 2], strides=[2, 2])
        chroma = self.affine(mean, m[1:] / full, t[1:], "chroma")
        planes = []
        for name, plane in (("y_in", luma), ("uv_in", chroma)):
            whole = self.limited(self.add("Round", plane, name=f"{name}_round"), 255, f"{name}_limited", half=False)
            wanted = self.onnx.TensorProto.UINT8 if self.spans is not None else self.float_type
            same = self.spans is None and not self.half
            planes.append(whole if same else self.add("Cast", whole, name=name, to=wanted))
        even = None if size is None else (-(-size[0] // 2) * 2, -(-size[1] // 2) * 2)
        half = None if even is None else (even[0] // 2, even[1] // 2)
        y, uv = self.stylised(planes[0], planes[1], network, even)
        y = self.crop(y, planes[0], even, MULTIPLE, "y_cropped")
        uv = self.crop(uv, planes[1], half, MULTIPLE // 2, "uv_cropped")
        if self.spans is not None or self.half:
            y, uv = (self.add("Cast", p, name=f"{p}_exact", to=self.onnx.TensorProto.FLOAT) for p in (y, uv))
        if uint8 and self.spans is None:  # the program's own picture, to the last bit that rounding leaves
            y, uv = (self.add("Round", p, name=f"{p}_round") for p in (y, uv))
        if self.spans is None:
            y, uv = (self.limited(p, 255, f"{p}_limited", half=False) for p in (y, uv))
        # to the size of Y rather than twice as large: OpenVINO then sees that both are of one size
        sizes = self.whole(1, 2, *even) if even else self.shape(self.extent(uv, 0, 2), self.extent(y, 2, 2))
        centers: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        wide = self.add("Resize", uv, "", "", sizes, name="uv_upsampled", **centers)
        inverse = np.linalg.inv(m)
        x = self.add("Concat", y, wide, name="yuv", axis=1)
        x = self.affine(x, inverse * full, -inverse @ t * full, "rgb_whole")
        x = self.crop(x, "rgb", size, 2, "rgb_cropped")
        if uint8:
            x = self.add("Round", x, name="rgb_round")
        x = self.limited(x, full, "rgb_limited" if uint8 else "styled_rgb", half=False)
        if uint8:
            self.add("Cast", x, name="styled_rgb", to=getattr(self.onnx.TensorProto, kind))

    def affine(self, x: str, m: np.ndarray, t: np.ndarray, name: str) -> str:
        """(n, 3) and (n,) applied to the channels of each pixel, in fp32."""
        weight, bias = m.astype(np.float32)[:, :, None, None], t.astype(np.float32)
        return self.add(
            "Conv", x, self.constant(weight, f"{name}_weight"), self.constant(bias, f"{name}_bias"), name=name
        )


def _goes_out(step: torch.fx.Node, network: nn.Module) -> bool:
    """Whether a step's result is the network's."""
    then = _only_user(step, network)
    return then is not None and kind_of(then, network) == "output"


def _phases(conv: nn.Conv2d, side: int, *, last: bool = False) -> tuple[int, ...]:
    """How many outputs of a convolution become neighbouring pixels of one plane; nothing where none do."""
    if last and conv.out_channels == PLANE_CHANNELS:
        return tuple(count for _, count, _ in _PLANES)
    return (side**2,) * (conv.out_channels // side**2) if side > 1 else ()


def _alike(conv: nn.Conv2d, phases: tuple[int, ...]) -> bool:
    """Whether all phases are the same, as those of a 1x1 convolution are that is phase-equalised (up to rounding)."""
    if len(set(phases)) != 1 or conv.bias is None:
        return False
    parts = (part.detach().unflatten(0, (-1, phases[0])) for part in (conv.weight, conv.bias))
    return all(float((part - part[:, :1]).abs().max()) <= 1e-6 * float(part.abs().max()) for part in parts)


def whole_weights(group: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights of one plane's phases as whole numbers with one scale.

    Where the taps of every input sum to the same in all phases (`equalise_phases`), so do the whole numbers: rounded by
    themselves they would not, and a flat area would show the cells as a grid.

    Args:
        group: (phases, inputs, kh, kw).

    Returns:
        int8 of the same shape, and the scale.
    """
    scale = float(np.abs(group).max()) / MOST or 1.0
    exact = (group / scale).reshape(*group.shape[:2], -1)
    whole, sums = np.rint(exact), exact.sum(2)
    if len(group) > 1 and np.allclose(sums, sums[:1], atol=1e-3):
        below = np.floor(exact)
        missing = np.rint(sums.mean(0)) - below.sum(2)  # by so many taps are rounded up: those that lose most otherwise
        rank = np.argsort(np.argsort(below - exact, axis=2, kind="stable"), axis=2)
        whole = below + (rank < missing[..., None])
    return np.clip(whole, -MOST, MOST).astype(np.int8).reshape(group.shape), scale


def _convolution_before(step: torch.fx.Node, network: nn.Module) -> nn.Conv2d:
    """The convolution whose output, perhaps through a ReLU, a step takes."""
    while kind_of(step, network) != "Conv2d":
        before = step.args[0]
        assert isinstance(before, torch.fx.Node)
        step = before
    conv = network.get_submodule(str(step.target))
    assert isinstance(conv, nn.Conv2d)
    return conv


def load_onnx() -> Any:
    """The package onnx, with what is used of it.

    Raises:
        InputError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError("ONNX graphs need the package onnx: pip install onnx") from None
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper

    return onnx


def lowest_opset(network: nn.Module) -> int:
    """The oldest opset that can say a network."""
    normed = any(isinstance(module, ChannelNorm) for module in network.modules())
    return MIN_OPSET_OF_NORM if normed else MIN_OPSET


def build(
    network: FoldedTransNet,
    *,
    ends: Ends,
    opset: int | None = None,
    half: bool = False,
    spans: Mapping[str, Span] | None = None,
    static: tuple[int, int] | None = None,
    target: Target = "any",
) -> Any:
    """A network as an `onnx.ModelProto`, without metadata.

    Args:
        network: folded for `RGB_CODES` where the ends are rgb; for the meaning of the planes' numbers else.
        ends: what goes in and comes out; see the module.
        opset: of the default ONNX domain; None takes the oldest that does.
        half: weights and activations in fp16; what goes in and comes out is the same.
        spans: int8, with these (`realtime.engines.onnx.quantise.Calibration`).
        static: (width, height) for one picture of one size at a time, the shape nodes worked out; multiples of 8 for
            cells.
        target: "any" uses nodes that every runtime has; "cpu" what the CPU kernels of ONNX Runtime and OpenVINO do
            fastest. Integers are always "cpu", halves never.
    """
    onnx = load_onnx()
    helper, code = onnx.helper, onnx.TensorProto
    graph = _Graph(onnx, spans=spans, half=half, cpu=spans is not None or (target == "cpu" and not half))
    n: int | str = 1 if static else "N"
    w, h = static or ("W", "H")
    size = (static[1], static[0]) if static else None
    shapes: dict[str, tuple[int | str, ...]]
    if ends == "cells":
        kind, shapes = code.UINT8, {"cells": (n, *(s // 4 if isinstance(s, int) else s.lower() for s in (h, w)), 24)}
        graph.cells_model(network, size)
    elif ends == "planes":
        halves = tuple(-(-s // 2) if isinstance(s, int) else f"{s}_half" for s in (h, w))
        kind, shapes = code.UINT8, {"y": (n, 1, h, w), "uv": (n, 2, *halves)}
        graph.planes_model(network, size)
    else:
        kind, shapes = code.UINT8 if ends == "rgb-uint8" else code.FLOAT, {"rgb": (n, 3, h, w)}
        graph.rgb_model(network, size, uint8=ends == "rgb-uint8")
    value = helper.make_tensor_value_info
    proto = helper.make_graph(
        graph.nodes,
        "restyle",
        [value(name, kind, shape) for name, shape in shapes.items()],
        [value("styled" if name == "cells" else f"styled_{name}", kind, shape) for name, shape in shapes.items()],
        list(graph.constants.values()),
        value_info=graph.hints,
    )
    opsets = [helper.make_opsetid("", opset or lowest_opset(network))]
    # the oldest format that can say this: older runtimes read it
    version = helper.find_min_ir_version_for(opsets)
    return helper.make_model(proto, opset_imports=opsets, ir_version=version, producer_name="restyle")
