"""Frames: pictures in the codec's own form (8-bit 4:2:0 planes) with their time and colour tags.

This is the one thing that media and networks share. Nothing here knows PyAV or torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import numpy as np

Matrix = Literal["bt601", "bt709", "bt2020"]
Range = Literal["limited", "full"]

UNSPECIFIED = 2
"""ITU-T H.273 code for "unspecified"."""


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How the numbers in the planes mean colours.

    Attributes:
        matrix: the Y'CbCr matrix that applies, already resolved where the source does not say (see `guess_matrix`).
        range: "limited" (luma 16..235, chroma 16..240) or "full" (0..255).
        space, primaries, transfer: the source's own ITU-T H.273 codes, carried to the output as they are
            (2 = unspecified).
        chroma_location: FFmpeg's AVChromaLocation (0 = unspecified, 1 = left, 2 = center, 3 = topleft).
    """

    matrix: Matrix = "bt709"
    range: Range = "limited"
    space: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    chroma_location: int = 0


def guess_matrix(space: int, height: int) -> Matrix:
    """The Y'CbCr matrix meant by an H.273 matrix code; where unspecified, what players assume for that height.

    Args:
        space: ITU-T H.273 MatrixCoefficients.
        height: height of the picture in pixels.
    """
    if space == 1:
        return "bt709"
    if space in (4, 5, 6):  # FCC, bt470bg, smpte170m: the same coefficients to within 0.3 %
        return "bt601"
    if space in (9, 10):
        return "bt2020"
    return "bt709" if height >= 720 else "bt601"


_KR_KB: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


def rgb_to_codes(matrix: Matrix, range: Range) -> tuple[np.ndarray, np.ndarray]:
    """The affine map from R'G'B' in 0..1 to 8-bit codes (ITU-R BT.601, BT.709, BT.2020 non-constant luminance).

    Returns:
        (3, 3) float64 `m` and (3,) float64 `t`: codes (Y, U, V) in 0..255 = m @ rgb + t.
    """
    kr, kb = _KR_KB[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    red, _, blue = np.eye(3)
    rows = np.stack([luma, (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))])
    if range == "limited":
        return rows * np.array([[219.0], [224.0], [224.0]]), np.array([16.0, 128.0, 128.0])
    return rows * 255.0, np.array([0.0, 128.0, 128.0])


@dataclass(slots=True)
class Frame:
    """One picture as 8-bit 4:2:0 planes, with its time.

    Attributes:
        y: luma, (H, W) uint8. May be a strided view of a decoder's buffer: read it, never write to it.
        u, v: chroma, (ceil(H/2), ceil(W/2)) uint8.
        pts: presentation time in units of `time_base`.
        duration: in units of `time_base`; 0 where unknown.
        time_base: seconds per unit.
        color: how the numbers mean colours.
    """

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    pts: int = 0
    duration: int = 0
    time_base: Fraction = Fraction(1, 1000)
    color: ColorTags = field(default_factory=ColorTags)

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def time(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)

    def with_planes(self, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> Frame:
        """A frame of the same time and colour tags with other planes."""
        return replace(self, y=y, u=u, v=v)

    def fits_with(self, other: Frame) -> bool:
        """Whether both can go through a network in one batch: the same size and the same meaning of the numbers."""
        return (
            self.y.shape == other.y.shape
            and self.color.matrix == other.color.matrix
            and self.color.range == other.color.range
        )


def chroma_shape(height: int, width: int) -> tuple[int, int]:
    """(H, W) of the chroma planes of an H x W picture in 4:2:0: half, rounded up."""
    return -(-height // 2), -(-width // 2)
