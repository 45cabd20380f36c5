"""Films of a camera that moves over a scene by known, also fractional, distances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np

from realtime.frames import Frame, chroma_shape
from tests.helpers.clips import Clip


class Scene:
    """A random picture that repeats itself, and can be looked at from anywhere.

    Args:
        seed: of the picture.
        periods: (shortest, longest) in pixels; amplitudes grow with the period, as in photographs.
        contrast: standard deviation in codes.
        size: (rows, columns) after which it repeats itself.
    """

    def __init__(
        self,
        seed: int = 0,
        periods: tuple[float, float] = (12, 400),
        contrast: float = 40.0,
        size: tuple[int, int] = (360, 640),
    ) -> None:
        rng = np.random.default_rng(seed)
        self.size = size
        self._down, self._right = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
        frequency = np.hypot(self._down, self._right)
        inside = (frequency >= 1 / periods[1]) & (frequency <= 1 / periods[0])
        noise = rng.normal(size=(2, *frequency.shape))
        self._spectrum = np.where(inside, (noise[0] + 1j * noise[1]) / np.maximum(frequency, 1e-9), 0)
        self._spectrum *= contrast / np.fft.irfft2(self._spectrum, size).std()

    def view(self, down: float, right: float, height: int, width: int) -> np.ndarray:
        """(height, width) float64 codes around 0, seen by a camera whose upper left corner is there."""
        shift = np.exp(2j * np.pi * (self._down * down + self._right * right))
        seen: np.ndarray = np.fft.irfft2(self._spectrum * shift, self.size)[:height, :width]
        return seen


def luma_frame(luma: np.ndarray) -> Frame:
    """A gray frame of (H, W) codes, rounded."""
    chroma = np.full(chroma_shape(*luma.shape), 128, np.uint8)
    return Frame(np.clip(np.rint(luma), 0, 255).astype(np.uint8), chroma, chroma)


def pan(scene: Scene, places: Iterable[tuple[float, float]], size: tuple[int, int] = (180, 320)) -> Iterator[Frame]:
    """Frames of a camera that goes from place to place, (down, right) in pixels."""
    for down, right in places:
        yield luma_frame(120 + scene.view(down, right, *size))


@dataclass
class PanClip(Clip):
    """A clip of a camera that pans over scenes, with a cut from each to the next.

    The camera goes right by 1.5 pixels and down by half a pixel a frame.
    """

    cuts: Sequence[int] = ()
    """Frames with which the second scene and those after it begin."""

    def _frame(self, index: int) -> Any:
        number = sum(cut <= index for cut in self.cuts)
        luma = 120 + _scene(number).view(index * 0.5, index * 1.5, self.size[1], self.size[0])
        gray = np.clip(np.rint(luma), 16, 235).astype(np.uint8)
        return av.VideoFrame.from_ndarray(gray[..., None].repeat(3, 2), "rgb24").reformat(format=self.pix_fmt)


@cache
def _scene(seed: int) -> Scene:
    return Scene(seed, periods=(6, 120), size=(120, 160))
