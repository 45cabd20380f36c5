"""What the network for any painting is trained for: the losses of one step, and their weights.

Content and style of each picture are divided by the style error of its painting, so that paintings that are hard to
paint with neither rule the gradient nor vanish in it, and keep their own balance with the content.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from realtime.options import AnyTrainOptions
from realtime.perception import losses
from realtime.training.any_painting import terms
from realtime.training.any_painting.batch import BORDER, Batch
from realtime.training.any_painting.pools import MARGIN, PaintingPool, PhotographPool, middle
from realtime.training.objective import as_shown
from realtime.transnet.color import planes_from_rgb, rgb_from_planes
from realtime.transnet.hypernetwork import EmittedTransNet, Encoder, HyperNetwork, content_weight
from realtime.transnet.network import pack_planes, unpack_planes
from realtime.transnet.texture import field_tensor, texture_planes

TERMS = ("content", "gram", "swd", "tile", "palette", "gamut", "grid", "temporal")
"""The losses that are reported, in order, unweighted."""

LEAST_STYLE_ERROR = 0.2
"""Added to a painting's style error before it divides."""

TILE = 16
"""Side of a tile at relu3_1: 64 pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What the paintings of a step ask for.

    Attributes:
        code: (P, n), of the hypernetwork.
        grams: of each layer (P, C, C).
        samples: of each layer after the first (P, samples, C).
        colours: (P, samples, 3).
    """

    code: Tensor
    grams: list[Tensor]
    samples: list[Tensor]
    colours: Tensor


class Objective:
    """The losses of a step.

    Args:
        options: the weights.
        network: to train.
        encoder: the loss network, frozen.
        paintings, photographs: the pools that batches are drawn from.
        compute: number format of the emitted networks.
    """

    def __init__(
        self,
        options: AnyTrainOptions,
        network: HyperNetwork,
        encoder: Encoder,
        paintings: PaintingPool,
        photographs: PhotographPool,
        compute: torch.dtype,
    ) -> None:
        self.options, self.network, self.encoder, self.compute = options, network, encoder, compute
        self.paintings, self.photographs = paintings, photographs
        self.emitted = EmittedTransNet(network.architecture)
        self.field = field_tensor(paintings.device) if network.architecture.texture else None

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The weighted loss, a scalar, and the terms (`TERMS`), a detached vector."""
        c, count = self.options, len(batch.photographs) // len(batch.paint)
        targets = self._targets(batch)
        self.emitted.take(self.network.weights(targets.code))
        photographs = self.photographs.values[batch.photographs]
        painted = self.paint(middle(photographs), batch.origins)
        shown = as_shown(painted)
        taps = self.encoder(shown)
        style = self._style(shown, taps, targets, batch)
        content = losses.content_error(taps[3], self.photographs.features[batch.photographs], 1.0)
        content = content / self.photographs.variances.mean().clamp_min(1e-6)
        whole = style[0] + c.swd * style[1] + c.tile * style[2] + c.palette * style[3]
        share = terms.spread(1 / (whole.detach().view(-1, count).mean(1) + LEAST_STYLE_ERROR), count)
        loss = (share * (terms.spread(content_weight(batch.paint), count) * content + whole)).mean()
        gamut = losses.gamut_error(painted).mean()
        grid = losses.grid_error(shown) if c.grid else torch.zeros_like(gamut)
        temporal = self._temporal(photographs, painted, batch, count)
        loss = loss + c.gamut * gamut + c.grid * grid + c.temporal * temporal
        parts = [content.mean(), *style.mean(1), gamut, grid, temporal]
        return loss, torch.stack([part.detach() for part in parts])

    def paint(self, rgb: Tensor, origins: Tensor) -> Tensor:
        """Pictures through the emitted networks.

        Args:
            rgb: (P * M, 3, H, W) in 0..1.
            origins: (P * M, 2), see `texture_planes`.

        Returns:
            (P * M, 3, H, W) fp32, not clamped.
        """
        planes = pack_planes(*planes_from_rgb(rgb))
        if self.field is not None:
            planes = torch.cat([planes, texture_planes(self.field, origins, *planes.shape[2:])], 1)
        planes = planes.to(self.compute).contiguous(memory_format=torch.channels_last)
        return rgb_from_planes(*unpack_planes(self.emitted(planes).float()))

    def _targets(self, batch: Batch) -> Targets:
        """Of the batch's paintings, and of mixtures of two where there are any."""
        pool, (first, second) = self.paintings, batch.paintings.unbind()
        code, other = (
            self.network.code(
                self.network.statistics_of([m[at] for m in pool.means], [v[at] for v in pool.covariances]),
                batch.paint,
                pool.strokes[at],
            )
            for at in (first, second)
        )
        mix, lots = batch.mix, batch.lots[None, :, None] < batch.mix[:, None, None]
        return Targets(
            torch.lerp(code, other, mix[:, None]),
            [torch.lerp(g[first], g[second], mix[:, None, None]) for g in pool.grams],
            [torch.where(lots, s[second], s[first]) for s in pool.samples],
            torch.where(lots, pool.colours[second], pool.colours[first]),
        )

    def _style(self, shown: Tensor, taps: list[Tensor], targets: Targets, batch: Batch) -> Tensor:
        """(4, N): Gram matrices, sliced Wasserstein distance, tiles, colours."""
        swd = [
            losses.sliced_errors(losses.sampled(tap, places), samples, directions)
            for tap, places, samples, directions in zip(
                taps[1:], batch.places, targets.samples, batch.directions, strict=True
            )
        ]
        colours = losses.sliced_errors(losses.sampled(shown, batch.pixels), targets.colours, batch.colour_directions)
        tiles = losses.tile_errors(taps[2], targets.grams[2], TILE)
        return torch.stack([terms.gram_errors(taps, targets.grams), torch.stack(swd).mean(0), tiles, colours])

    def _temporal(self, photographs: Tensor, painted: Tensor, batch: Batch, count: int) -> Tensor:
        """The first photograph of each painting, moved and with noise, must be painted as it was, moved."""
        first = photographs[::count]
        other = terms.moved(first, batch.positions + MARGIN) + batch.noise
        again = self.paint(other.clamp(0, 1), batch.origins[::count] + batch.shift)
        return terms.moved_errors(again, painted[::count], batch.positions, BORDER).mean()
