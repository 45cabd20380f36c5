"""Synthetic motion: pairs of views with exactly known flow, made from a still.

No video and no flow network is needed (as in ReReVST, Wang et al. 2020, arXiv 2007.08501): a still is shifted, zoomed,
turned and bent by a smooth random field, gets sensor noise and a change of brightness, and the network is asked to do
the same to its own picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Motion:
    """A known motion of N pictures.

    Attributes:
        grid: (N, H, W, 2), where each pixel of the second view lies in the first, as `grid_sample` takes it.
        valid: (N, 1, H, W) float, 1 where that is inside the first view.
    """

    grid: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> Motion:
        """The same motion on a device."""
        return Motion(self.grid.to(device), self.valid.to(device))

    def apply(self, pictures: Tensor) -> Tensor:
        """Move (N, C, H, W) pictures: the first view as the second one sees it."""
        return F.grid_sample(pictures, self.grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def random_motion(count: int, size: int, generator: torch.Generator) -> Motion:
    """Random motions of square pictures: half of them whole-pixel shifts, half a smooth mixture.

    Whole-pixel shifts need no interpolation, so that they ask for steadiness without rewarding blur.

    Args:
        count: N.
        size: side of the pictures in pixels.
        generator: on the CPU.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    base = torch.stack([xs, ys], -1)
    pixel = 2 / size
    grids = []
    for _ in range(count):
        if torch.rand((), generator=generator) < 0.5:
            shift = torch.randint(-9, 10, (2,), generator=generator)
            grids.append(base + shift * pixel)
            continue
        angle, zoom = uniform(-0.05, 0.05, 1), uniform(0.94, 1.06, 1)
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * zoom
        field = F.interpolate(torch.randn(1, 2, 5, 5, generator=generator), size=(size, size), mode="bicubic")
        bend = field[0].permute(1, 2, 0) * 2 * pixel
        grids.append(base @ turn.T + uniform(-9, 9, 2) * pixel + bend)
    grid = torch.stack(grids)
    margin = 1 - 2 * pixel
    valid = (grid.abs() <= margin).all(-1).float()[:, None]
    return Motion(grid, valid)


def sensor_noise(pictures: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Add what a camera adds between two frames: noise of a random strength up to `sigma`, and a slight change of
    brightness.

    Args:
        pictures: (N, 3, H, W) in 0..1.
        sigma: largest standard deviation of the noise.
        generator: on the CPU.
    """
    n = len(pictures)
    strength = torch.rand(n, 1, 1, 1, generator=generator) * sigma
    gain = 1 + (torch.rand(n, 1, 1, 1, generator=generator) - 0.5) * 0.02
    noise = torch.randn(pictures.shape, generator=generator)
    return (pictures * gain.to(pictures) + (noise * strength).to(pictures)).clamp(0, 1)
