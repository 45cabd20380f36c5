"""HDR (PQ and HLG) to SDR: tone and gamut mapping as one table of colours, applied by FFmpeg's filter lut3d.

The light of a reference display (SMPTE ST 2084; ITU-R BT.2100 for HLG at 1000 cd/m2) is compressed by the curve of
ITU-R BT.2390, so that its peak becomes SDR's white, which stands for HDR's diffuse white of 203 cd/m2 (BT.2408). The
curve is applied to the largest of red, green and blue, so that hues stay. Colours outside of BT.709 are mixed with gray
of the same luminance until they fit.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from realtime.frames import ColorTags
from realtime.media.convert.filters import filter_graph
from realtime.media.convert.reformat import AV_RANGE, SWS_SPACE

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Kind = Literal["PQ", "HLG"]

SDR = ColorTags("bt709", "limited", 1, 1, 1, 1)
"""Colour tags of the result."""

_TRANSFERS: dict[int, Kind] = {16: "PQ", 18: "HLG"}
_PEAK = 1000.0
_WHITE = 203.0
_SIDE = 49
_WORK_FORMAT = "gbrp12le"
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_LUMA_709 = np.array([0.2126, 0.7152, 0.0722])
_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)


def hdr_kind(transfer: int) -> Kind | None:
    """The HDR of a transfer characteristic (ITU-T H.273 code); None for SDR."""
    return _TRANSFERS.get(transfer)


def to_light(code: np.ndarray, kind: Kind) -> np.ndarray:
    """Linear light of the display in cd/m2 for (..., 3) R'G'B' of BT.2020 in 0..1."""
    if kind == "PQ":
        return pq_to_light(code)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    luminance = scene @ _LUMA_2020
    return np.asarray(_PEAK * scene * np.maximum(luminance, 1e-9)[..., None] ** 0.2)


def pq_to_light(code: np.ndarray) -> np.ndarray:
    """Light in cd/m2 of PQ codes in 0..1 (SMPTE ST 2084)."""
    power = np.clip(code, 0, 1) ** (1 / 78.84375)
    return np.asarray(
        1e4 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    )


def light_to_pq(light: np.ndarray | float) -> np.ndarray:
    """PQ codes in 0..1 of light in cd/m2; the inverse of `pq_to_light`."""
    power = np.clip(np.asarray(light) / 1e4, 0, 1) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def compress(light: np.ndarray) -> np.ndarray:
    """Compress light of up to 1000 cd/m2 to 203 cd/m2 (BT.2390, section 5.4.1, without a lift of black)."""
    top = float(light_to_pq(_PEAK))
    goal = float(light_to_pq(_WHITE)) / top
    e = np.minimum(light_to_pq(light) / top, 1)
    knee = 1.5 * goal - 0.5
    t = (e - knee) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * goal
    return pq_to_light(np.where(e < knee, e, curve) * top)


def to_sdr(code: np.ndarray, kind: Kind) -> np.ndarray:
    """Convert (..., 3) R'G'B' of BT.2020 in 0..1 to R'G'B' of BT.709 in 0..1, for a display of BT.1886."""
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
        width, height: size of the results.
    """

    def __init__(self, kind: Kind, width: int, height: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._size = width, height
        self._table: str | None = _write_table(kind)
        self._graph: Any = None
        self._shape: tuple[int, int] | None = None
        self._to_rgb, self._from_rgb = VideoReformatter(), VideoReformatter()

    def close(self) -> None:
        """Remove the table's file."""
        if self._table is not None:
            os.unlink(self._table)
            self._table = None

    def convert(self, picture: VideoFrame, *, full_range: bool) -> VideoFrame:
        """Convert a picture of any size to yuv420p of the size of the results."""
        from av.video.reformatter import Interpolation

        rgb: Any = self._to_rgb.reformat(
            picture,
            format=_WORK_FORMAT,
            src_colorspace=SWS_SPACE["bt2020"],
            src_color_range=AV_RANGE["full" if full_range else "limited"],
            dst_color_range=AV_RANGE["full"],
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
            threads=1,
        )
        if (rgb.width, rgb.height) != self._shape:
            self._graph = filter_graph(rgb, "lut3d", file=self._table, interp="tetrahedral")
            self._shape = (rgb.width, rgb.height)
        rgb.pts = 0
        self._graph.push(rgb)
        result: VideoFrame = self._from_rgb.reformat(
            self._graph.pull(),
            *self._size,
            "yuv420p",
            dst_colorspace=SWS_SPACE["bt709"],
            src_color_range=AV_RANGE["full"],
            dst_color_range=AV_RANGE["limited"],
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            threads=1,
        )
        return result


def _write_table(kind: Kind) -> str:
    """Write the conversion as a .cube file of `_SIDE` steps a colour, and return its name."""
    axis = np.linspace(0, 1, _SIDE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red varies fastest
    colours = to_sdr(np.stack([red, green, blue], -1), kind).reshape(-1, 3)
    handle, name = tempfile.mkstemp(prefix="restyle-", suffix=".cube")
    with os.fdopen(handle, "w") as file:
        file.write(f"LUT_3D_SIZE {_SIDE}\n")
        np.savetxt(file, colours, "%.6f")
    return name
