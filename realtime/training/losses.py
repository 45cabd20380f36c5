"""Perceptual losses (Gatys et al. 2016; Johnson et al. 2016, arXiv 1603.08155), normalised.

Each error is divided by the size of what it is compared with, so that a weight means the same for any loss network, any
layer
and any painting: style 1.0 is as wrong as a black picture, content 1.0 as wrong as a picture of the mean feature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gram(features: Tensor) -> Tensor:
    """Gram matrices F F^T / pixels of (N, C, H, W) features: (N, C, C) fp32.

    The product is taken in the features' own type: in bf16 its rounding (0.4 %) is far below the errors it measures.
    """
    flat = features.flatten(2)
    return (flat @ flat.transpose(1, 2)).float() / flat.shape[2]


def content_error(features: Tensor, target: Tensor) -> Tensor:
    """Mean square error over the variance of the target, for each picture.

    Args:
        features, target: (N, C, H, W).

    Returns:
        (N,) fp32.
    """
    features, target = features.float(), target.float()
    return ((features - target) ** 2).mean((1, 2, 3)) / target.var((1, 2, 3)).clamp_min(1e-6)


def style_errors(features: list[Tensor], targets: list[Tensor]) -> Tensor:
    """|G - G_style|^2 / |G_style|^2 for each layer and picture.

    The Gram matrix is taken over one picture of the batch at a time: with small crops that asks for the style
    everywhere, where the matrix of a whole scene would be pleased by a few patches stamped full of it.

    Args:
        features: per layer (N, C, H, W).
        targets: per layer (C, C), fp32.

    Returns:
        (layers, N) fp32.
    """
    return torch.stack(
        [((gram(f) - t) ** 2).sum((1, 2)) / (t**2).sum() for f, t in zip(features, targets, strict=True)]
    )


def total_variation(rgb: Tensor) -> Tensor:
    """Mean square difference of neighbouring pixels of (N, 3, H, W), for each picture: (N,)."""
    across = ((rgb[..., 1:] - rgb[..., :-1]) ** 2).mean((1, 2, 3))
    down = ((rgb[..., 1:, :] - rgb[..., :-1, :]) ** 2).mean((1, 2, 3))
    return across + down


def gamut_error(rgb: Tensor) -> Tensor:
    """Mean square distance of (N, 3, H, W) values from 0..1, for each picture: (N,)."""
    return F.relu((rgb - 0.5).abs() - 0.5).square().mean((1, 2, 3))


def temporal_error(output: Tensor, moved: Tensor, valid: Tensor) -> Tensor:
    """Mean square difference where the motion is known, for each picture.

    Args:
        output: (N, 3, H, W), the stylised second view.
        moved: (N, 3, H, W), the stylised first view, moved as the picture was.
        valid: (N, 1, H, W), 1 where a pixel was in sight before.

    Returns:
        (N,) fp32.
    """
    error = ((output - moved) ** 2).mean(1, keepdim=True) * valid
    return error.sum((1, 2, 3)) / valid.sum((1, 2, 3)).clamp_min(1.0)
