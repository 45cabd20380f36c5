"""The clip for benchmarks: the same every time, with the statistics of film."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.media.files.probe import probe
from realtime.media.synthetic.natural import natural_frames, write_natural_clip
from tests.helpers.clips import decoded, psnr
from tests.helpers.processes import python


def falloff(plane: np.ndarray) -> float:
    """Exponent with which the power spectrum of a plane falls, from 1/100 to 1/4 cycles a pixel."""
    window = np.hanning(plane.shape[0])[:, None] * np.hanning(plane.shape[1])[None]
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(plane.shape[0])[:, None], np.fft.fftfreq(plane.shape[1])[None])
    edges = np.geomspace(0.01, 0.25, 12)
    bands = [power[(frequency >= low) & (frequency < high)].mean() for low, high in itertools.pairwise(edges)]
    return float(np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(bands), 1)[0])


def test_statistics_of_film() -> None:
    frames = list(natural_frames(12, size=(320, 180)))
    for frame in frames[::4]:
        # Photographs: about 2 (Field 1987), from picture to picture 1.5 to 2.7.
        assert -2.6 < falloff(frame.y.astype(float)) < -1.6
        assert 20 < frame.y.std() < 60
        assert 4 < frame.u.std() < 25
        assert 16 <= frame.y.min() <= frame.y.max() <= 235
    for a, b in itertools.pairwise(frames):
        # It moves: neighbours are alike, but far from the same.
        assert 15 < psnr(a.y, b.y) < 35
    assert psnr(frames[0].y, frames[-1].y) < psnr(frames[0].y, frames[1].y)


def test_the_clip_needs_as_many_bits_as_film(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_natural_clip(path, frames=24, size=(640, 360), fps=25)
    info = probe(path)
    assert (info.width, info.height, info.frames, info.average_rate) == (640, 360, 24, 25)
    assert (info.color.matrix, info.color.range, info.codec) == ("bt709", "limited", "h264")
    bits_per_pixel = 8 * path.stat().st_size / (24 * 640 * 360)
    # Our real clips in H.264: 0.05 (a phone held still) to 0.29.
    assert 0.05 < bits_per_pixel < 0.4
    pictures = decoded(path)
    assert [p.time for p in pictures] == pytest.approx([n / 25 for n in range(24)])
    first = next(iter(natural_frames(1, size=(640, 360))))
    assert psnr(pictures[0].to_ndarray()[:360], first.y) > 30


def test_the_same_every_time_whatever_the_length() -> None:
    short = list(natural_frames(3, size=(96, 64)))
    long = list(natural_frames(7, size=(96, 64)))
    for a, b in zip(short, long, strict=False):
        assert all(np.array_equal(p, q) for p, q in ((a.y, b.y), (a.u, b.u), (a.v, b.v)))
    assert [(f.pts, f.duration, f.time_base) for f in short] == [(n, 1, Fraction(1, 30)) for n in range(3)]


@pytest.mark.parametrize("size", [(64, 64), (2, 2), (130, 66), (64, 200)])
def test_any_even_size(size: tuple[int, int]) -> None:
    (frame,) = natural_frames(1, size=size)
    assert (frame.width, frame.height) == size
    assert frame.u.shape == frame.v.shape == (size[1] // 2, size[0] // 2)


def test_without_opencv(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "from realtime.media.synthetic.natural import write_natural_clip\n"
        "write_natural_clip(sys.argv[1], frames=4, size=(64, 64))"
    )
    done = python(code, tmp_path / "clip.mp4", flags=["-W", "error"])
    assert (done.returncode, done.stderr) == (0, "")
