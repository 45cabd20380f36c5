"""A small loss network, a recipe, and the objective made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from realtime.painting.objective import Objective, StyleTarget, style_grams
from realtime.painting.recipes import Recipe, find_preset
from realtime.perception.features import LossNetwork


def tiny(double: bool = False) -> LossNetwork:
    """A loss network of three convolutions, two pools between them."""
    torch.manual_seed(5)
    layers: dict[str, nn.Module] = {}
    channels = (3, 4, 6, 8)
    for n in (1, 2, 3):
        layers[f"conv{n}"] = nn.Conv2d(channels[n - 1], channels[n], 3, padding=1, padding_mode="reflect")
        layers[f"smooth{n}"] = nn.Tanh()  # finite differences want no kinks
        if n < 3:
            layers[f"pool{n}"] = nn.AvgPool2d(2) if double else nn.MaxPool2d(2, ceil_mode=True)
    network = LossNetwork("tiny", layers, ("smooth1", "smooth2", "smooth3"), torch.zeros(3), torch.ones(3))
    return network.double() if double else network


RECIPE = replace(
    find_preset("guide"),
    content=(("smooth3", 0.5), ("conv2", 1.0)),
    style=(("smooth1", 1.0), ("smooth2", 0.5), ("conv3", 2.0)),
    content_weight=0.7,
    style_weight=3.0,
    tv=0.2,
)


def picture(seed: int, height: int = 24, width: int = 28, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def objective(
    recipe: Recipe = RECIPE,
    *,
    guides: Sequence[Tensor | None] = (None, None),
    shares: Sequence[float] = (3.0, 1.0),
    size: tuple[int, int] = (24, 28),
    double: bool = False,
    **options: Any,
) -> Objective:
    network = tiny(double)
    dtype = torch.float64 if double else torch.float32
    paintings = [picture(10 + n, 20, 20, dtype) for n in range(len(shares))]
    targets = [
        StyleTarget(style_grams(network, recipe, p), share, guide)
        for p, share, guide in zip(paintings, shares, guides, strict=True)
    ]
    return Objective(network, recipe, picture(0, *size, dtype), targets, **options)
