"""The preview of a run: some photographs, painted like some paintings."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from realtime.media.files.stills import write_image
from realtime.perception.losses import gram
from realtime.training.any_painting.pictures import Pictures
from realtime.training.any_painting.pools import resized
from realtime.transnet.color import planes_from_rgb, rgb_from_planes
from realtime.transnet.hypernetwork import PAINT, PICTURE_SIDE, STROKE, EmittedTransNet, Encoder, HyperNetwork
from realtime.transnet.network import pack_planes, unpack_planes
from realtime.transnet.texture import field_tensor, texture_planes

ROWS, COLUMNS = 6, 4
"""Paintings and photographs of a preview."""


class Preview:
    """What previews show, chosen once.

    Args:
        encoder: on the device.
        paintings, photographs: some of these, spread over all.
        device: of the run.
    """

    @torch.no_grad()
    def __init__(self, encoder: Encoder, paintings: Pictures, photographs: Pictures) -> None:
        self.paintings = resized(_some(paintings, ROWS), PICTURE_SIDE)
        self.photographs = resized(_some(photographs, COLUMNS), PICTURE_SIDE)
        self.means: list[Tensor] = []
        self.covariances: list[Tensor] = []
        for tap in encoder(self.paintings):
            values = tap.float()
            mean = values.mean((2, 3))
            self.means.append(mean)
            self.covariances.append(gram(values) - mean[:, :, None] * mean[:, None])

    @torch.no_grad()
    def write(self, network: HyperNetwork, target: Path) -> None:
        """Write the sheet: photographs in the first row, then each painting and what is painted like it.

        Raises:
            RestyleError: it cannot be written.
        """
        count, device = len(self.paintings), self.paintings.device
        statistics = network.statistics_of(self.means, self.covariances)
        middle = (torch.full((count,), value, device=device) for value in (PAINT, STROKE))
        weights = network.weights(network.code(statistics, *middle))
        planes = pack_planes(*planes_from_rgb(self.photographs))
        if network.architecture.texture:
            origins = torch.zeros(len(planes), 2, device=device)
            planes = torch.cat([planes, texture_planes(field_tensor(device), origins, *planes.shape[2:])], 1)
        emitted = EmittedTransNet(network.architecture)
        rows = [torch.cat([torch.ones_like(self.paintings[:1]), self.photographs])]
        for n, painting in enumerate(self.paintings):
            emitted.take({name: value[n : n + 1] for name, value in weights.items()})
            painted = rgb_from_planes(*unpack_planes(emitted(planes))).clamp(0, 1)
            rows.append(torch.cat([painting[None], painted]))
        sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
        write_image(target, (sheet.permute(1, 2, 0) * 255).round().byte().cpu().numpy(), overwrite=True)


def _some(pictures: Pictures, count: int) -> Tensor:
    """Up to `count` of the pictures, spread over all, in 0..1."""
    whole = len(pictures.values)
    chosen = [whole * i // count for i in range(count)] if whole > count else list(range(whole))
    return pictures.values[chosen].float() / 255
