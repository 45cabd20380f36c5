"""Scores of a painting, by the definitions of `restyle evaluate`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from realtime.perception.features import LossNetwork
from realtime.perception.scores import PictureMeter
from realtime.results import PaintingScores


class PaintingMeter:
    """Measures a picture against its photograph and one or more paintings.

    Args:
        network: VGG-19 in fp32.
        paintings: (H, W, 3) uint8.
        shares: of the paintings, not all 0.
        device: where to compute.
    """

    def __init__(
        self, network: LossNetwork, paintings: Sequence[np.ndarray], shares: Sequence[float], device: torch.device
    ) -> None:
        self._meters = [PictureMeter(network, painting, device) for painting in paintings]
        self._shares = [share / sum(shares) for share in shares]

    def __call__(self, source: np.ndarray, painted: np.ndarray) -> PaintingScores:
        """The scores of `painted`; both are (H, W, 3) uint8 of one size."""
        content, style, local, layers, scales = 0.0, 0.0, 0.0, np.zeros(4), []
        for meter, share in zip(self._meters, self._shares, strict=True):
            found = meter(source, painted)
            best = int(found.layers.mean(1).argmin())
            content = found.content
            style += share * float(found.layers[best].mean())
            local += share * float(found.local[best])
            layers += share * found.layers[best].numpy()
            scales.append(meter.style_scales[best])
        return PaintingScores(
            content=content, style=style, local=local, layers=tuple(layers.tolist()), style_scale=scales[0]
        )


def mean_scores(scores: Sequence[PaintingScores]) -> PaintingScores | None:
    """The means over the frames of a clip; None of none."""
    if not scores:
        return None
    values = np.mean([(s.content, s.style, s.local, *s.layers) for s in scores], 0).tolist()
    return PaintingScores(content=values[0], style=values[1], local=values[2], layers=tuple(values[3:]))
