"""Pairs of frames of real clips with the optical flow between them, for the temporal loss.

For those who have footage like what they will restyle: its noise, its blur and its motion are the real ones, which
synthetic motion (realtime.training.motion) only imitates; its flow is an estimate, which there is exact.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from realtime.errors import InputError, RestyleError
from realtime.media.convert.optical_flow import EXPLAINED
from realtime.training.motion import Motion

FlowMethod = Literal["dis", "raft"]

SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".ts", ".mpg", ".mpeg"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two neighbouring frames.

    Attributes:
        before, now: (3, H, W) uint8 RGB.
        x, y: (H, W) fp32, columns and rows in `before` of what is seen in `now`.
        seen: (H, W) bool, whether it was in sight there.
    """

    before: Tensor
    now: Tensor
    x: Tensor
    y: Tensor
    seen: Tensor


FlowBetween = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""(H, W, 3) uint8 frames before and now -> x, y (H, W) float32 and seen (H, W) bool, as in `Pair`."""


def dis_flow() -> FlowBetween:
    """DIS (Kroeger et al. 2016), as OpenCV has it; see realtime.media.convert.optical_flow."""
    from realtime.media.convert.optical_flow import FlowEstimator, gray

    estimator = FlowEstimator()

    def between(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flow = estimator.between(gray(before), gray(now))
        return flow.x, flow.y, flow.seen

    return between


def raft_flow(network: torch.nn.Module | None = None) -> FlowBetween:
    """RAFT (Teed & Deng 2020, arXiv 2003.12039), the small one of torchvision, with a forward-backward check.

    Args:
        network: takes and gives what torchvision's RAFT does; None loads torchvision's, with its weights.

    Raises:
        InputError: the weights cannot be had.
    """
    if network is None:
        from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

        try:
            network = raft_small(weights=Raft_Small_Weights.C_T_V2)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"torchvision's RAFT weights cannot be had ({error}); use DIS, or put the weights into"
                f" {torch.hub.get_dir()}/checkpoints"
            ) from None
    raft = network.eval()

    @torch.no_grad()
    def between(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from realtime.media.convert.optical_flow import check_both_ways

        frames = torch.from_numpy(np.stack([before, now])).permute(0, 3, 1, 2).float() / 127.5 - 1
        height, width = frames.shape[2:]
        pad = (0, -width % 8, 0, -height % 8)
        frames = torch.nn.functional.pad(frames, pad, mode="replicate")
        flows = raft(frames.flip(0), frames)[-1][:, :, :height, :width]  # now -> before, before -> now
        backward, forward = (flow.permute(1, 2, 0).contiguous().numpy() for flow in flows)
        return check_both_ways(backward, forward)[:3]

    return between


def find_clips(folder: Path) -> list[Path]:
    """All clips below a folder, sorted by name.

    Raises:
        InputError: there is no such folder, or no clip in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of clips")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{folder}: no clips in this folder ({', '.join(sorted(SUFFIXES))})")
    return found


def read_pairs(path: Path, count: int, short_side: int, flow: FlowBetween) -> list[Pair]:
    """Pairs of neighbouring frames, spread over the first 20 seconds or so of a clip.

    Args:
        path: the clip.
        count: of pairs, at most.
        short_side: of the frames in pixels, as they are kept.
        flow: between two frames.

    Raises:
        MediaError: the clip cannot be read.
    """
    from realtime.media.convert.rgb import rgb_from_frame
    from realtime.media.files.reader import VideoReader

    step = 8  # neighbouring pairs show the same; every eighth is new enough
    pairs: list[Pair] = []
    with VideoReader(path) as reader:
        frames = islice(iter(reader), count * step + 1)
        for n, (a, b) in enumerate(pairwise(frames)):
            if n % step:
                continue
            before, now = (
                TF.resize(torch.from_numpy(rgb_from_frame(f)).permute(2, 0, 1), [short_side], antialias=True)
                for f in (a, b)
            )
            if before.shape != now.shape:
                continue
            x, y, seen = flow(*(np.ascontiguousarray(f.permute(1, 2, 0).numpy()) for f in (before, now)))
            if seen.mean() > EXPLAINED:  # less is a cut, or motion that the flow has lost
                pairs.append(Pair(before, now, *(torch.from_numpy(np.ascontiguousarray(v)) for v in (x, y, seen))))
    return pairs


class Clips:
    """Pairs of all clips of a folder, kept in memory, and random crops of them.

    Args:
        folder: searched to the bottom; clips that cannot be read are reported and left out.
        side: of the crops in pixels.
        pairs: at most, of all clips together; a pair costs some 1.6 MB at 240 px.
        flow: how the motion is estimated.

    Raises:
        InputError: no clip can be used, or RAFT's weights cannot be had.
    """

    def __init__(self, folder: Path, *, side: int, pairs: int = 192, flow: FlowMethod = "dis") -> None:
        clips = find_clips(folder)
        between = dis_flow() if flow == "dis" else raft_flow()
        each = max(1, pairs // len(clips))
        self.side = side
        self.pairs: list[Pair] = []
        for path in clips:
            try:
                self.pairs += read_pairs(path, each, round(side * 1.15), between)
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
