"""Terms of the objective beside those of `realtime.perception.losses`.

They compare many pictures with several paintings at once: N = P * M pictures, painting by painting.

Each is relative to its target, so that a weight means the same for any painting.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.perception.losses import gram


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
