"""How close two engines' pictures are to each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.frames import Frame


def picture_frames(count: int = 4, *, seed: int = 0, size: tuple[int, int] | None = None) -> list[Frame]:
    """Generated pictures as frames; `size` is (width, height). They are kept for the next call."""
    return list(_frames(count, seed, size))


@lru_cache(2)
def _frames(count: int, seed: int, size: tuple[int, int] | None) -> tuple[Frame, ...]:
    from realtime.media.convert.rgb import frame_from_rgb

    extent: dict[str, int] = {} if size is None else {"width": size[0], "height": size[1]}
    pictures = generated_pictures(count, seed=seed, small=False, **extent)
    arrays = [(picture[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy() for picture in pictures]
    return tuple(frame_from_rgb(array, value_range="limited") for array in arrays)


def psnr(a: Sequence[Frame], b: Sequence[Frame]) -> float:
    """Peak signal-to-noise ratio of the codes of two sequences of frames, in dB; at most 100."""
    total, count = 0.0, 0
    for one, other in zip(a, b, strict=True):
        for p, q in zip((one.y, one.u, one.v), (other.y, other.u, other.v), strict=True):
            total += float(np.square(p.astype(np.float64) - q).sum())
            count += p.size
    return float(min(100.0, 10 * np.log10(255**2 * count / max(total, 1e-9))))
