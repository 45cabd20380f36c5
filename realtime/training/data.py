"""Content pictures for training: found in a folder, cut into crops that are used repeatedly, in an order that depends
only on the seed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms.v2 import functional as TF

from realtime.errors import InputError
from realtime.media.files.stills import IMAGE_SUFFIXES, read_image

log = logging.getLogger(__name__)

SMALLEST = 32
"""Smallest side in pixels of a picture that can be used."""


def find_files(folder: Path, suffixes: Set[str], kind: str) -> list[Path]:
    """All files with certain suffixes in a folder and its subfolders, sorted by name.

    Args:
        folder: where to search.
        suffixes: in lower case, with their dots.
        kind: of the files, for messages.

    Raises:
        InputError: there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of {kind}")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes)
    if not found:
        raise InputError(f"{folder}: no {kind} in this folder ({', '.join(sorted(suffixes))})")
    return found


def find_pictures(folder: Path) -> list[Path]:
    """All pictures in a folder and its subfolders; see `find_files`."""
    return find_files(folder, IMAGE_SUFFIXES, "pictures")


def load_picture(path: Path, short_side: int | None = None) -> Tensor:
    """A picture as (3, H, W) uint8 RGB, upright.

    Args:
        path: the file.
        short_side: in pixels; the picture is resized to it with antialiasing.

    Raises:
        InputError: the file is missing, is no picture, or has a side below `SMALLEST`.
    """
    picture = torch.from_numpy(read_image(path)).permute(2, 0, 1)
    height, width = picture.shape[1:]
    if min(height, width) < SMALLEST:
        raise InputError(f"{path}: {width}x{height} is too small, {SMALLEST} pixels are needed")
    if short_side is not None and min(height, width) != short_side:
        picture = TF.resize(picture, [short_side], antialias=True)
    return picture


Picture = Path | Tensor
"""A content picture: a file, or (3, H, W) uint8 RGB in memory."""


def picture_tensor(picture: Picture, short_side: int | None = None) -> Tensor:
    """A content picture as (3, H, W) uint8 RGB; see `load_picture`."""
    if isinstance(picture, Path):
        return load_picture(picture, short_side)
    if short_side is not None and min(picture.shape[1:]) != short_side:
        return cast(Tensor, TF.resize(picture, [short_side], antialias=True))
    return picture


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop of a picture.

    Attributes:
        index: of the item in its data set.
        picture: (3, S, S) uint8 RGB, S = size + 2 * margin.
        top, left: corner of the window of `size` pixels that the losses see, 0 to 2 * margin.
    """

    index: int
    picture: Tensor
    top: int
    left: int


class Crops(Dataset[Crop]):
    """Square crops of pictures: `variants` of each, fixed by the seed.

    A crop covers a share of the picture's shorter side, from `smallest` to all of it (uniform in the logarithm), is
    mirrored at random, and resized to `size` + 2 * `margin`. Frames of a video are smoother than small photographs;
    enlarged crops are as smooth, and teach the network to paint where there is little detail. A picture that cannot be
    read is reported once and replaced by the next one.
    """

    def __init__(
        self, pictures: Sequence[Picture], *, size: int, margin: int, smallest: float, variants: int, seed: int
    ) -> None:
        self.pictures, self.size, self.margin, self.smallest = list(pictures), size, margin, smallest
        self.variants, self.seed = variants, seed
        self.broken: set[int] = set()

    def __len__(self) -> int:
        return len(self.pictures) * self.variants

    def __getitem__(self, index: int) -> Crop:
        place = index // self.variants
        for offset in range(len(self.pictures)):
            number = (place + offset) % len(self.pictures)
            if number in self.broken:
                continue
            try:
                return self._cut(picture_tensor(self.pictures[number]), index)
            except InputError as error:
                self.broken.add(number)
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
    """Every item once in each epoch, shuffled by seed and epoch. It can start anywhere, so that a resumed run sees the
    items that come next.

    Args:
        length: of the data set.
        seed: of the shuffling.
        start: number of items of the endless sequence that have been used.
        stride: take every stride-th item. Of several processes each takes its share, from a `start` of its own.
    """

    def __init__(self, length: int, seed: int, start: int = 0, stride: int = 1) -> None:
        self.length, self.seed, self.start, self.stride = length, seed, start, stride

    def __iter__(self) -> Iterator[int]:
        epoch, place = divmod(self.start, self.length)
        while True:
            generator = torch.Generator().manual_seed(self.seed * 7919 + epoch)
            shuffled = torch.randperm(self.length, generator=generator).tolist()
            yield from shuffled[place :: self.stride]
            # The first item of this process after this epoch.
            place += -(-(self.length - place) // self.stride) * self.stride
            ahead, place = divmod(place, self.length)
            epoch += ahead
