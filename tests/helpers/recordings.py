"""Recordings for tests: known pictures, shown and heard at known times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from realtime.media.live.recorder import Recorder, Recording
from realtime.media.live.sound import Sound
from tests.helpers.planes import flat

RATE = 30
FLASH = 60
"""Number of the frame with the flash and the tone."""


def record(
    path: Path,
    delay: Callable[[int], float] = lambda n: 0.05,
    *,
    frames: int = 90,
    rate: float = 44100,
    sound: bool = True,
    end: Callable[[Recorder], Recording] = Recorder.finish,
    **options: object,
) -> tuple[Recording, list[float]]:
    """Pictures captured 30 times a second and shown with a delay; at the 60th a flash, and a tone at the same moment.

    Returns:
        what was recorded, and when each picture was shown, from the first on.
    """
    dark, bright = flat(96, 128, 16), flat(96, 128, 235)
    shown, heard = [], 0
    with Recorder(path, dark, rate=RATE, sound=sound, **options) as recorder:  # type: ignore[arg-type]
        for number in range(frames):
            captured = 500 + number / RATE
            shown.append(captured + delay(number))
            frame = bright if FLASH <= number < FLASH + 6 else dark
            recorder.write(frame, captured=captured, shown=shown[-1])
            while sound and (heard + 1) * 1024 / rate <= (number + 1) / RATE:
                at = (heard * 1024 + np.arange(1024)) / rate
                wave = np.sin(2 * np.pi * 1000 * at) * ((at >= FLASH / RATE) & (at < (FLASH + 6) / RATE))
                recorder.hear(Sound(wave[None].astype(np.float32), round(rate), 500 + heard * 1024 / rate))
                heard += 1
        return end(recorder), [time - shown[0] for time in shown]
