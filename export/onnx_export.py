"""TransNet -> ONNX: the folded network with its planes (or RGB) in and out, padding and cropping inside the graph.

The graph is written here node by node, along the network's own steps (torch.fx), not by PyTorch's exporter: it stays
small and readable, takes any number of pictures of any size, and does not change with the exporter. What is written is
run by ONNX Runtime and compared with PyTorch before it gets its name.

Inputs and outputs, all sizes free unless `static` is given:

    planes   y   uint8 (N, 1, H, W)                    ->  styled_y   the same
             uv  uint8 (N, 2, ceil(H/2), ceil(W/2))    ->  styled_uv  the same
    rgb      rgb float32 (N, 3, H, W) in 0..1          ->  styled_rgb the same
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from realtime import __version__
from realtime.errors import InputError, RestyleError
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.color import planes_from_rgb, rgb_from_planes, rgb_to_codes
from realtime.transnet.folding import TRAINED_IN, FoldedTransNet, fold
from realtime.transnet.gallery import find_style
from realtime.transnet.network import CENTER, MULTIPLE, ChannelNorm, Contours

Input = Literal["planes", "rgb"]
Precision = Literal["fp32", "fp16"]

MIN_OPSET = 17
"""The first with LayerNormalization."""

EPSILON = 1e-3
"""That of `ChannelNorm`."""

CHECK_SIZES = ((64, 96), (45, 70), (8, 9))
"""(H, W) of the pictures that the check runs: on the network's multiple, off it, and smaller than what it reaches."""

