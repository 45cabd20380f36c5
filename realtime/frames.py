"""Frames: pictures as 8-bit 4:2:0 planes, the form in which codecs store them, with their time and colour tags.

Media and networks exchange these and nothing else. No PyAV and no torch here.
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

MAX_SIDE = 16384
"""Longest side of a picture in pixels."""


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How the codes in the planes stand for colours.

    Attributes:
        matrix: the Y'CbCr matrix in use; guessed where the source does not tell (see `guess_matrix`).
        range: "limited" (luma 16..235, chroma 16..240) or "full" (0..255).
        space, primaries, transfer: the source's ITU-T H.273 codes, copied to the output (2 = unspecified).
        chroma_location: FFmpeg's AVChromaLocation (0 = unspecified, 1 = left, 2 = center, 3 = topleft).
    """

    matrix: Matrix = "bt709"
    range: Range = "limited"
    space: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    chroma_location: int = 0


def guess_matrix(space: int, height: int) -> Matrix:
    """The Y'CbCr matrix of an H.273 matrix code; where unspecified, the one that players assume for the height.

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
        y: luma, (H, W) uint8. May be a strided view of a decoder's buffer: never write to it.
        u, v: chroma, (ceil(H/2), ceil(W/2)) uint8.
        pts: presentation time in units of `time_base`.
        duration: in units of `time_base`; 0 where unknown.
        time_base: seconds per unit.
        color: colour tags.
        origin: where the picture's upper left pixel lies on the texture plane, (down, right) in luma pixels; see
            `realtime.transnet.texture`.
    """

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    pts: int = 0
    duration: int = 0
    time_base: Fraction = Fraction(1, 1000)
    color: ColorTags = field(default_factory=ColorTags)
    origin: tuple[float, float] = (0.0, 0.0)

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
        """A frame with other planes, and the same time and colour tags."""
        return replace(self, y=y, u=u, v=v)

    def at(self, origin: tuple[float, float]) -> Frame:
        """The same picture at another place of the texture plane."""
        return replace(self, origin=origin)

    def fits_with(self, other: Frame) -> bool:
        """Whether both have the same size, matrix and range."""
        return (
            (self.height, self.width) == (other.height, other.width)
            and self.color.matrix == other.color.matrix
            and self.color.range == other.color.range
        )

    def batches_with(self, other: Frame) -> bool:
        """Whether both can be in one batch: they fit, and are in the same kind of memory."""
        return type(self) is type(other) and self.fits_with(other)


class DevicePlane(Protocol):
    """A plane in a device's memory that can be read by DLPack: from a decoder, or a tensor of a network.

    Planes of decoders take no stream: wait for the decoder before reading.
    """

    def __dlpack__(self, *, stream: int | None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...


Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


class SurfaceFrame(Frame):
    """A frame in a device's memory as NV12: luma, and chroma with U and V interleaved.

    It can be used like any frame: `y`, `u` and `v` are copied from the device at their first use. Code that works on
    the device uses `luma` and `chroma` instead.

    Attributes:
        luma: (H, W) uint8 with the line pitch of the device; H and W are even. When the frame is handed on, it is
            complete, or the work that completes it is in the device's default stream.
        chroma: (H/2, W/2, 2) uint8: U, V.
        owner: an object that must live as long as the planes: a decoder reuses the memory of a picture that is freed.
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
        origin: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Make a frame of size (width, height); `fetch` copies the planes to the CPU and returns Y, U and V."""
        self.luma, self.chroma, self.owner = luma, chroma, owner
        self._size, self._fetch = size, fetch
        self._host: Planes | None = None
        self.pts, self.duration, self.time_base = pts, duration, time_base
        self.color = color or ColorTags()
        self.origin = origin

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
        """Whether the planes have been copied to the CPU."""
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
        """A frame with planes on the CPU, and the same time and colour tags."""
        return Frame(y, u, v, self.pts, self.duration, self.time_base, self.color, self.origin)

    def at(self, origin: tuple[float, float]) -> SurfaceFrame:
        """See `Frame.at`."""
        return SurfaceFrame(
            self.luma,
            self.chroma,
            size=self._size,
            fetch=self._planes,
            owner=self.owner,
            pts=self.pts,
            duration=self.duration,
            time_base=self.time_base,
            color=self.color,
            origin=origin,
        )


def chroma_shape(height: int, width: int) -> tuple[int, int]:
    """(H, W) of the chroma planes of an H x W picture in 4:2:0: half of each, rounded up."""
    return -(-height // 2), -(-width // 2)
