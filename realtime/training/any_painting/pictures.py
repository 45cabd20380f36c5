"""The pictures of a run: decoded once, held on the device at one size, so that no step waits for a file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realtime.errors import InputError
from realtime.media.convert.rgb import resize_image
from realtime.media.files.stills import read_image
from realtime.memory import give_back_memory
from realtime.training.data import SMALLEST, find_pictures

PAINTING_SIDE = 320
"""Side in pixels of the paintings as they are held."""

LONG = 1.25
"""A painting whose sides differ by more than this factor is held as two squares, one from each end."""

THREADS = 8
"""Files that are read at once."""

AT_ONCE = 64
"""Files that are read ahead of who uses them."""

THUMBNAIL = 64
"""Side in pixels of the thumbnails that are compared, whatever the picture's shape."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What is kept of one file.

    Attributes:
        path: of the file.
        squares: each (side, side, 3) uint8 RGB.
        thumbnail: (64, 64) uint8, the brightness of the whole picture.
    """

    path: Path
    squares: list[np.ndarray]
    thumbnail: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Square pictures of several folders.

    Attributes:
        values: (N, 3, side, side) uint8 RGB, folder by folder.
        counts: number of pictures of each folder.
        files: number of files that they come from, of each folder.
    """

    values: Tensor
    counts: tuple[int, ...]
    files: tuple[int, ...]

    def to(self, device: torch.device) -> Pictures:
        """The same on a device."""
        return Pictures(self.values.to(device), self.counts, self.files)


def squares(picture: np.ndarray, side: int, long: float | None) -> list[np.ndarray]:
    """Squares of a picture at a size: the middle one, or those at both ends where it is long.

    Args:
        picture: (H, W, 3) uint8.
        side: of the squares in pixels.
        long: from which ratio of the sides on there are two; None takes the middle one always.
    """
    small = resize_image(picture, side)
    height, width = small.shape[:2]
    room = (max(0, height - side), max(0, width - side))
    two = long is not None and max(height, width) > long * side
    return [
        np.ascontiguousarray(small[y : y + side, x : x + side])
        for y, x in ((round(room[0] * share), round(room[1] * share)) for share in ((0.0, 1.0) if two else (0.5,)))
    ]


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """(64, 64) uint8: the brightness of a picture, squeezed into a square."""
    small = resize_image(picture, (THUMBNAIL, THUMBNAIL)).astype(np.float32)
    gray: np.ndarray = (small @ np.array([0.2126, 0.7152, 0.0722], np.float32)).round().astype(np.uint8)
    return gray


def read_pictures(paths: Sequence[Path], side: int, long: float | None = None) -> Iterator[Read]:
    """Read files with several threads, in order. Files that are no pictures, or too small, are named and left out."""

    def read(path: Path) -> Read | InputError:
        try:
            picture = read_image(path)
            height, width = picture.shape[:2]
            if min(height, width) < SMALLEST:
                return InputError(f"{path}: {width}x{height} is too small, {SMALLEST} pixels are needed")
            return Read(path, squares(picture, side, long), thumbnail(picture))
        except InputError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(paths), AT_ONCE):  # a few at a time: the caller may be slower than the threads
            for found in pool.map(read, paths[first : first + AT_ONCE]):
                if isinstance(found, InputError):
                    log.warning("left out: %s", found)
                else:
                    yield found


def room_for(folders: Sequence[Sequence[Path]], side: int, gigabytes: float) -> list[list[Path]]:
    """The files of each folder that fit into some memory, spread evenly over all; a note says how many do not fit.

    A file is counted as one square; the second one of long paintings comes on top.
    """
    whole = sum(map(len, folders))
    fits = int(gigabytes * 2**30 / (3 * side * side))
    if whole <= fits:
        return [list(paths) for paths in folders]
    kept = [
        [paths[i * len(paths) // n] for i in range(n)] for paths in folders if (n := max(1, len(paths) * fits // whole))
    ]
    log.warning("%d of %d pictures fit into %g gigabytes; --memory allows more", sum(map(len, kept)), whole, gigabytes)
    return kept


def hold(reads: Iterable[Iterable[Read]], folders: Sequence[Path], files: int, side: int) -> Pictures:
    """Pictures of several folders in one tensor on the CPU.

    Args:
        reads: of each folder.
        folders: for messages.
        files: how many there are at most, of all folders.
        side: of the squares.

    Raises:
        InputError: none of the pictures of a folder can be used.
    """
    values = torch.empty(2 * files, 3, side, side, dtype=torch.uint8)  # takes memory only where it is written
    counts, numbers = [], []
    end = 0
    for folder, found in zip(folders, reads, strict=True):
        begin, number = end, 0
        for read in found:
            number += 1
            for square in read.squares:
                values[end] = torch.from_numpy(square).permute(2, 0, 1)
                end += 1
        if not number:
            raise InputError(f"{folder}: none of its pictures can be used")
        counts.append(end - begin)
        numbers.append(number)
    give_back_memory()
    return Pictures(values[:end], tuple(counts), tuple(numbers))


def load_contents(folder: Path, side: int, gigabytes: float) -> Pictures:
    """The photographs of a folder and its subfolders.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """
    (paths,) = room_for([find_pictures(folder)], side, gigabytes)
    return hold([read_pictures(paths, side)], [folder], len(paths), side)
