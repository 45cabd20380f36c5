"""Content pictures for training: found in a folder, cut into crops that come again, in an order that depends on the
seed alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms.v2 import functional as TF

from realtime.errors import InputError

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

SMALLEST = 32
"""Pixels that a picture must have on each side to be of use."""


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted by name.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of content pictures")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{folder}: no pictures in this folder ({', '.join(sorted(SUFFIXES))})")
    return found


def load_picture(path: Path, short_side: int | None = None) -> Tensor:
    """A picture as (3, H, W) uint8 RGB, upright.

    Args:
        path: the file.
        short_side: resize (with antialiasing) so that the shorter side has so many pixels.

    Raises:
        InputError: the file is missing, is no picture, or has a side below `SMALLEST`.
    """
    try:
        with Image.open(path) as image:
            picture: Tensor = TF.pil_to_tensor(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such picture") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as a picture: {error}") from None
    if min(picture.shape[1:]) < SMALLEST:
        raise InputError(f"{path}: too small: {picture.shape[2]}x{picture.shape[1]}, {SMALLEST} pixels are needed")
    if short_side is not None and min(picture.shape[1:]) != short_side:
        picture = TF.resize(picture, [short_side], antialias=True)
    return picture


@dataclass(frozen=True, slots=True)
class Crop:
    """What a training step sees of a picture.

    Attributes:
        index: of the item in its data set.
        picture: (3, S, S) uint8 RGB, S = size + 2 * margin.
        top, left: where the window of `size` pixels begins that the losses look at, 0 to 2 * margin.
    """

    index: int
    picture: Tensor
    top: int
    left: int


class Crops(Dataset[Crop]):
    """Square crops of pictures: `variants` of each, chosen by the seed once and for all.

    A crop covers a share of the picture's shorter side, from `smallest` to all of it (uniform in the logarithm), is
    mirrored at random, and resized to `size` + 2 * `margin`. A picture that cannot be read is reported once and its
    place taken by the next.
    """

    def __init__(
        self, pictures: Sequence[Path], *, size: int, margin: int, smallest: float, variants: int, seed: int
    ) -> None:
        self.pictures, self.size, self.margin, self.smallest = list(pictures), size, margin, smallest
        self.variants, self.seed = variants, seed
        self.broken: set[Path] = set()

    def __len__(self) -> int:
        return len(self.pictures) * self.variants

    def __getitem__(self, index: int) -> Crop:
        place = index // self.variants
        for offset in range(len(self.pictures)):
            path = self.pictures[(place + offset) % len(self.pictures)]
            if path in self.broken:
                continue
            try:
                return self._cut(load_picture(path), index)
            except InputError as error:
                self.broken.add(path)
                log.warning("skipped: %s", error)
        raise InputError(f"none of the {len(self.pictures)} content pictures can be read")

    def _cut(self, picture: Tensor, index: int) -> Crop:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        r = torch.rand(6, generator=generator).tolist()
        height, width = picture.shape[1:]
        whole = self.size + 2 * self.margin
        side = max(1, round(min(height, width) * self.smallest ** r[0]))
        top, left = round(r[1] * (height - side)), round(r[2] * (width - side))
        crop = TF.resized_crop(picture, top, left, side, side, [whole, whole], antialias=True)
        if r[3] < 0.5:
            crop = TF.horizontal_flip(crop)
        return Crop(index, crop, round(r[4] * 2 * self.margin), round(r[5] * 2 * self.margin))


class Order(Sampler[int]):
    """Every item once an epoch, shuffled by seed and epoch; starts anywhere, so that a resumed run sees what comes
    next.

    Args:
        length: of the data set.
        seed: of the shuffling.
        start: items of the endless sequence that were seen before.
        stride: take every so-many-th item: each of several processes takes its share, beginning at its own `start`.
    """

    def __init__(self, length: int, seed: int, start: int = 0, stride: int = 1) -> None:
        self.length, self.seed, self.start, self.stride = length, seed, start, stride

    def __iter__(self) -> Iterator[int]:
        epoch, place = divmod(self.start, self.length)
        while True:
            generator = torch.Generator().manual_seed(self.seed * 7919 + epoch)
            shuffled = torch.randperm(self.length, generator=generator).tolist()
            yield from shuffled[place :: self.stride]
            # the first of this process's items that lies beyond this epoch
            place += -(-(self.length - place) // self.stride) * self.stride
            ahead, place = divmod(place, self.length)
            epoch += ahead
