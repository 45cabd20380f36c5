"""Perceptual losses (Gatys et al. 2016; Johnson et al. 2016, arXiv 1603.08155), normalised.

Training divides each error by the size of its target, so that a weight means the same for any loss network, any layer
and any painting: a black picture has a style error of 1.0, a picture of the mean feature a content error of 1.0. The
normalisations of older methods, which the presets of painting use, are here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.options import ContentNormalisation, GramNormalisation

TILE = 128
"""Side in pixels of the tiles for the local style error."""

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in bt709's luma. Numbers: a tensor would be copied to the device in each step."""

GRID_PERIODS = (8, 4, 8 / 3, 2)
"""Pixels: the harmonics of patterns that unshuffling by 4 and a body at 1/8 size can leave."""


class _Gram(torch.autograd.Function):
    """F^T F over channels-last features.

    Written by hand because the backward pass of the symmetric product needs one product, where autograd takes two and
    copies its inputs. That saves a fifth of a training step.
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
    """Gram matrices F F^T / pixels. Differentiable once.

    Args:
        features: (N, C, H, W). The product is computed in their type: the rounding of bf16 (0.4 %) is far below the
            errors that are measured.

    Returns:
        (N, C, C) fp32; fp64 for fp64 features.
    """
    return cast(Tensor, _Gram.apply(features))


def gram_error(matrix: Tensor, target: Tensor, normalisation: GramNormalisation) -> Tensor:
    """Error of Gram matrices G against a target A, both F F^T / pixels over C channels.

    * "gatys": sum (G - A)^2 / (4 C^2), which for pictures of one size is Gatys' sum (F F^T - S S^T)^2 / (4 (HW)^2 C^2)
      (Gatys et al. 2015, arXiv 1508.06576);
    * "chw": mean (G/C - A/C)^2, for matrices divided by C H W (Johnson et al. 2016, arXiv 1603.08155);
    * "pixels": mean (G - A)^2, for matrices divided by H W;
    * "relative": sum (G - A)^2 / sum A^2, the same number for any loss network.

    Args:
        matrix: (..., C, C).
        target: (..., C, C), of a shape that broadcasts with it.

    Returns:
        (...).
    """
    channels = target.shape[-1]
    error = ((matrix - target) ** 2).sum((-2, -1))
    if normalisation == "relative":
        return error / (target**2).sum((-2, -1))
    return error / {"gatys": 4 * channels**2, "chw": channels**4, "pixels": channels**2}[normalisation]


def content_divisor(target: Tensor, normalisation: ContentNormalisation) -> float:
    """Divisor of the sum of squared differences from `target` (1, C, H, W).

    "gatys": 2 C H W; "mean": C H W; "variance": C H W times the variance of `target`.
    """
    if normalisation == "variance":
        return target.numel() * max(1e-6, float(target.double().var()))
    return float(target.numel()) * (2 if normalisation == "gatys" else 1)


def content_error(features: Tensor, target: Tensor, variance: float | None = None) -> Tensor:
    """Mean square error over a variance, for each picture.

    Args:
        features, target: (N, C, H, W).
        variance: None takes each target's own. Training gives the variance over many pictures: that of a blurred crop
            is small, and dividing by it would forbid strokes exactly where there is room for them.

    Returns:
        (N,) fp32.
    """
    features, target = features.float(), target.float()
    error = ((features - target) ** 2).mean((1, 2, 3))
    return error / (target.var((1, 2, 3)).clamp_min(1e-6) if variance is None else variance)


def style_errors(features: Sequence[Tensor], targets: Sequence[Tensor], pool: int = 1) -> Tensor:
    """|G - G_style|^2 / |G_style|^2 for each layer and picture.

    Each picture of a batch has its own Gram matrix. With small crops this asks for the style everywhere; the matrix of
    a whole scene could be satisfied by a few patches full of style. Where a painting has large areas that differ, no
    single crop has its statistics; `pool` then takes the mean matrix of several crops.

    Args:
        features: per layer (N, C, H, W).
        targets: per layer (C, C), fp32.
        pool: number of consecutive pictures that share one Gram matrix; it divides N.

    Returns:
        (layers, N / pool) fp32.
    """

    def error(f: Tensor, target: Tensor) -> Tensor:
        of_pictures = gram(f)
        matrix = of_pictures.view(-1, pool, *of_pictures.shape[1:]).mean(1)
        return gram_error(matrix, target, "relative")

    return torch.stack([error(f, t) for f, t in zip(features, targets, strict=True)])


def tile_grams(features: Tensor, side: int) -> Tensor:
    """Gram matrices of the tiles of a picture, counted from the top left; incomplete tiles are left out.

    Args:
        features: (N, C, H, W).
        side: of a tile. A picture that is smaller in height or width is one tile.

    Returns:
        (N, tiles, C, C).
    """
    n, channels, height, width = features.shape
    if height < side or width < side:
        return gram(features)[:, None]
    rows, columns = height // side, width // side
    cut = features[:, :, : rows * side, : columns * side].permute(0, 2, 3, 1)  # channels last, as `gram` needs them
    tiles = cut.unflatten(2, (columns, side)).unflatten(1, (rows, side)).transpose(2, 3)
    matrices = gram(tiles.reshape(-1, side, side, channels).permute(0, 3, 1, 2))
    return matrices.view(n, rows * columns, channels, channels)


def local_errors(tiles: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Relative style error over tiles: low only if the style is everywhere.

    Args:
        tiles: per layer (N, tiles, C, C), see `tile_grams`.
        targets: per layer (C, C), fp32.

    Returns:
        (layers, N) fp32: means over the tiles.
    """
    return torch.stack([gram_error(t, target, "relative").mean(1) for t, target in zip(tiles, targets, strict=True)])


