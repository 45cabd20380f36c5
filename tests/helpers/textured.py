"""A small network with everything that emitted networks have: the texture plane, the skip, and the fine blocks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from realtime.transnet.network import PLANE_CHANNELS, Architecture, TransNet
from tests.helpers.transnets import random_network

TEXTURED = Architecture(
    width=8, body=16, dilations=(1, 2), norm="blocks", contours=(), skip=True, fine=(1, 2), texture=True
)
"""As `realtime.transnet.hypernetwork.EMITTED`, but small."""

LOCAL = replace(TEXTURED, norm="none")
"""The same without statistics over the picture."""


def textured_network(architecture: Architecture = TEXTURED, seed: int = 0) -> TransNet:
    """A random network that stays in gamut by and large, and answers its texture plane strongly."""
    network = random_network(architecture, seed)
    with torch.no_grad():
        network.out.weight.mul_(0.3)
        network.stem.weight[:, 24:].mul_(2)
    return network


def with_texture(planes: Tensor, architecture: Architecture, scale: float = 1.0, seed: int = 0) -> Tensor:
    """(N, 24, h, w) as a network takes them: with random texture behind them, of this deviation, where it has any."""
    generator = torch.Generator().manual_seed(seed)
    n, _, h, w = planes.shape
    texture = torch.randn(n, architecture.inputs - PLANE_CHANNELS, h, w, generator=generator) * scale
    return torch.cat([planes, texture.to(planes.dtype)], 1)
