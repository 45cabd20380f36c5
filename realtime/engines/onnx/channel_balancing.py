"""Channels scaled so that one int8 scale suits all channels of a tensor (Nagel et al. 2019, arXiv 1906.04721).

Convolutions are linear and ReLU keeps positive factors. So a channel can be divided by a number where convolutions
produce it, and the weights of the convolutions that consume it multiplied by that number: the network's result is the
same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from realtime.engines.onnx.steps import NetworkSteps, Step
from realtime.transnet.folding import FoldedTransNet

_KEEPS_FACTORS = ("relu", "identity", "pixel_shuffle", "add")


ChannelRanges = Mapping[str, tuple[Tensor, Tensor]]
"""Smallest and largest value of each channel of each step's result, (C,), by the steps' names."""


@dataclass(frozen=True, slots=True)
class _Junction:
    """Channels between convolutions that can be scaled: nothing but `_KEEPS_FACTORS` lies between.

    Attributes:
        producers: convolutions; one with more outputs than there are channels feeds a pixel shuffle.
        consumers: convolutions.
        given: names of the steps whose results the consumers take.
        steps: names of all steps whose results are scaled.
    """

    producers: list[nn.Conv2d] = field(default_factory=list)
    consumers: list[nn.Conv2d] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


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
    found: dict[Step, _Junction] = defaultdict(_Junction)
    for source, step in convolutions:
        conv = steps.module(step)
        found[root(step)].producers.append(conv)
        found[root(source)].consumers.append(conv)
        found[root(source)].given.append(source.name)
    for step in fixed:
        found.pop(root(step), None)
    for step in steps.graph.nodes:
        if root(step) in found:
            found[root(step)].steps.append(step.name)
    return [junction for junction in found.values() if junction.consumers]


def balanced(network: FoldedTransNet, gains: Sequence[Tensor]) -> FoldedTransNet:
    """The same network with channels of about equal size.

    Args:
        network: folded, for any meaning of the codes.
        gains: from `choose_gains`, of a network of the same shape.

    Returns:
        a new network, whose result is the same up to rounding.
    """
    network = deepcopy(network)
    for junction, gain in zip(_junctions(network), gains, strict=True):
        for conv in junction.producers:
            assert conv.bias is not None
            divisor = _of_phases(gain, conv.out_channels)
            conv.weight.data = conv.weight / divisor[:, None, None, None]
            conv.bias.data = conv.bias / divisor
        for conv in junction.consumers:
            conv.weight.data = conv.weight * gain[None, :, None, None]
    return network


def choose_gains(network: FoldedTransNet, ranges: ChannelRanges) -> tuple[Tensor, ...]:
    """What `balanced` divides channels by.

    For each channel the square root of its largest value over the largest weight that it meets, rounded to a power of
    two so that dividing by it loses nothing.

    Args:
        network: folded; it stays as it is.
        ranges: measured on it.

    Returns:
        one vector (C,) for each place where channels can be scaled.
    """
    gains = []
    for junction in _junctions(network):
        size = torch.stack([torch.maximum(-low, high) for low, high in map(ranges.__getitem__, junction.given)]).amax(0)
        weight = torch.stack([conv.weight.abs().amax((0, 2, 3)) for conv in junction.consumers]).amax(0)
        # channels that are hardly ever active, or hardly used, must not get extreme factors
        size, weight = (v.clamp_min(1e-3 * float(v.max()) + 1e-9) for v in (size, weight))
        gain = (size / weight).sqrt()
        gains.append(2 ** (gain / gain.log().mean().exp()).log2().round())
    return tuple(gains)


def balanced_ranges(
    network: FoldedTransNet, gains: Sequence[Tensor], ranges: ChannelRanges
) -> dict[str, tuple[float, float]]:
    """The smallest and the largest value of each step of the balanced network, by the steps' names.

    Args:
        network: folded, not balanced.
        gains: see `balanced`.
        ranges: measured on `network`.
    """
    divisors = {
        name: gain for junction, gain in zip(_junctions(network), gains, strict=True) for name in junction.steps
    }
    found = {}
    for name, (low, high) in ranges.items():
        divisor = _of_phases(divisors[name], len(low)) if name in divisors else torch.ones(())
        found[name] = float((low / divisor).min()), float((high / divisor).max())
    return found


def _of_phases(gain: Tensor, channels: int) -> Tensor:
    """The gains of `channels` channels, which are phases of the channels of `gain` or these themselves."""
    return gain.repeat_interleave(channels // len(gain))
