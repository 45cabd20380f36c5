"""Builds an ONNX graph node by node: constants, nodes, sizes that are known or worked out at run time, quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime.errors import InputError
from realtime.transnet.network import CENTER

Size = tuple[int, int]
"""(height, width)."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How uint8 codes stand for real numbers: value = (code - zero_point) * scale."""

    scale: float
    zero_point: int

    @classmethod
    def for_range(cls, low: float, high: float) -> Quantization:
        """The one with the finest steps that holds low..high and 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255 or 1.0
        return cls(scale, round(-low / scale))


CODES = Quantization(1.0, int(CENTER))
"""Of a picture's codes 0..255, which the network takes and gives as code - 128."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor (N, C, H, W) in the graph.

    Attributes:
        name: in the graph.
        quantization: of a uint8 tensor; None for floats.
        channels_last: name of the same tensor as (N, H, W, C), if the graph has it.
    """

    name: str
    quantization: Quantization | None = None
    channels_last: str = ""


def load_onnx() -> Any:
    """The package onnx with its modules `checker`, `helper` and `numpy_helper`.

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


class GraphBuilder:
    """Collects the nodes and constants of a graph. Each method adds nodes and returns the name of the result.

    Args:
        half: floats are fp16.
        cpu: use the nodes that CPU kernels run fastest, instead of those that every runtime supports.
    """

    def __init__(self, *, half: bool = False, cpu: bool = False) -> None:
        self.onnx = load_onnx()
        self.half, self.cpu = half, cpu
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.shape_hints: list[Any] = []
        self.float_type = self.onnx.TensorProto.FLOAT16 if half else self.onnx.TensorProto.FLOAT
        self._names: set[str] = set()

    def constant(self, value: Any, name: str = "") -> str:
        """A tensor with the type that NumPy gives it. Without a name, equal ones are stored once."""
        array = np.asarray(value)
        name = name or f"{array.dtype}_{'x'.join(map(str, array.ravel().tolist()))}_{array.ndim}"
        if name not in self.constants:
            array = np.ascontiguousarray(array).reshape(array.shape)  # the former makes (1,) of ()
            self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def weights(self, value: np.ndarray, name: str) -> str:
        """Floats in the network's precision."""
        return self.constant(value.astype(np.float16 if self.half else np.float32), name)

    def integers(self, *values: int) -> str:
        """int64 (n,)."""
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, name: str, outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        """A node; without `outputs`, its output has the node's name. Returns the first output."""
        outputs = outputs or (name,)
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), list(outputs), name=name, **attributes))
        self._names.add(name)
        return outputs[0]

    def rename_output(self, x: str, name: str) -> None:
        """Rename a tensor that no node takes."""
        (node,) = (node for node in self.nodes if x in node.output)
        node.output[list(node.output).index(x)] = name

    # Sizes

    def sizes(self, x: str, axis: int, count: int = 1) -> str:
        """int64 (count,): sizes of a tensor from an axis on."""
        name = f"{x}_size" if (axis, count) == (2, 2) else f"{x}_size_{axis}_{count}"
        if name not in self._names:
            if f"{x}_shape" not in self._names:
                self.node("Shape", x, name=f"{x}_shape")
            self.node("Slice", f"{x}_shape", self.integers(axis), self.integers(axis + count), name=name)
        return name

    def shape(self, *sizes: int | str) -> str:
        """int64 (n,) of numbers, and of names of int64 tensors (1,) or longer."""
        if all(isinstance(size, int) for size in sizes):
            return self.integers(*(int(size) for size in sizes))
        name = "shape_" + "_".join(map(str, sizes))
        if name not in self._names:
            self.node("Concat", *(self.integers(s) if isinstance(s, int) else s for s in sizes), name=name, axis=0)
        return name

    def times(self, size: int | str, factor: int, name: str) -> int | str:
        """A size multiplied by a number."""
        if isinstance(size, int):
            return size * factor
        return name if name in self._names else self.node("Mul", size, self.integers(factor), name=name)

    def pad_to_multiple(self, x: str, multiple: int, size: Size | None) -> str:
        """Pad below and on the right by replication; `size` is the tensor's where it is known."""
        if size is not None:
            bottom, right = (-side % multiple for side in size)
            if not bottom and not right:
                return x
            pads = self.integers(0, 0, 0, 0, 0, 0, bottom, right)
        else:
            over = self.node("Mod", self.sizes(x, 2, 2), self.integers(multiple), name=f"{x}_over")
            short = self.node("Sub", self.integers(multiple), over, name=f"{x}_short")
            missing = self.node("Mod", short, self.integers(multiple), name=f"{x}_missing")
            pads = self.node("Concat", self.integers(*[0] * 6), missing, name=f"{x}_pads", axis=0)
        return self.node("Pad", x, pads, name=f"{x}_padded", mode="edge")

    def crop(self, x: str, like: str, size: Size | None, multiple: int, name: str) -> str:
        """Undo `pad_to_multiple` of a tensor with the size of `like`."""
        if size is not None and not any(side % multiple for side in size):
            return x
        wanted = self.sizes(like, 2, 2) if size is None else self.integers(*size)
        return self.node("Slice", x, self.integers(0, 0), wanted, self.integers(2, 3), name=name)

    # Between floats and uint8

    def quantized(self, x: str, quantization: Quantization) -> Value:
        """Floats as uint8, rounded and limited."""
        scale, zero = self._quantization(quantization)
        return Value(self.node("QuantizeLinear", x, scale, zero, name=f"{x}_codes"), quantization)

    def floats(self, x: Value, user: str) -> str:
        """A tensor as floats, for one node that takes it: runtimes join the conversion with that node."""
        if x.quantization is None:
            return x.name
        if not self.cpu:
            return self.centered(self.node("Cast", x.name, name=f"{user}_cast", to=self.float_type), user)
        scale, zero = self._quantization(x.quantization)
        return self.node("DequantizeLinear", x.name, scale, zero, name=f"{user}_floats")

    def _quantization(self, quantization: Quantization) -> tuple[str, str]:
        return self.constant(np.float32(quantization.scale)), self.constant(np.uint8(quantization.zero_point))

    def dequantized_rows(self, codes: np.ndarray, scale: np.ndarray, name: str) -> str:
        """Integer constants as floats, with a scale for each row."""
        parts = {"codes": codes, "scale": scale, "zero": np.zeros(len(codes), codes.dtype)}
        names = [self.constant(part, f"{name}_{what}") for what, part in parts.items()]
        return self.node("DequantizeLinear", *names, name=name, axis=0)

    def centered(self, codes: str, user: str) -> str:
        """Float codes minus 128."""
        return self.node("Sub", codes, self.center(), name=f"{user}_centered")

    def center(self) -> str:
        """128 as a float."""
        return self.weights(np.array(CENTER), "center")

    def clamped(self, x: str, highest: float, name: str, kind: type[np.floating[Any]] = np.float32) -> str:
        """Limit floats of a type to 0..highest."""
        return self.node("Clip", x, self.constant(kind(0)), self.constant(kind(highest)), name=name)

    def color_transform(self, x: str, m: np.ndarray, t: np.ndarray, name: str) -> str:
        """m (n, 3) and t (n,) applied to the channels of each pixel, in fp32."""
        weight, bias = m.astype(np.float32)[:, :, None, None], t.astype(np.float32)
        return self.node(
            "Conv", x, self.constant(weight, f"{name}_weight"), self.constant(bias, f"{name}_bias"), name=name
        )
