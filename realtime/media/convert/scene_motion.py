"""Where each frame of a film lies on the texture plane: the plane goes with the scene and not with the screen.

The plane is shifted by the camera's motion, one translation a frame (`realtime.media.convert.translation`). It stays
still while the camera does, and returns to where it began at a cut. Positions are whole numbers of `UNITS`, and the
motion between two successive frames depends on these two alone. So the motions of a film's parts add up exactly to that
of the film.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from realtime.frames import Frame, Matrix, Range
from realtime.media.convert.translation import MIN_SIDE, Picture, Translation, translation

UNITS = 64
"""Positions that are told apart in a luma pixel."""

_LONG_SIDE = 256
"""Pixels on the long side of the small luma, at most; a narrow frame may have more."""

LumaSums = Callable[[Frame, int], np.ndarray]
"""Sums of a frame's luma over squares: see `luma_sums`."""


@dataclass(frozen=True, slots=True)
class Travel:
    """How far the origin on the texture plane goes over some successive frames.

    Attributes:
        down, right: in 1/64 luma pixels.
        since_cut: there was a cut: counted from there, whatever came before.
    """

    down: int = 0
    right: int = 0
    since_cut: bool = False

    def then(self, later: Travel) -> Travel:
        """This and what comes after it."""
        if later.since_cut:
            return later
        return Travel(self.down + later.down, self.right + later.right, self.since_cut)

    @property
    def origin(self) -> tuple[float, float]:
        """The place of a frame that is this far from (0, 0); see `Frame.origin`."""
        return self.down / UNITS, self.right / UNITS


def luma_sums(frame: Frame, side: int) -> np.ndarray:
    """Sums of the luma over squares.

    Args:
        frame: at least `side` pixels high and wide.
        side: of the squares in pixels, at most 256; rows and columns that fill none are left out.

    Returns:
        (H // side, W // side) uint32.
    """
    height, width = frame.height // side * side, frame.width // side * side
    luma = frame.y[:height, :width]
    rows = luma[0::side].astype(np.uint16)
    for row in range(1, side):
        rows += luma[row::side]
    sums = rows[:, 0::side].astype(np.uint32)
    for column in range(1, side):
        sums += rows[:, column::side]
    return sums


class SceneMotion:
    """Gives each frame its place on the texture plane. It is called with all frames of a film, in order of time.

    Args:
        start: how far the frames before the first have gone.
        sums: how the small luma is computed, for frames in a device's memory; its results must be those of `luma_sums`.

    Attributes:
        travel: how far the frames have gone so far, from the beginning of the film or from the last cut.
    """

    def __init__(self, start: Travel = Travel(), sums: LumaSums = luma_sums) -> None:
        self.travel = start
        self._sums = sums
        self._last: tuple[_Kind, Picture] | None = None

    def __call__(self, frame: Frame) -> Frame:
        """The next frame, at its place: `frame.at(origin)`.

        A frame of another size, matrix or range than the one before begins anew at (0, 0). Frames less than 64 pixels
        high or wide show too little, and all lie there.
        """
        height, width = frame.height, frame.width
        if min(height, width) < MIN_SIDE:
            self.travel, self._last = Travel(since_cut=True), None
            return frame.at(self.travel.origin)
        side = max(1, min(-(-max(height, width) // _LONG_SIDE), min(height, width) // MIN_SIDE))
        picture = Picture(self._sums(frame, side).astype(np.float32) / np.float32(side**2))
        kind = height, width, frame.color.matrix, frame.color.range
        if self._last is not None:
            last, before = self._last
            step = _step(translation(before, picture), side) if last == kind else Travel(since_cut=True)
            self.travel = self.travel.then(step)
        self._last = kind, picture
        return frame.at(self.travel.origin)


_Kind = tuple[int, int, Matrix, Range]


def _step(moved: Translation, side: int) -> Travel:
    """What the origin does when the content moves: the plane goes with it, so the origin goes the other way."""
    down, right = (-round(shift * side * UNITS) for shift in (moved.down, moved.right))
    return Travel(down, right, moved.is_cut)
