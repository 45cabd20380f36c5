"""A folded TransNet as an ONNX graph: what the ONNX and OpenVINO engines run, and what `restyle export` writes.

The graph is written node by node along the network's steps, not by PyTorch's exporter: it is small and readable, takes
any number of pictures of any size, and does not change with the exporter.

Inputs and outputs (`GraphIo`; N, H and W are free unless `static` is given):

    planes     y   uint8 (N, 1, H, W)                    ->  styled_y    the same
               uv  uint8 (N, 2, ceil(H/2), ceil(W/2))    ->  styled_uv   the same
    rgb        rgb float32 (N, 3, H, W) in 0..1          ->  styled_rgb  the same
    rgb-uint8  rgb uint8 (N, 3, H, W)                    ->  styled_rgb  the same
    packed     cells uint8 (N, h, w, 24), h, w even      ->  styled      the same: `realtime.engines.plane_packing.pack`

A network with a texture plane takes it in the packed graph, as 4 more channels of `cells`. In the other graphs it is
fixed: the whole field is a constant of the graph, which begins at the picture's upper left corner and repeats itself.

The RGB graphs make 8-bit 4:2:0 codes inside (BT.709, full range), as `restyle image` does, so that both paint the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from realtime.engines.onnx.builder import Quantization, Size, Value
from realtime.engines.onnx.float_graph import FloatGraph
from realtime.engines.onnx.int8_graph import Int8Graph
from realtime.engines.onnx.steps import NetworkSteps, Step
from realtime.errors import RestyleError
from realtime.frames import Matrix, Range, chroma_shape, rgb_to_codes
from realtime.transnet.folding import FoldedTransNet
from realtime.transnet.network import MULTIPLE, PLANE_CHANNELS

GraphIo = Literal["planes", "rgb", "rgb-uint8", "packed"]
Target = Literal["any", "cpu"]

MIN_OPSET = 13
"""ONNX 1.8 (2020): the first with QuantizeLinear per channel. All common runtimes support it."""

RGB_CODES: tuple[Matrix, Range] = ("bt709", "full")
"""Meaning of the codes inside the RGB graphs: that of `realtime.media.convert.rgb.frame_from_rgb`."""


def build(
    network: FoldedTransNet,
    *,
    io: GraphIo,
    opset: int | None = None,
    half: bool = False,
    quantizations: Mapping[str, Quantization] | None = None,
    static: tuple[int, int] | None = None,
    target: Target = "any",
) -> Any:
    """A network as an `onnx.ModelProto`, without metadata.

    Args:
        network: folded for `RGB_CODES` if `io` is RGB; else for the meaning of the planes' codes.
        io: inputs and outputs; see the module.
        opset: version of ONNX's operators; None takes `MIN_OPSET`.
        half: weights and activations are fp16; inputs and outputs stay the same.
        quantizations: makes it int8 (`realtime.engines.onnx.calibration.Calibration`).
        static: (width, height) for one picture of this size at a time; multiples of 8 if `io` is packed.
        target: "any" uses operators that every runtime supports; "cpu" those that the CPU kernels of ONNX Runtime and
            OpenVINO run fastest. int8 is always "cpu", fp16 never.
    """
    graph = (
        FloatGraph(half=half, cpu=target == "cpu" and not half) if quantizations is None else Int8Graph(quantizations)
    )
    size = (static[1], static[0]) if static else None
    if io == "packed":
        codes = graph.rounded_codes(_add_network(graph, graph.packed_input("cells", size), network))
        graph.node("Transpose", codes, name="styled", perm=[0, 2, 3, 1])
    elif io == "planes":
        _add_planes(graph, network, size)
    else:
        _add_rgb(graph, network, size, uint8=io == "rgb-uint8")
    value, code = graph.onnx.helper.make_tensor_value_info, graph.onnx.TensorProto
    kind = code.FLOAT if io == "rgb" else code.UINT8
    given, made = (_shapes(io, static, channels) for channels in (network.architecture.inputs, PLANE_CHANNELS))
    proto = graph.onnx.helper.make_graph(
        graph.nodes,
        "restyle",
        [value(name, kind, shape) for name, shape in given.items()],
        [value("styled" if io == "packed" else f"styled_{name}", kind, shape) for name, shape in made.items()],
        list(graph.constants.values()),
        value_info=graph.shape_hints,
    )
    opsets = [graph.onnx.helper.make_opsetid("", opset or MIN_OPSET)]
    # the oldest format for this opset, which older runtimes read too
    version = graph.onnx.helper.find_min_ir_version_for(opsets)
    return graph.onnx.helper.make_model(proto, opset_imports=opsets, ir_version=version, producer_name="restyle")


def _shapes(io: GraphIo, static: tuple[int, int] | None, channels: int) -> dict[str, tuple[int | str, ...]]:
    """Names and shapes of the inputs; `channels` of packed planes."""
    n: int | str = 1 if static else "N"
    w, h = static or ("W", "H")
    if io == "packed":
        return {"cells": (n, *(s // 4 if isinstance(s, int) else s.lower() for s in (h, w)), channels)}
    if io == "planes":
        chroma = tuple(-(-s // 2) if isinstance(s, int) else f"{s}_half" for s in (h, w))
        return {"y": (n, 1, h, w), "uv": (n, 2, *chroma)}
    return {"rgb": (n, 3, h, w)}


def _add_network(graph: FloatGraph, x: Value, network: FoldedTransNet) -> str:
    """The network, step by step: packed planes, codes - 128 -> the same as floats, not rounded.

    Raises:
        RestyleError: the network has a step that cannot be exported.
    """
    steps = NetworkSteps(network)
    values: dict[Step, Value] = {}
    for step in steps.graph.nodes:
        given, module, name = [values[before] for before in steps.inputs(step)], steps.module(step), f"net_{step.name}"
        floats = ""
        match steps.operation(step):
            case "placeholder":
                values[step] = x
            case "output":
                return graph.floats(given[0], name)
            case "identity":
                values[step] = given[0]
            case "pixel_shuffle":
                conv = steps.module(steps.convolution_before(step))
                values[step] = graph.upsampled(given[0], conv, step.args[1], name)
            case "contours":
                values[step] = graph.contours(given[0], module, step.name)
            case "conv":
                floats = graph.conv(given[0], module, steps.phases(step), name)
            case "picture_norm":
                floats = graph.picture_norm(graph.floats(given[0], name), module, name)
            case "relu":
                floats = graph.node("Relu", graph.floats(given[0], name), name=name)
            case "add":
                terms = [graph.floats(value, f"{name}_{n}") for n, value in enumerate(given)]
                floats = graph.node("Add", *terms, name=name)
            case operation:
                raise RestyleError(f"the network's step {operation!r} cannot be exported to ONNX")
        if floats:
            keep = steps.precedes_relu(step) or steps.is_last(step)
            values[step] = Value(floats) if keep else graph.activation(floats, step.name)
    raise AssertionError("a network has an output")


def _add_styled(
    graph: FloatGraph, planes: Sequence[str], network: FoldedTransNet, size: Size | None, *, rounded: bool
) -> list[str]:
    """Y and UV of any size and of `graph.plane_type`, styled; uint8 if `rounded`. `size`: of Y where it is known."""
    sizes = (size, MULTIPLE), (size and chroma_shape(*size), MULTIPLE // 2)
    padded = [graph.pad_to_multiple(plane, n, known) for plane, (known, n) in zip(planes, sizes, strict=True)]
    cells = graph.pack(padded[0], padded[1], size)
    if network.architecture.texture:
        cells = graph.with_texture(cells, size)
    x = _add_network(graph, graph.packed(cells, size), network)
    styled = graph.unpack(graph.rounded_codes(x) if rounded else graph.codes(x))
    return [
        graph.crop(x, plane, known, n, f"{x}_cropped")
        for x, plane, (known, n) in zip(styled, planes, sizes, strict=True)
    ]


def _add_planes(graph: FloatGraph, network: FoldedTransNet, size: Size | None) -> None:
    """The whole graph for planes; `size` where it is known."""
    planes = ["y", "uv"]
    if graph.plane_type != graph.onnx.TensorProto.UINT8:
        planes = [graph.node("Cast", plane, name=f"{plane}_float", to=graph.plane_type) for plane in planes]
    y, uv = _add_styled(graph, planes, network, size, rounded=True)
    graph.rename_output(y, "styled_y")
    graph.rename_output(uv, "styled_uv")


def _add_rgb(graph: FloatGraph, network: FoldedTransNet, size: Size | None, *, uint8: bool) -> None:
    """The whole graph for RGB. Codes are made and undone as `realtime.media.files.stills` does it, in fp32."""
    full, float_type = 255.0 if uint8 else 1.0, graph.onnx.TensorProto.FLOAT
    m, t = rgb_to_codes(*RGB_CODES)
    x = graph.node("Cast", "rgb", name="rgb_float", to=float_type) if uint8 else "rgb"
    x = graph.pad_to_multiple(x, 2, size)
    luma = graph.color_transform(x, m[:1] / full, t[:1], "luma")
    mean = graph.node("AveragePool", x, name="rgb_mean", kernel_shape=[2, 2], strides=[2, 2])
    planes = [luma, graph.color_transform(mean, m[1:] / full, t[1:], "chroma")]
    planes = [graph.clamped(graph.node("Round", p, name=f"{p}_round"), 255, f"{p}_limited") for p in planes]
    if graph.plane_type != float_type:
        planes = [graph.node("Cast", p, name=f"{p}_cast", to=graph.plane_type) for p in planes]
    even = None if size is None else (-(-size[0] // 2) * 2, -(-size[1] // 2) * 2)
    styled = _add_styled(graph, planes, network, even, rounded=uint8)
    if uint8 or graph.plane_type != float_type:
        styled = [graph.node("Cast", p, name=f"{p}_exact", to=float_type) for p in styled]
    if not uint8 and graph.plane_type != graph.onnx.TensorProto.UINT8:
        styled = [graph.clamped(p, 255, f"{p}_limited") for p in styled]
    y, uv = styled
    # to the size of Y rather than twice as large: OpenVINO then sees that both are of one size
    sizes = graph.integers(1, 2, *even) if even else graph.shape(graph.sizes(uv, 0, 2), graph.sizes(y, 2, 2))
    linear: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    x = graph.node(
        "Concat", y, graph.node("Resize", uv, "", "", sizes, name="uv_upsampled", **linear), name="yuv", axis=1
    )
    inverse = np.linalg.inv(m)
    x = graph.color_transform(x, inverse * full, -inverse @ t * full, "rgb_whole")
    x = graph.crop(x, "rgb", size, 2, "rgb_cropped")
    if uint8:
        x = graph.clamped(graph.node("Round", x, name="rgb_round"), full, "rgb_limited")
        graph.node("Cast", x, name="styled_rgb", to=graph.onnx.TensorProto.UINT8)
    else:
        graph.clamped(x, full, "styled_rgb")
