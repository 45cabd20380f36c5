"""The steps of a folded network, recorded by torch.fx, and what surrounds a step.

Graphs and calibration follow these steps, so that a change of the network's `forward` needs no change there unless it
uses a new kind of step.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.fx
from torch import nn

from realtime.engines.plane_packing import PLANES
from realtime.transnet.folding import PictureNorm
from realtime.transnet.network import PLANE_CHANNELS, Contours

Step = torch.fx.Node

_LEAVES: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv",
    nn.Identity: "identity",
    nn.ReLU: "relu",
    PictureNorm: "picture_norm",
    Contours: "contours",
}
"""Modules that become ONNX nodes as a whole, and what their steps are called."""


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, tuple(_LEAVES))


class NetworkSteps:
    """The steps of a network in the order in which they run. Their names are the same for networks of one shape.

    Attributes:
        network: a `FoldedTransNet`.
        graph: as torch.fx records it.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.graph = _Tracer().trace(network)
        self._positions = {step: n for n, step in enumerate(self.graph.nodes)}

    def operation(self, step: Step) -> str:
        """What a step does: "conv", "relu", "add", "placeholder", ...; the same whether it works in place or not."""
        if step.op == "call_module":
            module = self.module(step)
            return next(name for kind, name in _LEAVES.items() if isinstance(module, kind))
        if step.op in ("call_function", "call_method"):
            target: Any = step.target
            name = (target if isinstance(target, str) else str(target.__name__)).rstrip("_")
            return "add" if name == "iadd" else name
        return step.op

    def module(self, step: Step) -> Any:
        """The module that a step calls; None for a function."""
        return self.network.get_submodule(str(step.target)) if step.op == "call_module" else None

    def inputs(self, step: Step) -> list[Step]:
        """The steps whose results a step takes.

        The terms of a sum are ordered in one way, however `forward` writes it: those that other steps take as well come
        last. Runtimes compute a sum together with the convolution that gives its first term.
        """
        given = step.all_input_nodes
        if self.operation(step) == "add":
            given = sorted(given, key=lambda term: (len(term.users) > 1, self._positions[term]))
        return given

    def only_user(self, step: Step) -> Step | None:
        """The one step that takes the result of this one, past any identity; None if there are several."""
        while len(step.users) == 1:
            step = next(iter(step.users))
            if self.operation(step) != "identity":
                return step
        return None

    def is_last(self, step: Step) -> bool:
        """Whether a step's result is the network's."""
        user = self.only_user(step)
        return user is not None and self.operation(user) == "output"

    def precedes_relu(self, step: Step) -> bool:
        """Whether a ReLU, and nothing else, takes a step's result."""
        user = self.only_user(step)
        return user is not None and self.operation(user) == "relu"

    def phases(self, conv: Step) -> tuple[int, ...]:
        """Numbers of consecutive output channels of a convolution that become neighbouring pixels of one plane.

        Empty where none do: only a pixel shuffle, perhaps after a ReLU, and the network's output make pixels of
        channels.
        """
        channels: int = self.module(conv).out_channels
        if self.is_last(conv) and channels == PLANE_CHANNELS:
            return tuple(side**2 for _, side in PLANES)
        user = self.only_user(conv)
        while user is not None and self.operation(user) == "relu":
            user = self.only_user(user)
        side: Any = 1 if user is None or self.operation(user) != "pixel_shuffle" else user.args[1]
        return () if side == 1 else (side**2,) * (channels // side**2)

    def convolution_before(self, step: Step) -> Step:
        """The convolution whose result a step takes, perhaps after a ReLU."""
        while self.operation(step) != "conv":
            step = step.all_input_nodes[0]
        return step
