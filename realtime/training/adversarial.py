"""The adversarial loss: a discriminator of patches distinguishes crops of the painting from crops of the output.

Gram matrices describe which features occur in a painting, but not their arrangement. A discriminator of patches (Li &
Wand 2016, arXiv 1604.04382; the 70 px patches of Isola et al. 2017, arXiv 1611.07004) learns whole strokes. Hinge
losses and spectral normalisation (Miyato et al. 2018, arXiv 1802.05957) keep its training stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LEARNING_RATE = 2e-4
"""Of the discriminator; lower than that of the style network, which has other losses to follow."""


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
            (N, 1, H/8 - 2, W/8 - 2): above 0 where a patch looks like the painting.
        """
        return cast(Tensor, self.layers(rgb * 2 - 1))


def _conv(inputs: int, outputs: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1))


def discriminator_error(of_painting: Tensor, of_output: Tensor) -> Tensor:
    """The discriminator's hinge loss: a scalar, 0 where it is certain and right, 2 where it knows nothing.

    Args:
        of_painting, of_output: judgements, any shapes.
    """
    return F.relu(1 - of_painting).mean() + F.relu(1 + of_output).mean()


def output_error(of_output: Tensor) -> Tensor:
    """The style network's loss: a scalar, lower where the output looks more like the painting."""
    return -of_output.mean()


class Adversary:
    """The discriminator of a run, with its optimiser.

    Args:
        fabric: of the run.
        painting: (3, H, W) uint8.
        size: side of the crops in pixels.
    """

    def __init__(self, fabric: Fabric, painting: Tensor, size: int) -> None:
        self.fabric, self.painting, self.size = fabric, painting, size
        self.network = Discriminator().to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))
        self._wrapped, self.optimizer = fabric.setup(self.network, optimizer)

    def output_error(self, shown: Tensor) -> Tensor:
        """The style network's loss for its pictures (N, 3, size, size) in 0..1."""
        self.network.requires_grad_(False)  # its own gradients are those of `learn`
        with self.fabric.autocast():
            error = output_error(self.network(shown).float())
        self.network.requires_grad_(True)
        return error

    def learn(self, outputs: Sequence[Tensor], generators: Sequence[torch.Generator], *, update: bool) -> float:
        """One step of the discriminator.

        Args:
            outputs: pictures of each batch of the step, (N, 3, size, size) in 0..1.
            generators: for the crops of the painting of each batch.
            update: whether the weights change.

        Returns:
            the mean of its losses.
        """
        errors = []
        for shown, generator in zip(outputs, generators, strict=True):
            real = painting_crops(self.painting, len(shown), self.size, generator).to(shown)
            error = discriminator_error(*self._wrapped(torch.cat([real, shown])).float().chunk(2))
            self.fabric.backward(error / len(outputs))
            errors.append(error.detach())
        if update:
            self.optimizer.step()
        self.optimizer.zero_grad()
        return float(torch.stack(errors).mean())


def painting_crops(painting: Tensor, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Random crops of the painting, mirrored at random.

    Args:
        painting: (3, H, W) uint8; extended by reflection where it is smaller than a crop.
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
    if min(height, width) < size:  # less than half of a crop: reflection cannot extend it so far
        pictures = F.interpolate(pictures, size=(max(height, size), max(width, size)), mode="bilinear")
        height, width = pictures.shape[2:]
    crops = []
    for _ in range(count):
        top = int(torch.randint(height - size + 1, (), generator=generator))
        left = int(torch.randint(width - size + 1, (), generator=generator))
        crop = pictures[0, :, top : top + size, left : left + size]
        crops.append(crop.flip(2) if torch.rand((), generator=generator) < 0.5 else crop)
    return torch.stack(crops)
