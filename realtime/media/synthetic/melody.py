"""The sound of the demo clip: a soft chord that swells, and a plucked melody that wanders from side to side."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 48000

_CHORD = (110.0, 164.81, 220.0, 277.18, 329.63)
_MELODY = (440.0, 554.37, 659.26, 554.37, 493.88, 659.26, 880.0, 659.26)
_BEAT = 0.5


def melody(seconds: float) -> np.ndarray:
    """(2, samples) float32, -1 to 1, at `SAMPLE_RATE`."""
    count = round(seconds * SAMPLE_RATE)
    time = np.arange(count, dtype=np.float32) / SAMPLE_RATE
    out = np.zeros((2, count), np.float32)
    for number, pitch in enumerate(_CHORD):
        for side in (0, 1):
            # Slightly different pitches left and right make the chord wide.
            tone = np.sin(2 * np.pi * (pitch + (0.35 if side else -0.35)) * time + number)
            out[side] += 0.05 * tone * (0.75 + 0.25 * np.sin(2 * np.pi * (0.13 + 0.04 * number) * time + side))
    for number in range(int(seconds / _BEAT) + 1):
        begin = round(number * _BEAT * SAMPLE_RATE)
        length = min(round(1.6 * SAMPLE_RATE), count - begin)
        if length <= 0:
            break
        at = time[:length]
        pitch = _MELODY[number % len(_MELODY)]
        pluck = np.exp(-3.5 * at) * np.minimum(1, at * 200)
        tone = pluck * (np.sin(2 * np.pi * pitch * at) + 0.3 * np.sin(4 * np.pi * pitch * at) * np.exp(-3 * at))
        side = 0.5 + 0.35 * np.sin(number * 1.3)
        out[0, begin : begin + length] += 0.11 * (1 - side) * tone
        out[1, begin : begin + length] += 0.11 * side * tone
    fade = np.minimum(1, np.minimum(time / 0.3, (seconds - time) / 0.6)).clip(0, 1)
    return np.asarray((out * fade).astype(np.float32))
