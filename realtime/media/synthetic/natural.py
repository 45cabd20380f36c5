"""A clip of noise that codecs find as hard as film, for `restyle bench` and for tests.

Photographs have a spectrum that falls with the square of the frequency, edges where one thing hides another, and the
noise of a sensor; film adds the motion of the camera and of things. A cartoon is easier to encode, white noise harder:
a benchmark on either tells little. Nothing here needs OpenCV.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from realtime.frames import ColorTags, Frame
from realtime.media.convert.views import fill
from realtime.media.synthetic.encoding import h264_clip

_SEED = 1963
_GRAIN = 1.0
"""Standard deviation of the sensor's noise, in 8-bit codes."""
_COLOR = ColorTags("bt709", "limited", 1, 1, 1)


def write_natural_clip(
    path: str | os.PathLike[str], *, frames: int = 240, size: tuple[int, int] = (640, 360), fps: int = 30
) -> None:
    """Write the clip: H.264 by x264's defaults and no sound, in the container that the extension names.

    Args:
        path: the file to make; replaced where it exists.
        frames: how many; a frame of some number is the same whatever the length.
        size: (width, height) in pixels, even numbers.
        fps: frames per second.
    """
    import av

    with h264_clip(path, size, fps) as (container, video):
        for frame in natural_frames(frames, size=size, fps=fps):
            picture = av.VideoFrame(*size, "yuv420p")
            fill(picture, (frame.y, frame.u, frame.v))
            picture.pts, picture.time_base, picture.duration = frame.pts, frame.time_base, 1
            container.mux(video.encode(picture))
        container.mux(video.encode(None))


def natural_frames(count: int, *, size: tuple[int, int] = (640, 360), fps: int = 30) -> Iterator[Frame]:
    """The frames of the clip, before encoding.

    Args:
        count: how many.
        size: (width, height) in pixels, even numbers.
        fps: frames per second; sets their times, not their motion.

    Yields:
        limited-range BT.709 planes with memory of their own.
    """
    scene = _Scene(*size)
    for index in range(count):
        y, u, v = scene.paint(index)
        yield Frame(y, u, v, index, 1, Fraction(1, fps), _COLOR)


@dataclass(frozen=True)
class _Layer:
    """A moving picture larger than the frame."""

    planes: tuple[np.ndarray, np.ndarray, np.ndarray]  # y (H, W), u and v (H/2, W/2) float32 codes
    cover: tuple[np.ndarray, np.ndarray] | None  # share of each luma and chroma sample that it hides; None for all
    reach: tuple[int, int]  # pixels by which it moves to each side, across and down
    pace: tuple[float, float]  # turns of its path in a hundred frames, across and down


class _Scene:
    """Makes everything once; `paint` only moves it."""

    def __init__(self, width: int, height: int) -> None:
        rng = np.random.default_rng(_SEED)
        self._width, self._height = width, height
        # A slow camera, then nearer things that move more, of other brightness and size.
        self._layers = [
            self._layer(rng, reach=0.05, pace=(0.5, 0.3), bright=120, share=None),
            self._layer(rng, reach=0.12, pace=(0.8, 0.5), bright=90, share=0.25),
            self._layer(rng, reach=0.20, pace=(1.1, 0.9), bright=150, share=0.12),
        ]
        self._grain = rng.standard_normal((2 * height, 2 * width), np.float32) * _GRAIN

    def _layer(
        self, rng: np.random.Generator, *, reach: float, pace: tuple[float, float], bright: float, share: float | None
    ) -> _Layer:
        # Whole chroma samples, and one more pixel for positions between two.
        across, down = (2 * round(reach * side / 2) for side in (self._width, self._height))
        rows, columns = self._height + 2 * down + 2, self._width + 2 * across + 2
        half = (rows // 2, columns // 2)
        luma = bright + 34 * _field(rng, rows, columns)
        # Chroma follows luma partly, and is smoother.
        common = (luma[::2, ::2] - bright) / 34
        u, v = (128 + 9 * (_field(rng, *half, falloff=1.3) + sign * 0.5 * common) for sign in (-1, 1))
        cover = None
        if share is not None:
            shape = _field(rng, rows, columns, falloff=1.7)
            edge = float(np.quantile(shape, 1 - share))
            opacity = np.clip((shape - edge) * self._height / 8, 0, 1)  # a pixel or two wide
            cover = opacity, np.ascontiguousarray(opacity[::2, ::2])
        return _Layer((luma, u, v), cover, (across, down), pace)

    def paint(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The planes of one picture, uint8."""
        planes: list[np.ndarray] = []
        for layer in self._layers:
            x, y = (
                reach * (1 + np.sin(2 * np.pi * pace * index / 100 + phase))
                for reach, pace, phase in zip(layer.reach, layer.pace, (0.4, 1.9), strict=True)
            )
            for number, plane in enumerate(layer.planes):
                seen = self._cut(plane, x, y, number > 0)
                if layer.cover is None:
                    planes.append(seen)
                    continue
                cover = self._cut(layer.cover[min(number, 1)], x, y, number > 0)
                seen -= planes[number]
                seen *= cover
                planes[number] += seen
        rng = np.random.default_rng([_SEED, index])
        top, left = int(rng.integers(self._height)), int(rng.integers(self._width))
        grain = self._grain[top:, left:]
        for plane in planes:
            plane += grain[: plane.shape[0], : plane.shape[1]]
        y8, u8, v8 = (
            np.clip(np.rint(plane), 16, high).astype(np.uint8)
            for plane, high in zip(planes, (235, 240, 240), strict=True)
        )
        return y8, u8, v8

    def _cut(self, plane: np.ndarray, x: float, y: float, chroma: bool) -> np.ndarray:
        """The part of a plane that is seen from (x, y) in luma pixels, interpolated between columns."""
        scale = 2 if chroma else 1
        height, width = self._height // scale, self._width // scale
        top, left = round(y / scale), int(x / scale)
        rows = slice(top, top + height)
        first, second = plane[rows, left : left + width], plane[rows, left + 1 : left + 1 + width]
        seen: np.ndarray = second - first
        seen *= np.float32(x / scale - left)
        seen += first
        return seen


def _field(rng: np.random.Generator, rows: int, columns: int, *, falloff: float = 1.0) -> np.ndarray:
    """(rows, columns) float32 noise of mean 0 and deviation 1, its amplitude falling as 1 / frequency ** falloff."""
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns), np.float32))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    frequency[0, 0] = np.inf  # no mean
    field = np.fft.irfft2(spectrum / frequency**falloff, s=(rows, columns))
    field /= field.std()
    noise: np.ndarray = field.astype(np.float32)
    return noise
