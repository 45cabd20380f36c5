"""Makes the field of the texture plane: python -m tools.texture_field FILE.npy

Noise whose amplitude is proportional to the period, between 3 and 64 samples (6 to 128 luma pixels).
"""

from __future__ import annotations

import sys

import numpy as np

from realtime.transnet.texture import FIELD_SIDE, TEXTURE_SCALE

SHORTEST, LONGEST = 3, 64
"""Periods in samples."""


def noise_field(seed: int = 5) -> np.ndarray:
    """(512, 512) uint8; repeats itself without a seam."""
    fy, fx = np.meshgrid(*[np.fft.fftfreq(FIELD_SIDE)] * 2, indexing="ij")
    frequency = np.hypot(fy, fx)
    inside = (frequency > 1 / LONGEST) & (frequency < 1 / SHORTEST)
    gain = np.where(inside, 1 / np.maximum(frequency, 1e-3), 0)
    white = np.random.default_rng(seed).normal(size=(FIELD_SIDE, FIELD_SIDE))
    noise = np.fft.ifft2(np.fft.fft2(white) * gain).real
    return np.clip(np.rint(noise / noise.std() * TEXTURE_SCALE) + 128, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    np.save(sys.argv[1], noise_field())
