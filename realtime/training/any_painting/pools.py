"""What the losses need of pictures and what does not depend on the trained weights, kept for several steps.

To look at a painting costs as much as to judge an output: its statistics, its Gram matrices at the size of its strokes,
samples of its features. So each step looks at a few new paintings only. They replace the oldest ones of a pool, from
which the step draws. Each look is drawn again at random (crop, mirror, colours, size of the strokes) and by its number
alone, so that a resumed run looks at the same ones again.

Pools stay where they are in memory: a CUDA graph knows their places.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.perception.losses import gram
from realtime.training.any_painting.pictures import Pictures
from realtime.transnet.hypernetwork import PICTURE_SIDE, STROKES, Encoder

STROKE_LEVELS = 9
"""Sizes of the strokes that are trained: few, evenly spaced in their logarithm. Each size of picture is tuned by cuDNN
once."""

SAMPLES = 1024
"""Positions of a picture whose features and colours stand for all in sliced Wasserstein distances."""

MARGIN = 16
"""Border in pixels that photographs have beyond the crop, for its motion."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What random numbers depend on: the run's seed and the process."""

    seed: int
    process: int = 0

    def host(self, purpose: str, number: int) -> random.Random:
        """Random numbers for Python."""
        return random.Random(f"{self.seed}/{self.process}/{purpose}/{number}")

    def device(self, device: torch.device, purpose: str, number: int) -> torch.Generator:
        """Random numbers on a device."""
        return torch.Generator(device).manual_seed(self.host(purpose, number).getrandbits(62))


def target_sides() -> list[int]:
    """Short sides in pixels of the painting for each size of the strokes, multiples of 8."""
    least, most = STROKES
    levels = [least * (most / least) ** (i / (STROKE_LEVELS - 1)) for i in range(STROKE_LEVELS)]
    return [round(PICTURE_SIDE * level / 8) * 8 for level in levels]


