"""Paintings that must not be trained on, found by what they show: other scans, sizes and crops of a work too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.training.any_painting.pictures import Read, read_pictures
from realtime.training.data import find_pictures

SAME = 0.62
"""Correlation of two thumbnails from which on they show the same work. The highest of 95,000 pairs of different works
was 0.53; copies that are recompressed, tinted or cut by a tenth reach 0.8."""

SIDE = 24
"""Side in pixels at which windows are compared."""

_WINDOWS = tuple(
    (round(64 * y * (1 - share)), round(64 * x * (1 - share)), round(64 * share))
    for share in (1.0, 0.92, 0.84, 0.72)
    for y, x in ([(0.0, 0.0)] if share == 1 else [(y / 2, x / 2) for y in range(3) for x in range(3)])
)
"""Top, left and side in a thumbnail of the parts that stand for the whole: scans differ in their margins."""


class HeldOut:
    """The paintings of some folders, and whether others show the same.

    Args:
        folders: of pictures, searched with their subfolders.

    Attributes:
        found: names of files that were left out, each with the name of the painting that it shows.

    Raises:
        InputError: there is no such folder, or no picture in it.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        reads = [read for folder in folders for read in read_pictures(find_pictures(folder), 64)]
        self.names = [read.path.name for read in reads]
        self.whole = _compared(reads, _WINDOWS[:1])
        self.parts = _compared(reads, _WINDOWS)
        self.found: list[tuple[str, str]] = []

    def filter(self, reads: Iterable[Read]) -> Iterator[Read]:
        """Those of the pictures that show none of the paintings."""
        if not self.names:
            yield from reads
            return
        for read in reads:
            name = self.shown_by(read)
            if name is None:
                yield read
            else:
                self.found.append((read.path.name, name))

    def shown_by(self, read: Read) -> str | None:
        """The name of the painting that a picture shows, of those that are held out; else None."""
        best, index = self.correlations(read).max(0)
        return self.names[int(index)] if float(best) >= SAME else None

    def correlations(self, read: Read) -> Tensor:
        """The highest correlation with each painting: of the whole with its parts, or of parts with its whole."""
        whole, parts = _compared([read], _WINDOWS[:1]), _compared([read], _WINDOWS)
        with_parts = torch.einsum("nwd,md->nwm", self.parts, whole[:, 0]).amax((1, 2))
        with_whole = torch.einsum("nd,wd->nw", self.whole[:, 0], parts[0]).amax(1)
        return torch.maximum(with_parts, with_whole)


def _compared(reads: Sequence[Read], windows: Sequence[tuple[int, int, int]]) -> Tensor:
    """Windows of thumbnails, without what is smooth: (N, windows, SIDE * SIDE), each of length 1."""
    if not reads:
        return torch.zeros(0, len(windows), SIDE * SIDE)
    x = torch.from_numpy(np.stack([read.thumbnail for read in reads])).float()[:, None]
    cut = [
        F.interpolate(x[..., top : top + n, left : left + n], size=(SIDE, SIDE), mode="area")
        for top, left, n in windows
    ]
    y = torch.stack(cut, 1)[:, :, 0]
    smooth = F.avg_pool2d(F.pad(y, (4, 4, 4, 4), mode="replicate"), 9, stride=1)
    return F.normalize((y - smooth).flatten(2), dim=2)
