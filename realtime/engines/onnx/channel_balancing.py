"""Channels scaled so that one int8 scale suits all channels of a tensor (Nagel et al. 2019, arXiv 1906.04721).

Convolutions are linear and ReLU keeps positive factors. So a channel can be divided by a number where convolutions
produce it, and the weights of the convolutions that consume it multiplied by that number: the network's result is the
same.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from realtime.engines.onnx.steps import NetworkSteps, Step
from realtime.transnet.folding import FoldedTransNet

_KEEPS_FACTORS = ("relu", "identity", "pixel_shuffle", "add")


@dataclass(frozen=True, slots=True)
class _Junction:
    """Channels between convolutions that can be scaled: nothing but `_KEEPS_FACTORS` lies between.

    Attributes:
        producers: convolutions; one with more outputs than there are channels feeds a pixel shuffle.
        consumers: convolutions.
    """

    producers: list[nn.Conv2d]
    consumers: list[nn.Conv2d]

    @property
    def channels(self) -> int:
        return self.consumers[0].in_channels


def _junctions(network: FoldedTransNet) -> list[_Junction]:
    steps = NetworkSteps(network)
    parent: dict[Step, Step] = {}  # a forest: steps whose results must be scaled alike have the same root

    def root(step: Step) -> Step:
        while parent[step] is not step:
            step = parent[step]
        return step

    fixed: list[Step] = []  # no factor may be put on these
    convolutions: list[tuple[Step, Step]] = []
    for step in steps.graph.nodes:
        parent[step] = step
        given = steps.inputs(step)
        operation = steps.operation(step)
        if operation == "conv":
            convolutions.append((given[0], step))
        elif operation in _KEEPS_FACTORS:
            for other in given:
                parent[root(other)] = step
        else:
            fixed += [step, *given]
    found: dict[Step, _Junction] = {}
    for source, step in convolutions:
        conv = steps.module(step)
        found.setdefault(root(step), _Junction([], [])).producers.append(conv)
        found.setdefault(root(source), _Junction([], [])).consumers.append(conv)
    for step in fixed:
        found.pop(root(step), None)
    return [junction for junction in found.values() if junction.consumers]


def balanced(network: FoldedTransNet, gains: Sequence[Tensor]) -> FoldedTransNet:
    """The same network with channels of about equal size.

    Args:
        network: folded, for any meaning of the codes.
        gains: from `measure_gains`, of a network of the same shape.

    Returns:
        a new network, whose result is the same up to rounding.
    """
    network = deepcopy(network)
    for junction, gain in zip(_junctions(network), gains, strict=True):
        for conv in junction.producers:
            assert conv.bias is not None
            divisor = gain.repeat_interleave(conv.out_channels // len(gain))
            conv.weight.data = conv.weight / divisor[:, None, None, None]
            conv.bias.data = conv.bias / divisor
        for conv in junction.consumers:
            conv.weight.data = conv.weight * gain[None, :, None, None]
    return network


def measure_gains(network: FoldedTransNet, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `balanced` divides channels by.

    For each channel the square root of its largest value over the largest weight that it meets, rounded to a power of
    two so that dividing by it loses nothing.

    Args:
        network: folded; it stays as it is.
        inputs: network inputs to measure on.

    Returns:
        one vector (C,) for each place where channels can be scaled.
    """
    junctions = _junctions(network)
    largest = [torch.zeros(junction.channels) for junction in junctions]
    hooks = []
    for index, junction in enumerate(junctions):

        def record(module: nn.Module, given: tuple[Tensor, ...], index: int = index) -> None:
            largest[index] = torch.maximum(largest[index], given[0].abs().amax((0, 2, 3)))

        hooks += [conv.register_forward_pre_hook(record) for conv in junction.consumers]
    try:
        for x in inputs:
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    gains = []
    for junction, size in zip(junctions, largest, strict=True):
        weight = torch.stack([conv.weight.abs().amax((0, 2, 3)) for conv in junction.consumers]).amax(0)
        # channels that are hardly ever active, or hardly used, must not get extreme factors
        size, weight = (v.clamp_min(1e-3 * float(v.max()) + 1e-9) for v in (size, weight))
        gain = (size / weight).sqrt()
        gains.append(2 ** (gain / gain.log().mean().exp()).log2().round())
    return tuple(gains)
