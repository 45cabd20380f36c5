"""How a stylised picture scores against its source and a painting: content, style, local, grid.

Pictures are measured as a user gets them, rounded to 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realtime.frames import rgb_to_codes
from realtime.perception import losses
from realtime.perception.features import LossNetwork

STYLE_SCALES = (256, 384, 512, 768)
"""Short sides in pixels at which the painting is compared; the one that suits the output best counts."""

GRID_PERIODS = (8, 4, 8 / 3, 2)
"""Pixels: the harmonics of what unshuffling by 4 and a body at 1/8 size could leave behind."""

MIN_SIDE = 32
"""Smaller pictures have too few periods to look for a grid in."""


@dataclass(frozen=True, slots=True)
class PictureScores:
    """What one stylised picture scores; the style's errors still at every scale.

    Attributes:
        content: mean square error at relu4_1 over the variance of the source's relu4_1.
        tv: total variation: mean square difference of neighbouring pixels (0..1), across plus down.
        grid: how far the luma's spectrum at `GRID_PERIODS` stands above its neighbours.
        layers, source_layers: (scales, 4), of the picture and of its source: |G - G_style|^2 / |G_style|^2 at relu1_1,
            relu2_1, relu3_1, relu4_1, for the painting at each of `STYLE_SCALES`.
        local, source_local: (scales,), the mean of the same over tiles of `losses.TILE` pixels.
        source_grid: the source's.
    """

    content: float
    tv: float
    grid: float
    layers: Tensor
    local: Tensor
    source_grid: float
    source_layers: Tensor
    source_local: Tensor


def resize_area(rgb: np.ndarray, short_side: int) -> np.ndarray:
    """Resize so that each new pixel is the mean of the area it covers: without aliasing, and without blur.

    Args:
        rgb: (H, W, 3) uint8.
        short_side: of the result, in pixels.

    Returns:
        (H', W', 3) uint8.
    """
    scale = short_side / min(rgb.shape[:2])
    picture = torch.from_numpy(np.ascontiguousarray(rgb)).float()
    rows, columns = (_coverage(n, round(n * scale)) for n in rgb.shape[:2])
    picture = columns @ torch.tensordot(rows, picture, 1)  # (W', W) @ (H', W, 3)
    out: np.ndarray = picture.round().clamp(0, 255).to(torch.uint8).numpy()
    return out


def _coverage(old: int, new: int) -> Tensor:
    """(new, old) fp32: which share of each new pixel each old one covers, along one axis."""
    edges = torch.arange(new + 1, dtype=torch.float64) * old / new
    cells = torch.arange(old, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], cells + 1) - torch.maximum(edges[:-1, None], cells)
    return (overlap.clamp_min(0) * new / old).float()


def _tensor(rgb: np.ndarray, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) fp32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].to(device).float() / 255


def grid_ratio(rgb: np.ndarray) -> float:
    """How far a grid stands out of a picture: the highest ratio of power at `GRID_PERIODS` to that around them, or 1.

    The spectrum is the luma's, of the differences of neighbours (which whitens photographs), windowed, averaged over
    all rows or all columns.

    Args:
        rgb: (H, W, 3) uint8, `MIN_SIDE` pixels or more on each side.
    """
    weights = rgb_to_codes("bt709", "full")[0][0] / 255
    luma = rgb.astype(np.float64) / 255 @ weights
    highest = 1.0
    for lines in (luma, luma.T):
        size = lines.shape[1] // 24 * 24  # every period fits into it a whole number of times
        ends = lines[:, -1:] if lines.shape[1] == size else lines[:, :0]
        steps = np.diff(lines, axis=1, append=ends)[:, :size]
        power = (np.abs(np.fft.rfft(steps * np.hanning(size), axis=1)) ** 2).mean(0)
        for period in GRID_PERIODS:
            bin_ = round(size / period)
            around = np.concatenate([power[max(1, bin_ - 12) : max(0, bin_ - 3)], power[bin_ + 4 : bin_ + 13]])
            peak = power[max(1, bin_ - 1) : bin_ + 2].max()
            highest = max(highest, float(peak / (np.median(around) + 1e-12)))
    return highest


class PictureMeter:
    """Measures stylised pictures against their sources and a painting.

    Args:
        loss_network: VGG-19 in fp32.
        painting: (H, W, 3) uint8 RGB.
        device: where to compute.

    Attributes:
        style_scales: short sides of the painting in pixels, in the order of the scores.
    """

    def __init__(self, loss_network: LossNetwork, painting: np.ndarray, device: torch.device) -> None:
        self.network, self.device = loss_network.to(device), device
        self.style_scales = STYLE_SCALES
        self.targets: list[list[Tensor]] = []
        with torch.inference_mode():
            for short_side in STYLE_SCALES:
                taps = self.network(_tensor(resize_area(painting, short_side), device))
                self.targets.append([losses.gram(t)[0] for t in taps])

    @torch.inference_mode()
    def __call__(self, source: np.ndarray, styled: np.ndarray) -> PictureScores:
        """Measure one picture: both (H, W, 3) uint8 RGB of one size."""
        picture = _tensor(styled, self.device)
        before, taps = self.network(_tensor(source, self.device)), self.network(picture)
        layers, local = self._style(taps)
        source_layers, source_local = self._style(before)
        return PictureScores(
            content=float(losses.content_error(taps[3], before[3])),
            tv=float(losses.total_variation(picture)),
            grid=grid_ratio(styled),
            layers=layers,
            local=local,
            source_grid=grid_ratio(source),
            source_layers=source_layers,
            source_local=source_local,
        )

    def _style(self, taps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Errors of the Gram matrices at every scale: over the whole (scales, 4), and over tiles (scales,)."""
        tiles = [losses.tile_grams(tap, losses.TILE >> level)[0] for level, tap in enumerate(taps)]
        local = [
            torch.stack([((t - g) ** 2).sum((1, 2)).mean() / (g**2).sum() for t, g in zip(tiles, target, strict=True)])
            for target in self.targets
        ]
        layers = torch.stack([losses.style_errors(taps, target)[:, 0] for target in self.targets])
        return layers.cpu(), torch.stack(local).mean(1).cpu()
