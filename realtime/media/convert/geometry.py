"""Rotation and pixel aspect: stored where the container can, else applied to the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from realtime.frames import Frame
from realtime.media.convert.planes import scale


@dataclass(frozen=True, slots=True)
class Shape:
    """How pictures are stored in a file."""

    width: int  # in the file
    height: int
    aspect: Fraction | None  # pixel aspect to store
    matrix: tuple[int, ...] | None  # display matrix to store
    stretch: tuple[int, int] | None = None  # (width, height) to scale to, first
    transposed: bool = False  # whether rows become columns, second
    mirrored: bool = False  # whether left and right are exchanged, third
    flipped: bool = False  # whether top and bottom are exchanged
    notes: tuple[str, ...] = ()  # what is done, in words

    def apply(self, frame: Frame) -> Frame:
        """The frame as it is stored; itself where nothing is to be changed."""
        if self.stretch is not None:
            frame = scale(frame, *self.stretch)
        if not (self.transposed or self.mirrored or self.flipped):
            return frame
        return frame.with_planes(*(self._turned(plane) for plane in (frame.y, frame.u, frame.v)))

    def _turned(self, plane: np.ndarray) -> np.ndarray:
        plane = plane.T if self.transposed else plane
        return plane[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]


def shape(
    width: int,
    height: int,
    aspect: Fraction | None,
    matrix: tuple[int, ...] | None,
    *,
    suffix: str,
    keeps_rotation: bool,
    keeps_mirroring: bool,
    keeps_aspect: bool,
) -> Shape:
    """How pictures are to be stored in a file.

    Args:
        width, height: of the pictures.
        aspect: width of their pixels over the height; None for square or unknown.
        matrix: nine integers of a display matrix (see `probe.display_matrix`); None for none.
        suffix: of the file, for the notes.
        keeps_rotation, keeps_mirroring, keeps_aspect: what the file can store.
    """
    notes = []
    stretch = None
    if aspect is not None and aspect != 1 and not keeps_aspect:
        stretch = (_even(width * aspect), height) if aspect > 1 else (width, _even(height / aspect))
        notes.append(
            f"{suffix} cannot store the pixel aspect {aspect}: {width}x{height} became {stretch[0]}x{stretch[1]}"
        )
        width, height = stretch
        aspect = None
    transposed = mirrored = flipped = False
    if matrix is not None and not (keeps_mirroring if is_mirrored(matrix) else keeps_rotation):
        turned = _quarters(matrix)
        if turned is None:
            notes.append(f"{suffix} cannot store a rotation that is no multiple of 90 degrees: it was left out")
        else:
            transposed, mirrored, flipped = turned
            how = "mirrored" if is_mirrored(matrix) else "turned"
            notes.append(f"{suffix} cannot store how a player turns the picture: the pictures were {how} upright")
        matrix = None
    if transposed:
        width, height = height, width
        aspect = None if aspect is None else 1 / aspect
    return Shape(width, height, aspect, matrix, stretch, transposed, mirrored, flipped, tuple(notes))


def is_mirrored(matrix: tuple[int, ...]) -> bool:
    """Whether a display matrix mirrors a picture."""
    return matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0


def _quarters(matrix: tuple[int, ...]) -> tuple[bool, bool, bool] | None:
    """(transposed, mirrored, flipped) of a display matrix; None where it does anything else.

    A point (x, y) of the picture is shown at (a x + c y, b x + d y).
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if not b and not c and a and d:
        return False, a < 0, d < 0
    if not a and not d and b and c:
        return True, c < 0, b < 0
    return None


def _even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))
