"""Generated stills: always the same, varied, and with a spectrum like that of photographs."""

from __future__ import annotations

import numpy as np

from realtime.media.synthetic.dead_leaves import dead_leaves


def test_the_same_for_the_same_arguments() -> None:
    pictures = dead_leaves(3, 64, seed=4)
    assert [p.shape for p in pictures] == [(64, 64, 3)] * 3 and pictures[0].dtype == np.uint8
    assert all(np.array_equal(a, b) for a, b in zip(pictures, dead_leaves(3, 64, seed=4), strict=True))
    assert not np.array_equal(pictures[0], dead_leaves(1, 64, seed=5)[0])


def test_power_falls_with_the_frequency_as_in_photographs() -> None:
    """Photographs: as its second power, more or less (Field 1987)."""
    pictures = np.stack(dead_leaves(16, 128)).astype(np.float64).mean(3)
    pictures = (pictures - pictures.mean((1, 2), keepdims=True)) * np.hanning(128) * np.hanning(128)[:, None]
    power = (np.abs(np.fft.fft2(pictures)) ** 2).mean(0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    rings = [power[(frequency > low) & (frequency < 1.4 * low)].mean() for low in (0.03, 0.06, 0.12, 0.24)]
    slopes = np.log2(np.array(rings[:-1]) / rings[1:])
    assert (slopes > 1.5).all() and (slopes < 4).all()


def test_plain_and_crowded_pictures() -> None:
    """In some nearly nothing changes from pixel to pixel, in others much does."""
    roughness = [np.abs(np.diff(p.astype(int), axis=1)).mean() for p in dead_leaves(24, 128)]
    assert min(roughness) < 4 and max(roughness) > 8