TOLERANCES: dict[Precision, tuple[float, float]] = {"fp32": (1.0, 0.01), "fp16": (6.0, 0.3)}
"""Codes of 255 by which ONNX Runtime may differ from PyTorch in fp32: at most, and on average.

In fp32 the order of the sums differs, which turns a rounding here and there. fp16 has 11 bits for weights and
activations: a few tenths of a code, more where many roundings meet.
"""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written, and how well it was met.

    Attributes:
        output: the file.
        style: name of the style.
        input, precision, opset: as asked for.
        static: (width, height), or None where any size goes.
        bytes: size of the file.
        nodes: of the graph.
        max_difference, mean_difference: from PyTorch in fp32, in codes of 255, over all pictures of the check.
        checked_sizes: (width, height) of these.
    """

    output: Path
    style: str
    input: Input
    precision: Precision
    opset: int
    static: tuple[int, int] | None
    bytes: int
    nodes: int
    max_difference: float
    mean_difference: float
    checked_sizes: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "output": str(self.output)}


class Reference(nn.Module):
    """What the graph has to compute, in PyTorch."""

    def __init__(self, network: FoldedTransNet, input: Input) -> None:
        super().__init__()
        self.network, self.input = network, input

    def planes(self, y: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Float codes (N, 1, H, W) and (N, 2, ceil(H/2), ceil(W/2)) -> the same, not rounded, not clamped."""
        (h, w), (tall, broad) = y.shape[2:], uv.shape[2:]
        full_h, full_w = (-(-s // MULTIPLE) * MULTIPLE for s in (h, w))
        y = F.pad(y, (0, full_w - w, 0, full_h - h), mode="replicate")
        uv = F.pad(uv, (0, full_w // 2 - broad, 0, full_h // 2 - tall), mode="replicate")
        x = self.network(torch.cat([F.pixel_unshuffle(y, 4), F.pixel_unshuffle(uv, 2)], 1) - CENTER) + CENTER
        return F.pixel_shuffle(x[:, :16], 4)[..., :h, :w], F.pixel_shuffle(x[:, 16:], 2)[..., :tall, :broad]

    @torch.inference_mode()
    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The inputs of the graph -> its outputs; see the module's docstring."""
        if self.input == "planes":
            return tuple(t.round().clamp(0, 255).to(torch.uint8) for t in self.planes(*(t.float() for t in tensors)))
        (rgb,) = tensors
        h, w = rgb.shape[2:]
        rgb = F.pad(rgb, (0, -w % MULTIPLE, 0, -h % MULTIPLE), mode="replicate")
        out = rgb_from_planes(*self.planes(*planes_from_rgb(rgb, *TRAINED_IN)), *TRAINED_IN)
        return (out[..., :h, :w].clamp(0, 1),)


class _Steps(torch.fx.Tracer):
    """Writes down a network's steps, without looking into the modules that have an ONNX form of their own."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Called by the tracer."""
        return isinstance(module, (nn.Conv2d, nn.Identity, nn.ReLU, ChannelNorm, Contours))


class _Graph:
    """Nodes and constants as they gather. Values go by their names."""

    def __init__(self, onnx: Any, precision: Precision) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.float = np.dtype(np.float16 if precision == "fp16" else np.float32)
        self.float_code = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.FLOAT

    def constant(self, value: Any, name: str = "") -> str:
        """A tensor in the graph. Floats are stored in the network's precision."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        array = array.astype(self.float if array.dtype.kind == "f" else np.int64)
        name = name or f"const_{'x'.join(map(str, array.ravel().tolist()))}_{array.ndim}"
        self.constants.setdefault(name, self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind: str, *inputs: str, name: str, outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        """A node; its (first) output has the name of the node."""
        outputs = outputs or (name,)
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), list(outputs), name=name, **attributes))
        return outputs[0]

    def replicate_to_multiple(self, x: str, multiple: int) -> str:
        """Pad below and right, by replication."""
        size = self.slice_shape(x)
        over = self.add("Mod", size, self.constant([multiple]), name=f"{x}_over")
        short = self.add("Sub", self.constant([multiple]), over, name=f"{x}_short")
        missing = self.add("Mod", short, self.constant([multiple]), name=f"{x}_missing")
        pads = self.add("Concat", self.constant([0] * 6), missing, name=f"{x}_pads", axis=0)
        return self.add("Pad", x, pads, name=f"{x}_padded", mode="edge")

    def slice_shape(self, x: str) -> str:
        """(2,) int64: height and width of a value."""
        shape = self.add("Shape", x, name=f"{x}_shape")
        return self.add("Slice", shape, self.constant([2]), self.constant([4]), name=f"{x}_size")

    def crop(self, x: str, like: str, name: str) -> str:
        """The upper left of a value, as large as another one."""
        size = f"{like}_size"  # replicate_to_multiple has made it
        return self.add("Slice", x, self.constant([0, 0]), size, self.constant([2, 3]), name=name)

    def conv(self, x: str, conv: nn.Conv2d, name: str) -> str:
        """A convolution padded by replication."""
        pad, dilation, stride = conv.padding[0], conv.dilation, conv.stride
        assert isinstance(pad, int)
        assert conv.bias is not None
        if pad:
            x = self.add("Pad", x, self.constant([0, 0, pad, pad] * 2), name=f"{name}_pad", mode="edge")
        weight, bias = self.constant(conv.weight, f"{name}_weight"), self.constant(conv.bias, f"{name}_bias")
        return self.add("Conv", x, weight, bias, name=name, strides=list(stride), dilations=list(dilation))

    def norm(self, x: str, norm: ChannelNorm, name: str) -> str:
        """A `ChannelNorm`."""
        x = self.add("Transpose", x, name=f"{name}_last", perm=[0, 2, 3, 1])
        weight, bias = self.constant(norm.weight, f"{name}_weight"), self.constant(norm.bias, f"{name}_bias")
        x = self.add("LayerNormalization", x, weight, bias, name=f"{name}_layer", axis=-1, epsilon=EPSILON)
        return self.add("Transpose", x, name=name, perm=[0, 3, 1, 2])

    def contours(self, x: str, contours: Contours, name: str) -> str:
        """`Contours`: in fp32 whatever the rest is, for its phases are many turns wide."""
        exact = {}
        for part, value in (("weight", contours.weight), ("bias", contours.bias)):
            array = value.detach().cpu().float().numpy()
            exact[part] = f"{name}_{part}"
            self.constants[exact[part]] = self.onnx.numpy_helper.from_array(array, exact[part])
        x = self.add("Cast", x, name=f"{name}_exact", to=self.onnx.TensorProto.FLOAT)
        x = self.add("Conv", x, exact["weight"], exact["bias"], name=f"{name}_phases", strides=[2, 2])
        waves = [self.add(kind, x, name=f"{name}_{kind.lower()}") for kind in ("Sin", "Cos")]
        x = self.add("Concat", *waves, name=f"{name}_waves", axis=1)
        return self.add("Cast", x, name=name, to=self.float_code)

    def network(self, x: str, network: FoldedTransNet) -> str:
        """The network, as its own `forward` says: its steps are followed one by one."""
        values: dict[torch.fx.Node, Any] = {}
        module: Any = None
        for step in _Steps().trace(network).nodes:
            kind = "input" if step.op == "placeholder" else step.op
            if step.op == "call_module":
                module = network.get_submodule(str(step.target))
                kind = type(module).__name__
            elif step.op in ("call_function", "call_method"):
                kind = step.target if isinstance(step.target, str) else step.target.__name__
                kind = kind.rstrip("_")  # in place or not is all the same here
            given = [values[a] if isinstance(a, torch.fx.Node) else a for a in step.args]
            name = f"net_{step.name}"
            if kind == "input":
                values[step] = x
            elif kind == "output":
                return str(given[0])
            elif kind == "Identity":
                values[step] = given[0]
            elif kind == "Conv2d":
                values[step] = self.conv(given[0], module, name)
            elif kind == "ChannelNorm":
                values[step] = self.norm(given[0], module, name)
            elif kind == "Contours":
                values[step] = self.contours(given[0], module, name)
            elif kind in ("relu", "ReLU"):
                values[step] = self.add("Relu", given[0], name=name)
            elif kind in ("add", "iadd"):
                values[step] = self.add("Add", *given, name=name)
            elif kind == "pixel_shuffle":
                values[step] = self.add("DepthToSpace", given[0], name=name, blocksize=given[1], mode="CRD")
            else:
                raise RestyleError(f"this export does not know the step {kind!r} of the network")
        raise AssertionError("a network without output")

    def planes(self, y: str, uv: str, network: FoldedTransNet) -> tuple[str, str]:
        """Codes in the network's type, (N, 1, H, W) and (N, 2, H/2, W/2), of the network's multiple -> the same."""
        # SpaceToDepth orders channels as (phase, plane), pixel_unshuffle as (plane, phase): the same for one plane
        y = self.add("SpaceToDepth", y, name="y_cells", blocksize=4)
        split = self.constant([1, 1])
        self.add("Split", uv, split, name="uv_split", outputs=("u_plane", "v_plane"), axis=1)
        u, v = (self.add("SpaceToDepth", f"{c}_plane", name=f"{c}_cells", blocksize=2) for c in "uv")
        x = self.add("Concat", y, u, v, name="cells", axis=1)
        center = self.constant(np.float32(CENTER), "center")
        x = self.network(self.add("Sub", x, center, name="centered"), network)
        x = self.add("Add", x, center, name="codes")
        self.add("Split", x, self.constant([16, 8]), name="codes_split", outputs=("y_codes", "uv_codes"), axis=1)
        styled_y = self.add("DepthToSpace", "y_codes", name="y_whole", blocksize=4, mode="CRD")
        return styled_y, self.add("DepthToSpace", "uv_codes", name="uv_whole", blocksize=2, mode="CRD")

    def affine(self, x: str, weight: Tensor, bias: Tensor, name: str) -> str:
        """(3, 3) and (3,) applied to the channels of each pixel."""
        kernel = self.constant(weight.float()[:, :, None, None], f"{name}_weight")
        return self.add("Conv", x, kernel, self.constant(bias.float(), f"{name}_bias"), name=name)

    def limit(self, x: str, highest: float, name: str) -> str:
        """Clamp to 0..highest."""
        low, high = self.constant(np.float32(0), "lowest"), self.constant(np.float32(highest), "highest")
        return self.add("Clip", x, low, high, name=name)

    def planes_model(self, network: FoldedTransNet) -> None:
        """The whole graph for planes."""
        cast = {p: self.add("Cast", p, name=f"{p}_float", to=self.float_code) for p in ("y", "uv")}
        y, uv = self.replicate_to_multiple(cast["y"], MULTIPLE), self.replicate_to_multiple(cast["uv"], MULTIPLE // 2)
        for plane, styled in zip(("y", "uv"), self.planes(y, uv, network), strict=True):
            x = self.crop(styled, cast[plane], f"{plane}_cropped")
            x = self.limit(self.add("Round", x, name=f"{plane}_round"), 255, f"{plane}_limited")
            self.add("Cast", x, name=f"styled_{plane}", to=self.onnx.TensorProto.UINT8)

    def rgb_model(self, network: FoldedTransNet) -> None:
        """The whole graph for RGB: 4:2:0 codes are made and undone as `realtime.transnet.color` does."""
        m, t = rgb_to_codes(*TRAINED_IN)
        inverse = torch.linalg.inv(m)
        x = self.add("Cast", "rgb", name="rgb_float", to=self.float_code)
        x = self.affine(self.replicate_to_multiple(x, MULTIPLE), m, t, "rgb_codes")
        self.add("Split", x, self.constant([1, 2]), name="rgb_split", outputs=("y_in", "uv_in"), axis=1)
        uv = self.add("AveragePool", "uv_in", name="uv_mean", kernel_shape=[2, 2], strides=[2, 2])
        styled_y, styled_uv = self.planes("y_in", uv, network)
        # the scales of Resize are fp32 whatever the picture is
        scales = self.onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice")
        self.constants["twice"] = scales
        centers = {"coordinate_transformation_mode": "half_pixel"}
        wide = self.add("Resize", styled_uv, "", "twice", name="uv_upsampled", outputs=(), mode="linear", **centers)
        x = self.affine(self.add("Concat", styled_y, wide, name="yuv", axis=1), inverse, -inverse @ t, "rgb_whole")
        x = self.limit(self.crop(x, "rgb_float", "rgb_cropped"), 1, "rgb_limited")
        self.add("Cast", x, name="styled_rgb", to=self.onnx.TensorProto.FLOAT)


def build(
    network: FoldedTransNet, *, input: Input, precision: Precision, opset: int, static: tuple[int, int] | None
) -> Any:
    """The network as an `onnx.ModelProto`, without metadata. `static` is (width, height); then N is 1."""
    onnx = _onnx()
    helper, code = onnx.helper, onnx.TensorProto
    graph = _Graph(onnx, precision)
    n: int | str = 1 if static else "N"
    w, h = static or ("W", "H")
    if input == "planes":
        half = tuple(-(-s // 2) if isinstance(s, int) else f"{s}_half" for s in (h, w))
        kind, shapes = code.UINT8, {"y": (n, 1, h, w), "uv": (n, 2, *half)}
        graph.planes_model(network)
    else:
        kind, shapes = code.FLOAT, {"rgb": (n, 3, h, w)}
        graph.rgb_model(network)
    value = helper.make_tensor_value_info
    proto = helper.make_graph(
        graph.nodes,
        "restyle",
        [value(name, kind, shape) for name, shape in shapes.items()],
        [value(f"styled_{name}", kind, shape) for name, shape in shapes.items()],
        list(graph.constants.values()),
    )
    opsets = [helper.make_opsetid("", opset)]
    # the oldest format that can say this: older runtimes read it
    version = helper.find_min_ir_version_for(opsets)
    return helper.make_model(proto, opset_imports=opsets, ir_version=version, producer_name="restyle")


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise InputError("ONNX export needs the package onnx: pip install restyle[export]") from None
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper

    return onnx


def metadata(card: StyleCard, input: Input, precision: Precision, static: tuple[int, int] | None) -> dict[str, str]:
    """What the file says of itself; all values are text."""
    ranges = {
        "planes": "uint8 codes 0..255, 4:2:0; u then v; chroma is half the size, rounded up",
        "rgb": "float32 0..1, R G B",
    }
    return {
        "format": "restyle-onnx",
        "style": card.name,
        "title": card.title,
        "artist": card.artist,
        "year": str(card.year or ""),
        "input": input,
        "values": ranges[input],
        "matrix": TRAINED_IN[0],
        "range": TRAINED_IN[1],
        "precision": precision,
        "multiple": str(MULTIPLE),
        "padding": "inside",
        "static": f"{static[0]}x{static[1]}" if static else "",
        "restyle": __version__,
    }


def compare(path: Path, reference: Reference, sizes: tuple[tuple[int, int], ...], batch: int) -> tuple[float, float]:
    """Run a file on the CPU by ONNX Runtime, and PyTorch beside it.

    Args:
        path: the .onnx file.
        reference: of the same input.
        sizes: (H, W) of the pictures: smooth shapes with noise on them.
        batch: pictures at once.

    Returns:
        The largest and the mean difference in codes of 255.

    Raises:
        RestyleError: ONNX Runtime cannot run it, or gives other shapes or types.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    generator = torch.Generator().manual_seed(0)
    highest, total, count = 0.0, 0.0, 0
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for h, w in sizes:
            feeds = _pictures(reference.input, batch, h, w, generator)
            got = session.run(None, {name: tensor.numpy() for name, tensor in feeds.items()})
            for have, want in zip(got, reference(*feeds.values()), strict=True):
                if have.shape != tuple(want.shape) or have.dtype != want.numpy().dtype:
                    raise RestyleError(f"ONNX Runtime gives {have.shape} {have.dtype}, PyTorch {tuple(want.shape)}")
                scale = 1.0 if reference.input == "planes" else 255.0
                difference = np.abs(have.astype(np.float64) - want.double().numpy()) * scale
                highest = max(highest, float(difference.max())) if np.isfinite(difference).all() else float("inf")
                total, count = total + float(difference.sum()), count + difference.size
    except RestyleError:
        raise
    except Exception as error:  # ONNX Runtime's have no common base
        raise RestyleError(f"ONNX Runtime cannot run the exported network: {' '.join(str(error).split())}") from error
    return highest, total / count


def _pictures(input: Input, n: int, h: int, w: int, generator: torch.Generator) -> dict[str, Tensor]:
    def smooth(channels: int, h: int, w: int) -> Tensor:
        coarse = torch.rand(n, channels, 4, 4, generator=generator)
        picture = F.interpolate(coarse, size=(h, w), mode="bilinear")
        return (picture + 0.1 * torch.randn(picture.shape, generator=generator)).clamp(0, 1)

    if input == "rgb":
        return {"rgb": smooth(3, h, w)}
    y, uv = smooth(1, h, w), smooth(2, -(-h // 2), -(-w // 2))
    return {"y": (y * 219 + 16).round().to(torch.uint8), "uv": (uv * 224 + 16).round().to(torch.uint8)}


def export_onnx(
    style: str | Path,
    output: str | Path,
    *,
    input: Input = "planes",
    precision: Precision = "fp32",
    opset: int = MIN_OPSET,
    static: tuple[int, int] | None = None,
    overwrite: bool = False,
) -> ExportSummary:
    """Write a style as ONNX, checked against PyTorch.

    Args:
        style: a name from the gallery, or a checkpoint.
        output: the .onnx file. It appears when it has passed the check, and not before.
        input: "planes" for 8-bit 4:2:0 codes (BT.709, limited range), "rgb" for floats.
        precision: of weights and activations; inputs and outputs have the same types in both.
        opset: of the default ONNX domain, 17 or more.
        static: (width, height) for pictures of one size, one at a time; None for any.
        overwrite: replace an output that is there.

    Raises:
        InputError: an option, the style or the output is wrong, or the package onnx is missing.
        RestyleError: the file cannot be written, or does not give what PyTorch gives.
    """
    target = Path(output)
    if input not in get_args(Input):
        raise InputError(f"input {input!r}: choose planes or rgb")
    if precision not in get_args(Precision):
        raise InputError(f"precision {precision!r}: choose fp32 or fp16")
    if static is not None and min(static) < 1:
        raise InputError(f"static {static}: give width and height")
    if target.suffix != ".onnx":
        raise InputError(f"{target}: an exported network's name ends in .onnx")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder")
    if target.is_dir() or (target.exists() and not overwrite):
        raise InputError(f"{target}: exists; use --overwrite to replace it")
    onnx = _onnx()
    highest_opset = onnx.defs.onnx_opset_version()
    if not MIN_OPSET <= opset <= highest_opset:
        raise InputError(f"opset {opset}: the installed onnx {onnx.__version__} takes {MIN_OPSET} to {highest_opset}")
    network, card = load_checkpoint(find_style(style))
    folded = fold(network, *TRAINED_IN)
    model = build(folded, input=input, precision=precision, opset=opset, static=static)
    onnx.helper.set_model_props(model, metadata(card, input, precision, static))
    sizes = ((static[1], static[0]),) if static else CHECK_SIZES
    part = target.with_name(f".{target.stem}.{os.getpid()}.part.onnx")
    try:
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the checker's and shape inference's have no common base
            raise RestyleError(f"{target}: the graph is not valid ONNX: {' '.join(str(error).split())}") from error
        part.write_bytes(model.SerializeToString())
        highest, mean = compare(part, Reference(folded, input), sizes, 1 if static else 2)
        allowed_highest, allowed_mean = TOLERANCES[precision]
        if not (highest <= allowed_highest and mean <= allowed_mean):
            raise RestyleError(
                f"{target}: not written: ONNX Runtime differs from PyTorch by up to {highest:.3g} of 255"
                f" ({mean:.3g} on average; {allowed_highest:g} and {allowed_mean:g} are allowed in {precision})"
            )
        size = part.stat().st_size
        part.replace(target)
    except OSError as error:
        raise RestyleError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return ExportSummary(
        output=target,
        style=card.name,
        input=input,
        precision=precision,
        opset=opset,
        static=static,
        bytes=size,
        nodes=len(model.graph.node),
        max_difference=round(highest, 4),
        mean_difference=round(mean, 6),
        checked_sizes=tuple((w, h) for h, w in sizes),
    )
