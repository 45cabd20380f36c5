"""Pairs of frames of real clips with the optical flow between them, for the temporal loss.

For users who have footage like the videos they will restyle: its noise, blur and motion are real, where synthetic
motion (realtime.training.motion) only imitates them. Its flow is an estimate, where that of synthetic motion is exact.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from realtime.errors import InputError, RestyleError
from realtime.media.convert.optical_flow import EXPLAINED, FlowEstimator, gray
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.inputs import VIDEO_SUFFIXES
from realtime.media.files.reader import VideoReader
from realtime.training.data import find_files
from realtime.training.motion import Motion

STEP = 8
"""Frames from one pair to the next: neighbouring pairs show the same."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two consecutive frames.

    Attributes:
        before, now: (3, H, W) uint8 RGB.
        x, y: (H, W) fp32, column and row in `before` of each pixel of `now`.
        seen: (H, W) bool, whether the pixel was visible there.
    """

    before: Tensor
    now: Tensor
    x: Tensor
    y: Tensor
    seen: Tensor


def read_pairs(path: Path, count: int, short_side: int) -> list[Pair]:
    """Pairs of consecutive frames, one of every `STEP`, from the beginning of a clip; cuts are left out.

    Args:
        path: the clip.
        count: largest number of pairs.
        short_side: to which frames are resized, in pixels.

    Raises:
        MediaError: the clip cannot be read.
    """
    estimator = FlowEstimator()
    pairs: list[Pair] = []
    with VideoReader(path) as reader:
        for n, frames in enumerate(pairwise(islice(iter(reader), count * STEP + 1))):
            if n % STEP:
                continue
            before, now = (
                TF.resize(torch.from_numpy(rgb_from_frame(f)).permute(2, 0, 1), [short_side], antialias=True)
                for f in frames
            )
            if before.shape != now.shape:
                continue
            flow = estimator.between(*(gray(np.ascontiguousarray(f.permute(1, 2, 0).numpy())) for f in (before, now)))
            if flow.seen.mean() > EXPLAINED:  # less: a cut, or motion that the flow does not follow
                pairs.append(Pair(before, now, *map(torch.from_numpy, (flow.x, flow.y, flow.seen))))
    return pairs


class Clips:
    """Pairs of all clips of a folder, kept in memory, and random crops of them.

    Args:
        folder: searched with its subfolders; clips that cannot be read are reported and left out.
        side: of the crops in pixels.
        pairs: largest number of pairs of all clips together; a pair takes about 1.6 MB at 240 px.

    Raises:
        InputError: no clip can be used.
    """

    def __init__(self, folder: Path, *, side: int, pairs: int = 192) -> None:
        clips = find_files(folder, VIDEO_SUFFIXES, "clips")
        self.side = side
        self.pairs: list[Pair] = []
        for path in clips:
            try:
                self.pairs += read_pairs(path, max(1, pairs // len(clips)), round(side * 1.15))
            except RestyleError as error:
                log.warning("skipped: %s", error)
        if not self.pairs:
            raise InputError(f"{folder}: none of the {len(clips)} clips has two frames that can be used")

    def __call__(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Motion]:
        """Random crops of random pairs.

        Args:
            count: N.
            generator: on the CPU.

        Returns:
            frames before and now, (N, 3, side, side) uint8, and the motion between them.
        """
        chosen = [self.pairs[int(torch.randint(len(self.pairs), (), generator=generator))] for _ in range(count)]
        return _crops(chosen, self.side, generator)


def _crops(pairs: Sequence[Pair], side: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Motion]:
    before, now, grids, valid = [], [], [], []
    for pair in pairs:
        height, width = pair.seen.shape
        top = int(torch.randint(height - side + 1, (), generator=generator))
        left = int(torch.randint(width - side + 1, (), generator=generator))
        rows, columns = slice(top, top + side), slice(left, left + side)
        before.append(pair.before[:, rows, columns])
        now.append(pair.now[:, rows, columns])
        grid = (torch.stack([pair.x[rows, columns] - left, pair.y[rows, columns] - top], -1) + 0.5) * 2 / side - 1
        grids.append(grid)
        valid.append(pair.seen[rows, columns] & (grid.abs() <= 1 - 2 / side).all(-1))
    return torch.stack(before), torch.stack(now), Motion(torch.stack(grids), torch.stack(valid).float()[:, None])
