"""HDR (PQ and HLG) made SDR: tone and gamut mapping as one table of colours, applied by FFmpeg's lut3d.

The light that a reference display shows (SMPTE ST 2084; ITU-R BT.2100 for HLG at 1000 cd/m2) is compressed by the curve
of ITU-R BT.2390 until its peak meets SDR's white, which stands for HDR's diffuse white of 203 cd/m2 (BT.2408). It is
applied to the largest of red, green and blue, so that hues stay. What lies outside of BT.709 is brought in by mixing
with gray of the same luminance.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from realtime.errors import MediaError
from realtime.frames import ColorTags

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Kind = Literal["PQ", "HLG"]

SDR = ColorTags("bt709", "limited", 1, 1, 1, 1)
"""What comes out."""

_TRANSFERS: dict[int, Kind] = {16: "PQ", 18: "HLG"}
_PEAK = 1000.0
_WHITE = 203.0
_SIDE = 49
_WORK_FORMAT = "gbrp12le"
_SWS_BT2020, _SWS_BT709 = 9, 1
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_LUMA_709 = np.array([0.2126, 0.7152, 0.0722])
_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)


def hdr_kind(transfer: int) -> Kind | None:
    """Which HDR a transfer characteristic (ITU-T H.273 code) means; None for SDR."""
    return _TRANSFERS.get(transfer)


def to_light(code: np.ndarray, kind: Kind) -> np.ndarray:
    """R'G'B' of BT.2020 in 0..1, (..., 3), as linear light of the display in cd/m2."""
    if kind == "PQ":
        return pq_to_light(code)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    luminance = scene @ _LUMA_2020
    return np.asarray(_PEAK * scene * np.maximum(luminance, 1e-9)[..., None] ** 0.2)


def pq_to_light(code: np.ndarray) -> np.ndarray:
    """PQ codes in 0..1 as cd/m2 (SMPTE ST 2084)."""
    power = np.clip(code, 0, 1) ** (1 / 78.84375)
    return np.asarray(
        1e4 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    )


def light_to_pq(light: np.ndarray | float) -> np.ndarray:
    """The inverse of `pq_to_light`."""
    power = np.clip(np.asarray(light) / 1e4, 0, 1) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def compress(light: np.ndarray) -> np.ndarray:
    """Light up to 1000 cd/m2 as light up to 203 cd/m2 (BT.2390, section 5.4.1, without a lift of black)."""
    top = float(light_to_pq(_PEAK))
    goal = float(light_to_pq(_WHITE)) / top
    e = np.minimum(light_to_pq(light) / top, 1)
    knee = 1.5 * goal - 0.5
    t = (e - knee) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * goal
    return pq_to_light(np.where(e < knee, e, curve) * top)


def to_sdr(code: np.ndarray, kind: Kind) -> np.ndarray:
    """Colours of an HDR picture as SDR shows them.

    Args:
        code: (..., 3) R'G'B' of BT.2020 in 0..1.
        kind: how they are coded.

    Returns:
        (..., 3) R'G'B' of BT.709 in 0..1, for a display of BT.1886.
    """
    light = to_light(code, kind)
    largest = light.max(-1, keepdims=True)
    light = light * (compress(largest) / np.maximum(largest, 1e-9)) / _WHITE
    rgb = light @ _TO_709.T
    gray = np.clip(rgb @ _LUMA_709, 0, 1)[..., None]
    # How far towards gray: until nothing is below 0 or above 1.
    low, high = rgb.min(-1, keepdims=True), rgb.max(-1, keepdims=True)
    tiny = 1e-9
    share = np.maximum(
        np.where(low < 0, -low / np.maximum(gray - low, tiny), 0),
        np.where(high > 1, (high - 1) / np.maximum(high - gray, tiny), 0),
    )
    rgb = rgb + np.clip(share, 0, 1) * (gray - rgb)
    return np.asarray(np.clip(rgb, 0, 1) ** (1 / 2.4))


class ToneMapper:
    """Converts HDR pictures to 8-bit 4:2:0 SDR in BT.709, limited range.

    Args:
        kind: PQ or HLG.
        width, height: of what comes out.

    Raises:
        MediaError: this build of FFmpeg has no lut3d filter.
    """

    def __init__(self, kind: Kind, width: int, height: int) -> None:
        from av.filter import filters_available
        from av.video.reformatter import VideoReformatter

        if "lut3d" not in filters_available:
            raise MediaError(f"{kind} cannot be made SDR: this build of FFmpeg has no lut3d filter; use another build")
        self._kind = kind
        self._size = width, height
        self._table = self._write_table()
        self._graph: Any = None
        self._shape: tuple[int, int] | None = None
        self._into, self._out = VideoReformatter(), VideoReformatter()

    def close(self) -> None:
        """Remove the table's file."""
        if self._table is not None:
            os.unlink(self._table)
            self._table = None

    def convert(self, picture: VideoFrame, *, full_range: bool) -> VideoFrame:
        """A picture of any size as yuv420p of the size asked for."""
        from av.video.reformatter import Interpolation

        if (picture.width, picture.height) != self._shape:
            self._open(picture.width, picture.height)
        rgb: Any = self._into.reformat(
            picture,
            format=_WORK_FORMAT,
            src_colorspace=_SWS_BT2020,
            src_color_range=2 if full_range else 1,
            dst_color_range=2,
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
            threads=1,
        )
        rgb.pts = 0
        self._graph.push(rgb)
        mapped = self._graph.pull()
        result: VideoFrame = self._out.reformat(
            mapped,
            *self._size,
            "yuv420p",
            dst_colorspace=_SWS_BT709,
            src_color_range=2,
            dst_color_range=1,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            threads=1,
        )
        return result

    def _open(self, width: int, height: int) -> None:
        from fractions import Fraction

        from av.filter import Graph

        graph: Any = Graph()
        source = graph.add_buffer(width=width, height=height, format=_WORK_FORMAT, time_base=Fraction(1, 25))
        table = graph.add("lut3d", file=self._table, interp="tetrahedral")
        sink = graph.add("buffersink")
        source.link_to(table)
        table.link_to(sink)
        graph.configure()
        self._graph, self._shape = graph, (width, height)

    def _write_table(self) -> str | None:
        axis = np.linspace(0, 1, _SIDE)
        blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red runs fastest
        colours = to_sdr(np.stack([red, green, blue], -1), self._kind).reshape(-1, 3)
        handle, name = tempfile.mkstemp(prefix="restyle-", suffix=".cube")
        with os.fdopen(handle, "w") as file:
            file.write(f"LUT_3D_SIZE {_SIDE}\n")
            np.savetxt(file, colours, "%.6f")
        return name
