"""Small networks, what PyTorch paints with them, exported files, and ONNX files as other people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from export.onnx_export import export_onnx
from realtime.engines.torch.engine import TorchEngine
from realtime.frames import Frame
from realtime.options import ExportOptions
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.transnets import SMALL, random_network

FLAT = Architecture(width=8, body=16, dilations=(1, 2), contours=())
"""Without contours: a random network answers them far more than a trained one, and half a code turns a fine phase."""


def mild_network(architecture: Architecture = SMALL, seed: int = 0) -> TransNet:
    """A random network that stays in gamut by and large."""
    network = random_network(architecture, seed)
    with torch.no_grad():
        network.out.weight.mul_(0.3)
    return network


def exact(network: TransNet, frames: list[Frame]) -> list[Frame]:
    """What PyTorch paints in fp32, frame by frame."""
    with TorchEngine(network, device="cpu", precision="fp32", threads=1) as engine:
        return [engine.stylize([frame])[0] for frame in frames]


def codes(frame: Frame) -> np.ndarray:
    """All codes of a frame, one after the other."""
    return np.concatenate([plane.ravel() for plane in (frame.y, frame.u, frame.v)]).astype(np.float64)


def mean_difference(a: Frame, b: Frame) -> float:
    return float(np.abs(codes(a) - codes(b)).mean())


def checkpoint(folder: Path, network: TransNet | None = None) -> Path:
    """A checkpoint with a title."""
    network = network or mild_network()
    path = folder / "style.safetensors"
    save_checkpoint(path, network, StyleCard("style", "A Title", "A Painter", 1889, network.architecture))
    return path


def exported(folder: Path, network: TransNet, **options: Any) -> Path:
    """A checkpoint, exported as style.onnx."""
    path = folder / "style.onnx"
    export_onnx(checkpoint(folder, network), path, ExportOptions(overwrite=True, **options))
    return path


def rgb_network(
    path: Path,
    *,
    full: float = 255.0,
    shape: tuple[Any, ...] = ("N", 3, "H", "W"),
    kind: int = TensorProto.FLOAT,
    opset: int = 12,
    grow: int = 0,
    name: str = "input1",
) -> Path:
    """A network as other people write it: the negative of a picture, without metadata.

    Args:
        path: of the file.
        full: the value of white.
        shape: of the input; with the channels last if they are last there.
        kind: type of the input and the output.
        opset: version of ONNX's operators.
        grow: rows and columns by which the output is larger.
        name: of the input.
    """
    last = shape[-1] == 3
    nodes = []

    def add(op: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [f"v{len(nodes)}"], **attributes))
        return f"v{len(nodes) - 1}"

    x = add("Cast", name, to=TensorProto.FLOAT)
    if last:
        x = add("Transpose", x, perm=[0, 3, 1, 2])
    x = add("Conv", x, "weight", "bias")
    if grow:
        x = add("Pad", x, "pads", mode="edge")
    if last:
        x = add("Transpose", x, perm=[0, 2, 3, 1])
    nodes.append(helper.make_node("Cast", [x], ["output1"], to=kind))
    constants = {
        "weight": -np.eye(3, dtype=np.float32)[:, :, None, None],
        "bias": np.full(3, full, np.float32),
        "pads": np.array([0] * 6 + [grow, grow], np.int64),
    }
    value = helper.make_tensor_value_info
    output = [s if isinstance(s, int) and s == 3 else None for s in shape]
    graph = helper.make_graph(
        nodes,
        "somebody's",
        [value(name, kind, shape)],
        [value("output1", kind, output)],
        [numpy_helper.from_array(array, key) for key, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path
