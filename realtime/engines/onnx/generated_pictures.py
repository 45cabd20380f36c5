"""Pictures made from random numbers, that drive a network to its limits: for calibration, checks and measuring."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

DEFAULT_COUNT = 12


def generated_pictures(
    count: int = DEFAULT_COUNT, height: int = 144, width: int = 192, seed: int = 0, *, small: bool = True
) -> list[Tensor]:
    """Pictures of all kinds, always the same for the same arguments.

    Clouds and blocks of all sizes; flat shapes with hard and soft edges; then one tensor of many small pictures of one
    colour each (where networks differ most is what becomes of a wall or a sky), and one of ramps from faint to steep.

    Args:
        count: of the large pictures.
        height, width: of the large pictures.
        seed: another one gives other pictures.
        small: whether the two tensors of small pictures are wanted.

    Returns:
        `count` tensors (1, 3, height, width) and perhaps two of many small pictures, RGB in 0..1; some of the single
        colours are blacker than black or whiter than white. They are kept for the next call: do not write to them.
    """
    return list(_pictures(count, height, width, seed, small))


@lru_cache(4)  # each new network is calibrated and checked with the same ones
def _pictures(count: int, height: int, width: int, seed: int, small: bool) -> tuple[Tensor, ...]:
    draw = _Generator(seed, height, width)
    kinds = (draw.clouds, draw.blocks, draw.shapes, draw.shapes)
    large = [kinds[n % len(kinds)]() for n in range(count)]
    return (*large, draw.single_colors(), draw.ramps()) if small else tuple(large)


class _Generator:
    """Random pictures; each method makes one kind."""

    def __init__(self, seed: int, height: int, width: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.height, self.width = height, width

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=self.generator))

    def noise(self, falloff: float, mode: str = "bicubic", finest: int | None = None) -> Tensor:
        """(1, 3, H, W), most of it in -0.5..0.5: octaves, each `falloff` times as strong as the next coarser one."""
        total, weight, cells = torch.zeros(1, 3, self.height, self.width), 1.0, 2
        while cells <= (finest or max(2, self.height // 2)):
            shape = (cells, max(2, cells * self.width // self.height))
            gray, color = (torch.randn(1, n, *shape, generator=self.generator) for n in (1, 3))
            total += weight * F.interpolate(gray + 0.6 * color, (self.height, self.width), mode=mode)
            weight, cells = weight * falloff, cells * 2
        low, high = torch.quantile(total.flatten()[::7], torch.tensor([0.02, 0.98])).tolist()
        scaled: Tensor = (total - low) / max(high - low, 1e-6) - 0.5
        return scaled

    def clouds(self) -> Tensor:
        return (self.noise(self.uniform(0.3, 0.6)) * self.uniform(0.5, 1.2) + self.uniform(0.3, 0.7)).clamp(0, 1)

    def blocks(self) -> Tensor:
        """At high contrast: black, white and pure colours."""
        blocks = self.noise(self.uniform(0.6, 0.95), "nearest")
        return (blocks * self.uniform(0.8, 3) + self.uniform(0.35, 0.65)).clamp(0, 1)

    def shapes(self) -> Tensor:
        """Discs and rectangles, some sharp and some blurred, plain and clouded, on a faint ground."""
        rows = torch.linspace(-1, 1, self.height)[:, None]
        columns = torch.linspace(-1, 1, self.width)[None] * self.width / self.height
        picture = self.noise(0.4, finest=8) * self.uniform(0.02, 0.5) + self.uniform(0.1, 0.9)
        for number in range(24):
            turn = torch.tensor(self.uniform(0, math.tau))
            x, y = columns - self.uniform(-1.4, 1.4), rows - self.uniform(-1, 1)
            across = x * turn.cos() + y * turn.sin()
            along = (y * turn.cos() - x * turn.sin()) / self.uniform(0.1, 1)
            distance = torch.hypot(across, along) if number % 2 else torch.maximum(across.abs(), along.abs())
            blur = 1.0 if number % 3 else self.uniform(1, 6)
            inside = ((self.uniform(0.03, 0.6) - distance) * self.height / 2 / blur).clamp(0, 1)
            color = torch.rand(1, 3, 1, 1, generator=self.generator) * self.uniform(0.2, 1) + self.uniform(0, 0.3)
            if number % 3 == 0:
                color = color + self.noise(0.5, finest=16) * self.uniform(0, 0.3)
            picture = torch.lerp(picture, color.expand_as(picture), inside)
        return (picture + self.noise(0.9) * self.uniform(0, 0.1)).clamp(0, 1)

    def single_colors(self) -> Tensor:
        """(219, 3, 16, 16): one colour each, which replication at the borders makes endless. Codes from 0 to 255."""
        lowest, highest = -16 / 219, 239 / 219
        grays = torch.linspace(lowest, highest, 96)[:, None].expand(-1, 3)
        colors = torch.rand(96, 3, generator=self.generator)
        pure = torch.cartesian_prod(*[torch.linspace(0, 1, 3)] * 3)
        return torch.cat([grays, colors, pure])[..., None, None].expand(-1, -1, 16, 16).contiguous()

    def ramps(self) -> Tensor:
        """(36, 3, 48, 48)."""
        count, side = 36, 48
        turn = torch.rand(count, 1, 1, generator=self.generator) * math.tau
        steepness = 10 ** (torch.rand(count, 1, 1, generator=self.generator) * 2 - 2.3)
        line = torch.linspace(-1, 1, side)
        ramp = (turn.cos() * line[:, None] + turn.sin() * line) * steepness
        tint = 1 + 0.5 * torch.randn(count, 3, 1, 1, generator=self.generator)
        return (torch.rand(count, 3, 1, 1, generator=self.generator) + tint * ramp[:, None]).clamp(0, 1)
