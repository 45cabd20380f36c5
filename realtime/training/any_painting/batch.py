"""What one step is trained on: everything that is drawn at random, with shapes that are the same in every step."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.training.any_painting.pools import SAMPLES, Seed
from realtime.transnet.texture import FIELD_SIDE

DIRECTIONS = 48
"""Directions in which sliced Wasserstein distances are taken."""

SHIFT = 12
"""Largest motion in pixels."""

WARPED = 0.25
"""Share of the motions that are no shifts by whole pixels: turned, zoomed."""

BORDER = 16
"""Pixels at the border of moved pictures that do not count: there the network sees what is beyond in one of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One step's random values, on the device. P paintings, M photographs each, N = P * M.

    Attributes:
        paintings: (2, P), slots of the paintings and of those that they are mixed with.
        mix: (P,), share of the second.
        paint: (P,), 0..1.
        photographs: (N,), slots.
        origins: (N, 2), where the picture lies on the texture's field, (down, right) in pixels.
        shift: (P, 2), motion of the first photograph of each painting, (down, right) in pixels.
        positions: (P, size, size, 2), (right, down) in pixels: where each pixel was before that motion.
        noise: (P, 3, size, size), of the sensor, 0..1.
        directions: of each layer after the first, (C, DIRECTIONS), each of length 1.
        places: of each of these layers, (SAMPLES,), positions in the output.
        colour_directions: (3, DIRECTIONS).
        pixels: (SAMPLES,), positions in the output.
        lots: (SAMPLES,) 0..1: samples below `mix` come from the second painting.
    """

    paintings: Tensor
    mix: Tensor
    paint: Tensor
    photographs: Tensor
    origins: Tensor
    shift: Tensor
    positions: Tensor
    noise: Tensor
    directions: list[Tensor]
    places: list[Tensor]
    colour_directions: Tensor
    pixels: Tensor
    lots: Tensor

    def tensors(self) -> list[Tensor]:
        """All of them."""
        found: list[Tensor] = []
        for field in fields(self):
            value = getattr(self, field.name)
            found += value if isinstance(value, list) else [value]
        return found

    def take(self, other: Batch) -> None:
        """Copy another batch's values into this one's places."""
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            mine.copy_(theirs)


@dataclass(frozen=True, slots=True)
class BatchShape:
    """What the shapes of a batch depend on, and its few settings.

    Attributes:
        paintings, contents: P and M.
        size: of the crops.
        slots: of the two pools, paintings and photographs.
        mix: share of the paintings that are mixed.
        noise: largest standard deviation of the sensor's noise.
    """

    paintings: int
    contents: int
    size: int
    slots: tuple[int, int]
    mix: float
    noise: float

    def draw(self, step: int, seed: Seed, device: torch.device) -> Batch:
        """The batch of a step: always the same for a seed."""
        generator = seed.device(device, "step", step)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=device)

        def whole(limit: int, *shape: int) -> Tensor:
            return torch.randint(limit, shape, generator=generator, device=device)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=device)

        def distinct(limit: int, count: int) -> Tensor:
            order = torch.rand(limit, generator=generator, device=device).argsort()
            return order.repeat(-(-count // limit))[:count]  # again from the beginning, where there are too few

        p, n, size = self.paintings, self.paintings * self.contents, self.size
        shift = (whole(2 * SHIFT + 1, p, 2) - SHIFT).float()
        layers = [(128, size // 2), (256, size // 4), (512, size // 8)]
        return Batch(
            paintings=torch.stack([distinct(self.slots[0], p), whole(self.slots[0], p)]),
            mix=uniform(p) * (uniform(p) < self.mix),
            paint=uniform(p),
            photographs=distinct(self.slots[1], n),
            origins=uniform(n, 2) * 2 * FIELD_SIDE,
            shift=shift,
            positions=_moved(size, shift, (uniform(p) < WARPED).float(), uniform(p, 2) * 2 - 1),
            noise=normal(p, 3, size, size) * (self.noise * uniform(p, 1, 1, 1)),
            directions=[F.normalize(normal(c, DIRECTIONS), dim=0) for c, _ in layers],
            places=[whole(side * side, SAMPLES) for _, side in layers],
            colour_directions=F.normalize(normal(3, DIRECTIONS), dim=0),
            pixels=whole(size * size, SAMPLES),
            lots=uniform(SAMPLES),
        )


def _moved(size: int, shift: Tensor, warped: Tensor, how: Tensor) -> Tensor:
    """Where each pixel was before a motion.

    Args:
        size: of the pictures.
        shift: (P, 2), (down, right) in pixels.
        warped: (P,), 1 where the picture is turned and zoomed, too.
        how: (P, 2) in -1..1: by how much, up to 2 degrees and 3 %.

    Returns:
        (P, size, size, 2), (right, down) in pixels.
    """
    axis = torch.arange(size, device=shift.device, dtype=torch.float32)
    centre = (size - 1) / 2
    down, right = torch.meshgrid(axis - centre, axis - centre, indexing="ij")
    angle, zoom = 0.035 * how[:, 0] * warped, 1 + 0.03 * how[:, 1] * warped
    cos, sin = ((f(angle) * zoom)[:, None, None] for f in (torch.cos, torch.sin))
    x = cos * right - sin * down + centre + shift[:, 1, None, None]
    y = sin * right + cos * down + centre + shift[:, 0, None, None]
    return torch.stack([x, y], -1)
