"""Synthetic motion: pairs of views of one picture with an exactly known flow.

This needs no video and no flow network (as in ReReVST, Wang et al. 2020, arXiv 2007.08501): a picture is shifted,
zoomed, turned and bent by a smooth random field, gets sensor noise and a change of brightness, and the network must
move its own picture in the same way.
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
        grid: (N, H, W, 2), the position in the first view of each pixel of the second, in the units of `grid_sample`.
        valid: (N, 1, H, W) float, 1 where that position is inside the first view.
    """

    grid: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> Motion:
        """The same motion on a device."""
        return Motion(self.grid.to(device), self.valid.to(device))

    def translation(self) -> Tensor:
        """(N, 2) float: how far the scene's place in the picture moves, (down, right) in pixels: the median over the
        picture. The texture plane of the second view begins there on that of the first; see `Frame.origin`."""
        n, height, width, _ = self.grid.shape
        ys, xs = ((torch.arange(side, device=self.grid.device) + 0.5) * 2 / side - 1 for side in (height, width))
        right = (self.grid[..., 0] - xs) * width / 2
        down = (self.grid[..., 1] - ys[:, None]) * height / 2
        return torch.stack([shift.reshape(n, -1).median(1).values for shift in (down, right)], 1)

    def apply(self, pictures: Tensor) -> Tensor:
        """Moves (N, C, H, W) pictures from the first view to the second."""
        return F.grid_sample(pictures, self.grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def random_motion(count: int, size: int, generator: torch.Generator) -> Motion:
    """Random motions of square pictures: half of them shifts by whole pixels, half a smooth mixture.

    Shifts by whole pixels need no interpolation, so that they reward steadiness without rewarding blur.

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
    """Adds the differences between two frames of a camera: noise of a random strength, and a slight change of
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
