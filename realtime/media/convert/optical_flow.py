"""Optical flow between two frames of a clip, and where it can be trusted.

Flow is OpenCV's DIS (Kroeger et al. 2016, arXiv 1603.03590); the forward-backward check is that of Sundaram et al.
2010, with the constants of Lai et al. 2018 (arXiv 1808.00449) and later work on temporal consistency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.media import opencv

STILL = 0.2
"""Pixels that move by less than this, in pixels, do not count as moving."""

EXPLAINED = 0.3
"""Share of a frame that the flow must explain; less is a cut, or motion that the flow has lost."""

_UNLIKE = 32
"""Difference in 8-bit luma codes at which a pixel and the one before do not show the same thing."""


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Where each pixel of a frame was in the frame before."""

    x: np.ndarray  # (H, W) float32: its column there
    y: np.ndarray  # (H, W) float32: its row there
    seen: np.ndarray  # (H, W) bool: whether it was visible there, not hidden and not outside
    still: np.ndarray  # (H, W) bool: whether it was visible and has not moved

    def warp(self, before: np.ndarray) -> np.ndarray:
        """Move the frame before to the position of this one.

        Args:
            before: (H, W) or (H, W, C), uint8 or float32.

        Returns:
            the same shape and type, interpolated linearly; meaningless where not `seen`.
        """
        cv2 = opencv.load()
        warped: np.ndarray = cv2.remap(before, self.x, self.y, cv2.INTER_LINEAR)
        return warped


def is_cut(flow: Flow, before: np.ndarray, now: np.ndarray) -> bool:
    """Whether a frame shows another scene than the one before.

    That is so where little of it was visible there and looks the same. (The forward-backward check alone is not enough:
    flat areas of different scenes have no flow in either direction.)

    Args:
        flow: from `now` back to `before`.
        before, now: (H, W) uint8.
    """
    unlike = np.abs(flow.warp(before).astype(np.int16) - now) > _UNLIKE
    return bool((flow.seen & ~unlike).mean() < EXPLAINED)


def gray(rgb: np.ndarray) -> np.ndarray:
    """Convert (H, W, 3) uint8 RGB to (H, W) uint8 luma (BT.601), for `FlowEstimator`."""
    cv2 = opencv.load()
    out: np.ndarray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return out


def check_both_ways(backward: np.ndarray, forward: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find where a flow can be trusted: backward and then forward must lead to the starting point.

    Args:
        backward: (H, W, 2) float32, from a frame to the one before, (x, y) in pixels.
        forward: the same from the frame before to this one.

    Returns:
        x, y, seen and still of `Flow`.
    """
    cv2 = opencv.load()
    height, width = backward.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + backward[..., 0], rows + backward[..., 1]
    there = cv2.remap(forward, x, y, cv2.INTER_LINEAR)
    length = (backward**2).sum(2)
    inconsistent = ((there + backward) ** 2).sum(2) > 0.01 * ((there**2).sum(2) + length) + 0.5
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    seen = inside & ~inconsistent
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
