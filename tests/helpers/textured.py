"""A small network with everything that emitted networks have: the texture plane, the skip, and the fine blocks."""

from __future__ import annotations

import torch

from realtime.frames import Frame
from realtime.media.synthetic.natural import natural_frames
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.transnets import random_network

TEXTURED = Architecture(
    width=8, body=16, dilations=(1, 2), norm="blocks", contours=(), skip=True, fine=(1, 2), texture=True
)
"""As `realtime.transnet.hypernetwork.EMITTED`, but small."""

LOCAL = Architecture(
    width=8, body=16, dilations=(1, 2), norm="none", contours=(), skip=True, fine=(1,), texture=True
)
"""The same without statistics over the picture."""


def textured_network(architecture: Architecture = TEXTURED, seed: int = 0) -> TransNet:
    """A random network that stays in gamut by and large, and answers its texture plane strongly."""
    network = random_network(architecture, seed)
    with torch.no_grad():
        network.out.weight.mul_(0.3)
        network.stem.weight[:, 24:].mul_(2)
    return network


def plain_picture(height: int, width: int, origin: tuple[float, float] = (0.0, 0.0)) -> Frame:
    """A photograph-like frame at a place of the texture plane."""
    made = next(natural_frames(1, size=(-(-width // 2) * 2, -(-height // 2) * 2)))
    rows, columns = -(-height // 2), -(-width // 2)
    return made.with_planes(made.y[:height, :width], made.u[:rows, :columns], made.v[:rows, :columns]).at(origin)
