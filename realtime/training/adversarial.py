"""The adversarial term: a patch discriminator tells crops of the painting from crops of the output.

Gram matrices know which features a painting has, not how they lie beside each other; a discriminator of patches (Li &
Wand 2016, arXiv 1604.04382; the 70 px patches of Isola et al. 2017, arXiv 1611.07004) learns strokes as they are. Hinge
losses and spectral norm (Miyato et al. 2018, arXiv 1802.05957) keep it calm.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LEARNING_RATE = 2e-4
"""Of the discriminator; slower than the network it judges, which has other losses to follow."""


class Discriminator(nn.Module):
    """Three strided 4x4 convolutions and two plain ones: each value of the output judges a patch of 70 px.

    Args:
        width: channels of the first convolution.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            layers += [_conv(inputs, outputs, 2), nn.LeakyReLU(0.2)]
        layers += [_conv(4 * width, 4 * width, 1), nn.LeakyReLU(0.2), _conv(4 * width, 1, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, rgb: Tensor) -> Tensor:
        """Judge pictures.

        Args:
            rgb: (N, 3, H, W) in 0..1, H and W 48 or more.

        Returns:
            (N, 1, H/8 - 2, W/8 - 2): above 0 where a patch looks painted by the painter.
        """
        return cast(Tensor, self.layers(rgb * 2 - 1))


def _conv(inputs: int, outputs: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1))


def judge_error(of_painting: Tensor, of_output: Tensor) -> Tensor:
    """The discriminator's hinge loss: a scalar, 0 where it is sure and right, 2 where it knows nothing.

    Args:
        of_painting, of_output: judgements, any shapes.
    """
    return F.relu(1 - of_painting).mean() + F.relu(1 + of_output).mean()


def painter_error(of_output: Tensor) -> Tensor:
    """What the network is trained by: a scalar, the lower the more the output looks like the painting."""
    return -of_output.mean()


def painting_crops(painting: Tensor, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Random crops of the painting, mirrored at random.

    Args:
        painting: (3, H, W) uint8; enlarged by reflection where it is smaller than a crop.
        count: N.
        size: side of the crops in pixels.
        generator: on the CPU.

    Returns:
        (N, 3, size, size) fp32 in 0..1.
    """
    pictures = painting[None].float() / 255
    short = [max(0, size - side) for side in painting.shape[1:]]
    if any(short):
        most = [min(gap, side - 1) for gap, side in zip(short, painting.shape[1:], strict=True)]
        pictures = F.pad(pictures, (0, most[1], 0, most[0]), mode="reflect")
    height, width = pictures.shape[2:]
    if min(height, width) < size:  # less than half of a crop: reflection does not reach so far
        pictures = F.interpolate(pictures, size=(max(height, size), max(width, size)), mode="bilinear")
        height, width = pictures.shape[2:]
    crops = []
    for _ in range(count):
        top = int(torch.randint(height - size + 1, (), generator=generator))
        left = int(torch.randint(width - size + 1, (), generator=generator))
        crop = pictures[0, :, top : top + size, left : left + size]
        crops.append(crop.flip(2) if torch.rand((), generator=generator) < 0.5 else crop)
    return torch.stack(crops)
