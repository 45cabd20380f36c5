"""Features of the content crops, each of which is used many times."""

from __future__ import annotations

import torch
from torch import Tensor

from realtime.perception.features import LossNetwork


class ContentFeatures:
    """Features of the content crops, cached in bf16. Computing them again would cost a third of a step.

    Args:
        network: the loss network.
        layers: indices of the taps that are needed.
        gigabytes: bound of the cache.
    """

    def __init__(self, network: LossNetwork, layers: tuple[int, ...], gigabytes: float) -> None:
        self.network, self.layers, self.room = network, layers, gigabytes * 2**30
        self.cache: dict[int, list[Tensor]] = {}

    @torch.no_grad()
    def __call__(self, indices: list[int], rgb: Tensor) -> list[Tensor]:
        """Features of crops.

        Args:
            indices: of the crops in their data set.
            rgb: (N, 3, H, W), the crops.

        Returns:
            for each of `layers` (N, C, h, w) bf16.
        """
        taken = []
        for n, index in enumerate(indices):
            features = self.cache.get(index)
            if features is None:
                # Computed one by one and rounded at once: the result does not depend on what is cached, so that a
                # resumed run, which begins with an empty cache, continues with the same numbers.
                taps = self.network(rgb[n : n + 1])
                features = [taps[layer][0].to(torch.bfloat16).cpu() for layer in self.layers]
                size = sum(f.numel() * 2 for f in features)
                if self.room >= size:
                    self.cache[index] = features
                    self.room -= size
            taken.append([f.to(rgb.device) for f in features])
        return [torch.stack(layer) for layer in zip(*taken, strict=True)]