def resized(pictures: Tensor, side: int) -> Tensor:
    """(N, 3, n, n) in 0..1 -> (N, 3, side, side)."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


def random_squares(pictures: Tensor, smallest: float, chance: random.Random, generator: torch.Generator) -> Tensor:
    """A random square of each picture, the same for all, each mirrored at random: (N, 3, n, n) uint8 -> in 0..1."""
    whole = pictures.shape[-1]
    side = round(whole * chance.uniform(smallest, 1))
    top, left = chance.randint(0, whole - side), chance.randint(0, whole - side)
    cut = pictures[..., top : top + side, left : left + side].float() / 255
    mirrored = torch.rand(len(cut), 1, 1, 1, generator=generator, device=cut.device) < 0.5
    return torch.where(mirrored, cut.flip(3), cut)


class Pool(ABC):
    """Pictures that were looked at lately; the newest look takes the place of the oldest.

    Args:
        encoder: on the device.
        pictures: on the device.
        fresh: pictures in a look.
        turns: looks that the pool holds.
        seed: of the run.

    Attributes:
        slots: number of pictures.
    """

    def __init__(self, encoder: Encoder, pictures: Pictures, fresh: int, turns: int, seed: Seed) -> None:
        self.encoder, self.pictures, self.fresh, self.turns, self.seed = encoder, pictures, fresh, turns, seed
        self.slots, self.device = turns * fresh, pictures.values.device

    def fill(self, step: int) -> None:
        """Make the pool as it is before a step."""
        for number in range(step, step + self.turns):
            self.look(number)

    @abstractmethod
    def look(self, number: int) -> None:
        """Look at new pictures.

        Args:
            number: of the look. That of step n is n + `turns`, after it.
        """

    def place(self, number: int) -> slice:
        """The slots of a look."""
        turn = number % self.turns
        return slice(turn * self.fresh, (turn + 1) * self.fresh)


class PaintingPool(Pool):
    """Paintings that were looked at lately; see `Pool`.

    Args:
        shares: of the folders; they add up to 1.

    Attributes:
        means, covariances: of the encoder's layers at `PICTURE_SIDE`, for `HyperNetwork.statistics_of`: (slots, C) and
            (slots, C, C) fp32.
        grams: of the layers at the size of the strokes, (slots, C, C) fp32.
        samples: features of the layers after the first at that size, (slots, SAMPLES, C).
        colours: (slots, SAMPLES, 3), RGB in 0..1.
        strokes: (slots,), size of the strokes.
    """

    def __init__(
        self, encoder: Encoder, pictures: Pictures, shares: Sequence[float], fresh: int, turns: int, seed: Seed
    ) -> None:
        super().__init__(encoder, pictures, fresh, turns, seed)
        slots, device = self.slots, self.device
        dtype = next(encoder.parameters()).dtype
        channels = (64, 128, 256, 512)
        self.means = [torch.zeros(slots, c, device=device) for c in channels]
        self.covariances = [torch.zeros(slots, c, c, device=device) for c in channels]
        self.grams = [torch.zeros(slots, c, c, device=device) for c in channels]
        self.samples = [torch.zeros(slots, SAMPLES, c, device=device, dtype=dtype) for c in channels[1:]]
        self.colours = torch.zeros(slots, SAMPLES, 3, device=device)
        self.strokes = torch.ones(slots, device=device)
        self._shares = torch.tensor(shares, device=device)
        counts = torch.tensor(pictures.counts, device=device)
        self._counts, self._firsts = counts, counts.cumsum(0) - counts

    @torch.no_grad()
    def look(self, number: int) -> None:
        """Look at new paintings; see `Pool.look`."""
        chance, generator = self.seed.host("painting", number), self.seed.device(self.device, "painting", number)
        n, place = self.fresh, self.place(number)
        folder = torch.multinomial(self._shares, n, replacement=True, generator=generator)
        which = torch.rand(n, generator=generator, device=self.device) * self._counts[folder]
        chosen = self.pictures.values[self._firsts[folder] + which.long()]
        square = random_squares(chosen, 0.8, chance, generator)
        tint = torch.rand(n, 3, 1, 1, generator=generator, device=self.device)
        square = (square * (0.88 + 0.24 * tint)).clamp(0, 1)
        side = chance.choice(target_sides())
        view = self.encoder(resized(square, PICTURE_SIDE))
        for tap, means, covariances in zip(view, self.means, self.covariances, strict=True):
            values = tap.float()
            mean = values.mean((2, 3))
            means[place] = mean
            covariances[place] = gram(values) - mean[:, :, None] * mean[:, None]
        target = resized(square, side)
        taps = view if side == PICTURE_SIDE else self.encoder(target)
        for tap, grams in zip(taps, self.grams, strict=True):
            grams[place] = gram(tap.float())
        for tap, samples in zip(taps[1:], self.samples, strict=True):
            samples[place] = self._some(tap, generator)
        self.colours[place] = self._some(target, generator)
        self.strokes[place] = side / PICTURE_SIDE

    def _some(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """(N, C, h, w) -> (N, SAMPLES, C) at random positions."""
        flat = values.flatten(2).transpose(1, 2)
        return flat[:, torch.randint(flat.shape[1], (SAMPLES,), generator=generator, device=self.device)]


class PhotographPool(Pool):
    """Photographs that were looked at lately; see `Pool`.

    Args:
        size: of the crops that are painted.

    Attributes:
        values: (slots, 3, size + 2 MARGIN, size + 2 MARGIN) in 0..1.
        features: relu4_1 of the crops in their middle, (slots, 512, size / 8, size / 8).
        variances: (slots,), of these.
    """

    def __init__(self, encoder: Encoder, pictures: Pictures, size: int, fresh: int, turns: int, seed: Seed) -> None:
        super().__init__(encoder, pictures, fresh, turns, seed)
        slots, device = self.slots, self.device
        side = self.side = size + 2 * MARGIN
        dtype = next(encoder.parameters()).dtype
        self.values = torch.zeros(slots, 3, side, side, device=device)
        self.features = torch.zeros(slots, 512, size // 8, size // 8, device=device, dtype=dtype)
        self.variances = torch.ones(slots, device=device)

    @torch.no_grad()
    def look(self, number: int) -> None:
        """Look at new photographs; see `Pool.look`."""
        chance, generator = self.seed.host("photograph", number), self.seed.device(self.device, "photograph", number)
        place = self.place(number)
        chosen = torch.randint(len(self.pictures.values), (self.fresh,), generator=generator, device=self.device)
        values = resized(random_squares(self.pictures.values[chosen], 0.6, chance, generator), self.side)
        features = self.encoder(middle(values))[3]
        self.values[place], self.features[place] = values, features
        self.variances[place] = features.float().var((1, 2, 3))


def middle(values: Tensor) -> Tensor:
    """The crop that is painted, of photographs with their border."""
    return values[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