def tile_errors(features: Tensor, target: Tensor, side: int, largest: float = 4.0) -> Tensor:
    """Relative style error of one layer over tiles, each bounded: asks for the style in plain areas, too.

    Args:
        features: (N, C, H, W).
        target: (C, C), or (P, C, C) of P paintings, fp32. P divides N; pictures come painting by painting.
        side: of a tile, in features; see `tile_grams`.
        largest: bound of a tile's error, so that a single empty tile does not outweigh the picture.

    Returns:
        (N,) fp32: means over the tiles.
    """
    if target.ndim == 3:
        target = target.repeat_interleave(len(features) // len(target), 0)[:, None]
    return gram_error(tile_grams(features, side), target, "relative").clamp_max(largest).mean(1)


def sampled(features: Tensor, places: Tensor) -> Tensor:
    """(N, C, H, W) at some places, (samples,), counted row by row: (N, C, samples)."""
    return features.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, places).transpose(1, 2)


def sliced_errors(values: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Sliced Wasserstein distance (Heitz et al. 2021, arXiv 2006.07229), squared, over the target's variance.

    Values are projected on directions, sorted, and compared in order. Where Gram matrices compare second moments, this
    compares whole distributions: a photograph with a tint does not satisfy it.

    Args:
        values: (N, C, samples).
        target: (P, samples, C), of P paintings. P divides N; pictures come painting by painting.
        directions: (C, directions), each of length 1.

    Returns:
        (N,) fp32.
    """
    of_values = (directions.T @ values.float()).sort(-1).values
    of_target = (target.float() @ directions).transpose(1, 2).sort(-1).values
    variance = of_target.var(-1).mean(-1) + 1e-4
    repeats = len(values) // len(target)
    wanted = of_target.repeat_interleave(repeats, 0)
    return ((of_values - wanted) ** 2).mean((1, 2)) / variance.repeat_interleave(repeats)


def sliced_wasserstein_error(
    features: Sequence[Tensor],
    targets: Sequence[Tensor],
    generator: torch.Generator,
    *,
    samples: int = 1024,
    directions: int = 48,
) -> Tensor:
    """`sliced_errors` of whole layers, at random places and along random directions.

    Args:
        features: per layer (N, C, H, W).
        targets: per layer (P, C, h, w), the features of P paintings.
        generator: on any device.
        samples: places in each picture, drawn with replacement.
        directions: number of projections.

    Returns:
        (N,) fp32: mean over the layers.
    """

    def some(f: Tensor) -> Tensor:
        count = f.shape[2] * f.shape[3]
        return sampled(f, torch.randint(count, (samples,), generator=generator, device=generator.device).to(f.device))

    errors = []
    for f, target in zip(features, targets, strict=True):
        drawn = torch.randn(f.shape[1], directions, generator=generator, device=generator.device)
        slices = F.normalize(drawn, dim=0).to(f.device)
        errors.append(sliced_errors(some(f), some(target).transpose(1, 2), slices))
    return torch.stack(errors).mean(0)


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
        valid: (N, 1, H, W), 1 where a pixel was visible before.

    Returns:
        (N,) fp32.
    """
    error = ((output - moved) ** 2).mean(1, keepdim=True) * valid
    return error.sum((1, 2, 3)) / valid.sum((1, 2, 3)).clamp_min(1.0)


def grid_error(rgb: Tensor) -> Tensor:
    """How far the spectrum rises at the periods of the network's own cells, `GRID_PERIODS`.

    The power spectra of the luma gradient along rows and along columns are averaged over the batch, as `evaluate` does
    over a picture. The error is the rise of each of these bands above its neighbours.

    Args:
        rgb: (N, 3, H, W) in 0..1, H and W 48 or more.

    Returns:
        scalar: mean over axes and periods of the logarithm of the ratio, where that is above 0.
    """
    luma = sum(weight * rgb[:, channel].float() for channel, weight in enumerate(LUMA))
    assert isinstance(luma, Tensor)
    excess = []
    for picture in (luma, luma.transpose(1, 2)):
        n = (picture.shape[2] - 1) // 24 * 24
        gradient = picture[..., 1 : n + 1] - picture[..., :n]
        power = torch.fft.rfft(gradient * torch.hann_window(n, device=rgb.device)).abs().square().mean((0, 1))
        reach = n // 24  # half of the distance to the next band
        for period in GRID_PERIODS:
            k = round(n / period)
            near = torch.cat([power[max(1, k - reach) : k - 2], power[k + 3 : k + reach + 1]])
            # The mean of the band's three bins: in a crop, the highest of them is noise.
            excess.append(F.relu(torch.log((power[k - 1 : k + 2].mean() + 1e-6) / (near.mean() + 1e-6))))
    return torch.stack(excess).mean()
