"""The terms of the objective, for many pictures against several paintings at once: N = P * M, painting by painting.

Each is relative to its target, so that a weight means the same for any painting.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.perception.losses import gram, tile_grams

LARGEST_TILE_ERROR = 4.0
"""A tile counts no more than this: a single tile without anything in it must not rule a picture."""


def spread(values: Tensor, count: int) -> Tensor:
    """(P, ...) -> (P * count, ...): each painting's values for each of its pictures."""
    return values[:, None].expand(-1, count, *values.shape[1:]).flatten(0, 1)


def gram_errors(taps: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Relative error of the Gram matrices, the mean over the layers.

    Args:
        taps: of each layer (N, C, h, w).
        targets: of each layer (P, C, C).

    Returns:
        (N,) fp32.
    """
    errors = []
    for tap, target in zip(taps, targets, strict=True):
        wanted = spread(target, len(tap) // len(target))
        errors.append(((gram(tap) - wanted) ** 2).sum((1, 2)) / (wanted**2).sum((1, 2)))
    return torch.stack(errors).mean(0)


def tile_errors(tap: Tensor, target: Tensor, side: int) -> Tensor:
    """Relative error of the Gram matrix in each tile, the mean over the tiles: low only if the style is everywhere.

    Args:
        tap: (N, C, h, w).
        target: (P, C, C).
        side: of a tile.

    Returns:
        (N,) fp32.
    """
    wanted = spread(target, len(tap) // len(target))[:, None]
    errors = ((tile_grams(tap, side) - wanted) ** 2).sum((2, 3)) / (wanted**2).sum((2, 3))
    return errors.clamp_max(LARGEST_TILE_ERROR).mean(1)


def sliced_errors(values: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Sliced Wasserstein distance (Heitz et al. 2021, arXiv 2006.07229), squared, over the target's variance.

    Args:
        values: (N, C, samples).
        target: (P, samples, C).
        directions: (C, directions), each of length 1.

    Returns:
        (N,) fp32.
    """
    count = len(values) // len(target)
    of_values = (directions.T @ values.float()).sort(-1).values
    of_target = (target.float() @ directions).transpose(1, 2).sort(-1).values
    variance = of_target.var(-1).mean(-1) + 1e-4
    return ((of_values - spread(of_target, count)) ** 2).mean((1, 2)) / spread(variance, count)


def sampled(tap: Tensor, places: Tensor) -> Tensor:
    """(N, C, h, w) at some positions, counted row by row: (N, C, samples)."""
    return tap.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, places).transpose(1, 2)


def moved_errors(again: Tensor, first: Tensor, positions: Tensor, border: int) -> Tensor:
    """Mean square difference between a picture of the moved scene and the moved picture of the scene.

    Args:
        again, first: (P, 3, S, S).
        positions: (P, S, S, 2), where each pixel was before the motion, (right, down) in pixels.
        border: pixels at the border that do not count.

    Returns:
        (P,).
    """
    size = first.shape[-1]
    wanted = moved(first, positions)
    inside = ((positions >= border) & (positions <= size - 1 - border)).all(-1).float()[:, None]
    return ((again - wanted) ** 2 * inside).sum((1, 2, 3)) / (3 * inside.sum((1, 2, 3))).clamp_min(1)


def moved(pictures: Tensor, positions: Tensor) -> Tensor:
    """Pictures (P, C, S, S) at positions in pixels, (right, down), bilinear."""
    grid = (positions * 2 + 1) / pictures.shape[-1] - 1
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
