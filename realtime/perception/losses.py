"""Perceptual losses (Gatys et al. 2016; Johnson et al. 2016, arXiv 1603.08155), normalised.

Training divides each error by the size of what it is compared with, so that a weight means the same for any loss
network, any layer and any painting: style 1.0 is as wrong as a black picture, content 1.0 as wrong as a picture of the
mean feature. The older ways to normalise, which the presets of painting reproduce, are here beside it.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor

GramNormalisation = Literal["gatys", "chw", "pixels", "relative"]
ContentNormalisation = Literal["gatys", "mean", "variance"]

TILE = 128
"""Side in pixels of the tiles over which style is asked for locally."""


class _Gram(torch.autograd.Function):
    """F^T F over channels-last features. By hand, because the symmetric product needs one product in its backward pass
    where autograd makes two, and none of its copies: a fifth of a whole training step.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        flat = features.permute(0, 2, 3, 1).flatten(1, 2)
        ctx.save_for_backward(flat)
        ctx.shape = features.shape
        product = flat.transpose(1, 2) @ flat
        return (product if product.dtype == torch.float64 else product.float()) / int(flat.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        n, c, h, w = ctx.shape
        both = ((gradient + gradient.transpose(1, 2)) / flat.shape[1]).to(flat.dtype)
        return cast(Tensor, (flat @ both).view(n, h, w, c).permute(0, 3, 1, 2))


def gram(features: Tensor) -> Tensor:
    """Gram matrices F F^T / pixels of (N, C, H, W) features: (N, C, C) fp32, or fp64 of such features.

    The product is taken in the features' own type: in bf16 its rounding (0.4 %) is far below the errors it measures.
    Differentiable once.
    """
    return cast(Tensor, _Gram.apply(features))


def guided_gram(features: Tensor, guide: Tensor) -> Tensor:
    """Gram matrices of a part of a picture: sum of g^2 f f^T / sum of g^2 (Gatys et al. 2017, arXiv 1611.07865).

    Args:
        features: (N, C, H, W).
        guide: (1, 1, H, W) in 0..1, not all zero; where the part is.

    Returns:
        (N, C, C) fp32; a guide of ones gives `gram`.
    """
    return gram(features * guide.to(features.dtype)) / guide.square().mean().clamp_min(1e-12)


def gram_error(matrix: Tensor, target: Tensor, normalisation: GramNormalisation) -> Tensor:
    """How far Gram matrices are from a painting's, G and A, both F F^T / pixels over C channels.

    * "gatys": sum (G - A)^2 / (4 C^2), which for pictures of one size is Gatys' sum (F F^T - S S^T)^2 / (4 (HW)^2 C^2)
      (Gatys et al. 2015, arXiv 1508.06576);
    * "chw": mean (G/C - A/C)^2, for matrices divided by C H W (Johnson et al. 2016, arXiv 1603.08155);
    * "pixels": mean (G - A)^2, for matrices divided by H W;
    * "relative": sum (G - A)^2 / sum A^2, the same number for any loss network.

    Args:
        matrix: (..., C, C).
        target: (C, C).

    Returns:
        (...).
    """
    channels = target.shape[-1]
    error = ((matrix - target) ** 2).sum((-2, -1))
    if normalisation == "relative":
        return error / (target**2).sum()
    return error / {"gatys": 4 * channels**2, "chw": channels**4, "pixels": channels**2}[normalisation]


def content_divisor(target: Tensor, normalisation: ContentNormalisation) -> float:
    """By what the sum of squared differences from `target` (1, C, H, W) is divided.

    * "gatys": 2 C H W; * "mean": C H W; * "variance": C H W times the variance of `target`.
    """
    if normalisation == "variance":
        return target.numel() * max(1e-6, float(target.double().var()))
    return float(target.numel()) * (2 if normalisation == "gatys" else 1)


def content_error(features: Tensor, target: Tensor, variance: float | None = None) -> Tensor:
    """Mean square error over a variance, for each picture.

    Args:
        features, target: (N, C, H, W).
        variance: None takes each target's own. Training gives that of its pictures at large: a blurred crop has
            little of its own, and to divide by it would forbid every stroke just where there is room for them.

    Returns:
        (N,) fp32.
    """
    features, target = features.float(), target.float()
    error = ((features - target) ** 2).mean((1, 2, 3))
    return error / (target.var((1, 2, 3)).clamp_min(1e-6) if variance is None else variance)


def style_errors(features: list[Tensor], targets: list[Tensor], pool: int = 1) -> Tensor:
    """|G - G_style|^2 / |G_style|^2 for each layer and picture.

    The Gram matrix is taken over one picture of the batch at a time: with small crops that asks for the style
    everywhere, where the matrix of a whole scene would be pleased by a few patches stamped full of it. A painting of
    large and unlike parts, of which no crop has the statistics of the whole, is asked less of with `pool`.

    Args:
        features: per layer (N, C, H, W).
        targets: per layer (C, C), fp32.
        pool: so many pictures after each other share one Gram matrix; N is a multiple of it.

    Returns:
        (layers, N / pool) fp32.
    """

    def error(f: Tensor, target: Tensor) -> Tensor:
        of_pictures = gram(f)
        matrix = of_pictures.view(-1, pool, *of_pictures.shape[1:]).mean(1)
        return gram_error(matrix, target, "relative")

    return torch.stack([error(f, t) for f, t in zip(features, targets, strict=True)])


def tile_grams(features: Tensor, side: int) -> Tensor:
    """Gram matrices of the tiles that lie whole in a picture, from the top left.

    Args:
        features: (N, C, H, W).
        side: of a tile. A picture that is lower or narrower is one tile.

    Returns:
        (N, tiles, C, C).
    """
    n, channels, height, width = features.shape
    if height < side or width < side:
        return gram(features)[:, None]
    tall, broad = height // side, width // side
    cut = features[:, :, : tall * side, : broad * side].permute(0, 2, 3, 1)  # channels last, as `gram` wants them
    tiles = cut.unflatten(2, (broad, side)).unflatten(1, (tall, side)).transpose(2, 3)
    matrices = gram(tiles.reshape(-1, side, side, channels).permute(0, 3, 1, 2))
    return matrices.view(n, tall * broad, channels, channels)


def local_errors(features: list[Tensor], targets: list[Tensor], size: int) -> Tensor:
    """The style's errors over tiles of `TILE` pixels: low only if the style is everywhere.

    Args:
        features: per layer (N, C, H, W), of square pictures.
        targets: per layer (C, C), fp32.
        size: side of the pictures in pixels.

    Returns:
        (layers, N) fp32: means over the tiles.
    """

    def error(f: Tensor, target: Tensor) -> Tensor:
        side = max(1, round(TILE * f.shape[-1] / size))
        return gram_error(tile_grams(f, side), target, "relative").mean(1)

    return torch.stack([error(f, t) for f, t in zip(features, targets, strict=True)])


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


def grid_error(rgb: Tensor) -> Tensor:
    """How far the spectrum stands out at the periods of the network's own cells: 8, 4, 8/3 and 2 pixels.

    The rows' and columns' power spectra of the luma gradient are averaged over the batch, as `evaluate` does it over a
    picture; what counts is by how much each of those bands exceeds its neighbours.

    Args:
        rgb: (N, 3, H, W) in 0..1, H and W 48 or more.

    Returns:
        scalar: mean over axes and periods of the logarithm of the ratio, where it is above 0.
    """
    luma = (rgb.float() * rgb.new_tensor([0.2126, 0.7152, 0.0722], dtype=torch.float32).view(3, 1, 1)).sum(1)
    excess = []
    for picture in (luma, luma.transpose(1, 2)):
        n = (picture.shape[2] - 1) // 24 * 24
        gradient = picture[..., 1 : n + 1] - picture[..., :n]
        power = torch.fft.rfft(gradient * torch.hann_window(n, device=rgb.device)).abs().square().mean((0, 1))
        reach = n // 24  # half of the distance to the next band, less one
        for period in (8, 4, 8 / 3, 2):
            k = round(n / period)
            near = torch.cat([power[max(1, k - reach) : k - 2], power[k + 3 : k + reach + 1]])
            # the mean of the band's three bins: the highest of them is noise in a crop
            excess.append(F.relu(torch.log((power[k - 1 : k + 2].mean() + 1e-6) / (near.mean() + 1e-6))))
    return torch.stack(excess).mean()
