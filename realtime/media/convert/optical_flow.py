"""Optical flow between two frames of a clip, and which of it can be trusted: for measuring flicker and painting clips.

Flow is DIS (Kroeger et al. 2016, arXiv 1603.03590) as OpenCV has it; the forward-backward check is that of Sundaram et
al. 2010, with the constants that Lai et al. 2018 (arXiv 1808.00449) and later work on temporal consistency use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.media import opencv

STILL = 0.2
"""Pixels that move by less than so many pixels count as not moving."""

EXPLAINED = 0.3
"""Share of a frame that the flow must account for; less is a cut, or motion that the flow has lost."""

_UNLIKE = 32
"""Codes of luma by which a pixel and what it was differ too much to be the same thing."""


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Where each pixel of a frame was in the frame before.

    Attributes:
        x, y: (H, W) float32, columns and rows in the frame before.
        seen: (H, W) bool, whether the pixel was in sight there: not hidden and not outside.
        still: (H, W) bool, seen and not moving.
    """

    x: np.ndarray
    y: np.ndarray
    seen: np.ndarray
    still: np.ndarray

    def warp(self, before: np.ndarray) -> np.ndarray:
        """The frame before, moved to where this one is.

        Args:
            before: (H, W) or (H, W, C), uint8 or float32.

        Returns:
            The same shape and type, interpolated linearly; worth nothing where not `seen`.
        """
        cv2 = opencv.load()

        warped: np.ndarray = cv2.remap(before, self.x, self.y, cv2.INTER_LINEAR)
        return warped


def is_cut(flow: Flow, before: np.ndarray, now: np.ndarray) -> bool:
    """Whether a frame shows another scene than the one before.

    It does where little of it is in sight there and looks the same. (The check both ways alone is not enough: flat
    areas of unlike scenes have a flow of nothing, there and back.)

    Args:
        flow: from `now` back to `before`.
        before, now: (H, W) uint8.
    """
    unlike = np.abs(flow.warp(before).astype(np.int16) - now) > _UNLIKE
    return bool((flow.seen & ~unlike).mean() < EXPLAINED)


def gray(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB as (H, W) uint8 luma (BT.601), what `FlowEstimator` wants."""
    cv2 = opencv.load()

    out: np.ndarray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return out


def check_both_ways(backward: np.ndarray, forward: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which of a flow can be trusted: there and back again must lead to where it began.

    Args:
        backward: (H, W, 2) float32, from a frame to the one before, (x, y) in pixels.
        forward: the same from the frame before to this one.

    Returns:
        x, y, seen and still, as `Flow` has them.
    """
    cv2 = opencv.load()

    height, width = backward.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + backward[..., 0], rows + backward[..., 1]
    there = cv2.remap(forward, x, y, cv2.INTER_LINEAR)
    length = (backward**2).sum(2)
    astray = ((there + backward) ** 2).sum(2) > 0.01 * ((there**2).sum(2) + length) + 0.5
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    seen = inside & ~astray
    return x, y, seen, seen & (length < STILL**2)


class FlowEstimator:
    """DIS optical flow with a forward-backward check."""

    def __init__(self) -> None:
        cv2 = opencv.load()
        self._dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def between(self, before: np.ndarray, now: np.ndarray) -> Flow:
        """The flow from a frame back to the one before.

        Args:
            before, now: (H, W) uint8, of the same size, at least 16 pixels on each side.

        Raises:
            ValueError: the sizes differ, or are too small.
        """
        if before.shape != now.shape or min(now.shape) < 16:
            raise ValueError(f"flow needs frames of one size, 16 pixels or more, not {before.shape} and {now.shape}")
        backward, forward = self._dis.calc(now, before, None), self._dis.calc(before, now, None)
        return Flow(*check_both_ways(backward, forward))
