"""Frames: pictures in the codec's own form (8-bit 4:2:0 planes) with their time and colour tags.

This is the one thing that media and networks share. Nothing here knows PyAV or torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, Protocol

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
        """Whether both are of the same size and mean their numbers in the same way."""
        return (
            (self.height, self.width) == (other.height, other.width)
            and self.color.matrix == other.color.matrix
            and self.color.range == other.color.range
        )

    def batches_with(self, other: Frame) -> bool:
        """Whether both can go through a network in one batch: they fit, and lie in the same kind of memory."""
        return type(self) is type(other) and self.fits_with(other)


class DevicePlane(Protocol):
    """A plane in some device's memory, to be taken by DLPack: a decoder's, or a network's tensor."""

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        """A capsule of the plane. Decoders' planes take no stream: whoever reads waits for the decoder first."""
        ...

    def __dlpack_device__(self) -> tuple[int, int]:
        """(kind, index): 1 is the CPU, 2 CUDA."""
        ...


Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


class SurfaceFrame(Frame):
    """A frame that lies in a device's memory as NV12: luma, and chroma with U and V side by side.

    It serves everywhere as a frame does: `y`, `u` and `v` are fetched from the device when somebody first looks at
    them. What works on the device takes `luma` and `chroma` and leaves those alone.

    Attributes:
        luma: (H, W) uint8, lines as far apart as the device likes it; H and W are even. It is complete, or what
            completes it lies in the device's default stream, when the frame is handed on.
        chroma: (H/2, W/2, 2) uint8: U, V.
        owner: kept for as long as the planes are needed. A decoder would paint its next picture there otherwise.
    """

    __slots__ = ("_fetch", "_host", "_size", "chroma", "luma", "owner")

    def __init__(
        self,
        luma: DevicePlane,
        chroma: DevicePlane,
        *,
        size: tuple[int, int],
        fetch: Callable[[], Planes],
        owner: object = None,
        pts: int = 0,
        duration: int = 0,
        time_base: Fraction = Fraction(1, 1000),
        color: ColorTags | None = None,
    ) -> None:
        """Describe a surface.

        Args:
            luma, chroma, owner: see above.
            size: (width, height) in pixels.
            fetch: copies the planes to the CPU: Y, U and V as in `Frame`.
            pts, duration, time_base, color: see `Frame`.
        """
        self.luma, self.chroma, self.owner = luma, chroma, owner
        self._size, self._fetch = size, fetch
        self._host: Planes | None = None
        self.pts, self.duration, self.time_base = pts, duration, time_base
        self.color = color or ColorTags()

    def _planes(self) -> Planes:
        if self._host is None:
            self._host = self._fetch()
        return self._host

    @property
    def y(self) -> np.ndarray:  # type: ignore[override]
        return self._planes()[0]

    @property
    def u(self) -> np.ndarray:  # type: ignore[override]
        return self._planes()[1]

    @property
    def v(self) -> np.ndarray:  # type: ignore[override]
        return self._planes()[2]

    @property
    def fetched(self) -> bool:
        """Whether somebody has looked at the planes on the CPU."""
        return self._host is not None

    @property
    def height(self) -> int:
        return self._size[1]

    @property
    def width(self) -> int:
        return self._size[0]

    def __repr__(self) -> str:
        return f"SurfaceFrame({self.width}x{self.height}, pts={self.pts})"

    def with_planes(self, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> Frame:
        """A frame of the same time and colour tags with planes on the CPU."""
        return Frame(y, u, v, self.pts, self.duration, self.time_base, self.color)


def chroma_shape(height: int, width: int) -> tuple[int, int]:
    """(H, W) of the chroma planes of an H x W picture in 4:2:0: half, rounded up."""
    return -(-height // 2), -(-width // 2)
