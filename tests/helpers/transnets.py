"""Small TransNets: random ones of every kind, and one that paints in gray."""

from __future__ import annotations

from itertools import product

import torch
from torch import nn

from realtime.options import EngineOptions
from realtime.transnet.network import CENTER, SCALE, Architecture, TransNet

CPU = EngineOptions(backend="torch", device="cpu", precision="fp32", threads=1)
"""The engine of tests that judge something else: exact, and not chosen by a measurement."""

SMALL = Architecture(width=8, body=16, dilations=(1, 2))

_EMITTED: dict[str, object] = {"contours": (), "skip": True, "fine": (1, 2), "texture": True}
"""What networks that are emitted for a painting have, beside their norm."""

LOCAL_BODIES: list[dict[str, object]] = [
    {"norm": "none"},
    {"norm": "batch"},
    {"cell": 4, "contours": ()},
    {"cell": 4},
    {"norm": "none", **_EMITTED},
    {"norm": "batch", "cell": 4, **_EMITTED},
]
"""Kinds of network without statistics over the picture."""

BODIES: list[dict[str, object]] = [
    *LOCAL_BODIES,
    {"norm": "instance"},
    {"norm": "instance", "cell": 4},
    {"norm": "blocks", **_EMITTED},
]

VARIANTS = list(product(("bt601", "bt709", "bt2020"), ("limited", "full")))
"""Every matrix and range of Y'CbCr."""


def random_network(architecture: Architecture, seed: int = 0) -> TransNet:
    """A network whose every value is random, norms' statistics and last convolutions included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TransNet(architecture).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.3)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.1)
    return network


GRAY = 200
"""The brightness in which `gray_network` paints."""


def gray_network() -> TransNet:
    """A network that paints everything in one gray."""
    network = TransNet(Architecture(width=8, body=16, dilations=(), norm="none", contours=())).eval()
    network.requires_grad_(False)
    assert network.out.bias is not None
    network.out.weight.zero_()
    network.out.bias.copy_(torch.tensor([(GRAY - CENTER) / SCALE] * 16 + [0.0] * 8))
    return network
