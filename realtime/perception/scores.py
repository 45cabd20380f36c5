"""Scores of a stylised picture against its source and a painting: content, style, local, grid.

Pictures are measured as the user sees them, rounded to 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realtime.frames import rgb_to_codes
from realtime.perception import losses
from realtime.perception.features import LossNetwork, to_tensor

STYLE_SCALES = (256, 384, 512, 768)
"""Short sides of the painting in pixels at which pictures are compared with it; the best one counts."""

MIN_SIDE = 32
"""Pixels. Smaller pictures have too few periods for a grid to be found."""


@dataclass(frozen=True, slots=True)
class PictureScores:
    """Scores of one stylised picture, with the style errors at every scale of the painting.

    Attributes:
        content: mean square error at relu4_1 over the variance of the source's relu4_1.
        tv: total variation: mean square difference of neighbouring pixels (0..1), across plus down.
        grid: see `grid_ratio`.
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
    """Resize so that each new pixel is the mean of the area it covers, without aliasing or blur.

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
    """(new, old) fp32: the share of each new pixel that each old one covers, along one axis."""
    edges = torch.arange(new + 1, dtype=torch.float64) * old / new
    cells = torch.arange(old, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], cells + 1) - torch.maximum(edges[:-1, None], cells)
    return (overlap.clamp_min(0) * new / old).float()


def grid_ratio(rgb: np.ndarray) -> float:
    """Strength of a grid in a picture: the highest ratio of power at `losses.GRID_PERIODS` to that around them, or 1.

    The spectrum is that of luma differences between neighbours (which whitens photographs), windowed and averaged over
    all rows or all columns.

    Args:
        rgb: (H, W, 3) uint8, `MIN_SIDE` pixels or more on each side.
    """
    weights = rgb_to_codes("bt709", "full")[0][0] / 255
    luma = rgb.astype(np.float64) / 255 @ weights
    highest = 1.0
    for lines in (luma, luma.T):
        size = lines.shape[1] // 24 * 24  # a whole number of every period
        ends = lines[:, -1:] if lines.shape[1] == size else lines[:, :0]
        steps = np.diff(lines, axis=1, append=ends)[:, :size]
        power = (np.abs(np.fft.rfft(steps * np.hanning(size), axis=1)) ** 2).mean(0)
        for period in losses.GRID_PERIODS:
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
        style_scales: short sides of the painting in pixels, in the order of the scores; None: `STYLE_SCALES`.
    """

    def __init__(
        self,
        loss_network: LossNetwork,
        painting: np.ndarray,
        device: torch.device,
        style_scales: Sequence[int] | None = None,
    ) -> None:
        self.network, self.device = loss_network.to(device), device
        self.style_scales = tuple(style_scales or STYLE_SCALES)
        self.targets: list[list[Tensor]] = []
        with torch.inference_mode():
            for short_side in self.style_scales:
                taps = self.network(to_tensor(resize_area(painting, short_side), device))
                self.targets.append([losses.gram(t)[0] for t in taps])

    @torch.inference_mode()
    def __call__(self, source: np.ndarray, styled: np.ndarray) -> PictureScores:
        """Scores of one picture; both are (H, W, 3) uint8 RGB of one size."""
        picture = to_tensor(styled, self.device)
        before, taps = self.network(to_tensor(source, self.device)), self.network(picture)
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
        """Gram errors at every scale of the painting: over the picture (scales, 4), and over tiles (scales,)."""
        tiles = [losses.tile_grams(tap, losses.TILE >> level) for level, tap in enumerate(taps)]
        layers = torch.stack([losses.style_errors(taps, target)[:, 0] for target in self.targets])
        local = torch.stack([losses.local_errors(tiles, target)[:, 0] for target in self.targets])
        return layers.cpu(), local.mean(1).cpu()
