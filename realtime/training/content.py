"""Features of the content pictures, which come again and again in training."""

from __future__ import annotations

import torch
from torch import Tensor

from realtime.perception.features import LossNetwork


class ContentFeatures:
    """Features of the content crops, kept in memory in bf16 up to a bound (they cost as much as a third of a step).

    Args:
        network: the loss network.
        layers: which of its taps are wanted.
        gigabytes: the bound.
    """

    def __init__(self, network: LossNetwork, layers: tuple[int, ...], gigabytes: float) -> None:
        self.network, self.layers, self.room = network, layers, gigabytes * 2**30
        self.kept: dict[int, list[Tensor]] = {}

    @torch.no_grad()
    def __call__(self, indices: list[int], rgb: Tensor) -> list[Tensor]:
        """Features of crops `rgb` (N, 3, H, W) that have these indices in the data set: for each of `layers` one
        (N, C, h, w).
        """
        taken = []
        for n, index in enumerate(indices):
            features = self.kept.get(index)
            if features is None:
                # one by one and rounded at once: what comes out does not depend on what was kept, so that a resumed
                # run, whose memory is empty, goes on with the very same numbers
                taps = self.network(rgb[n : n + 1])
                features = [taps[layer][0].to(torch.bfloat16).cpu() for layer in self.layers]
                size = sum(f.numel() * 2 for f in features)
                if self.room >= size:
                    self.kept[index] = features
                    self.room -= size
            taken.append([f.to(rgb.device) for f in features])
        return [torch.stack(layer) for layer in zip(*taken, strict=True)]
