"""The clip of `restyle demo`, also for tests: a moving landscape with stereo sound, made from nothing."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import numpy as np

from realtime.media.convert.views import fill
from realtime.media.synthetic.encoding import h264_clip
from realtime.media.synthetic.landscape import Landscape
from realtime.media.synthetic.melody import SAMPLE_RATE, melody

_BLOCK = 1024


def write_demo_clip(
    path: str | os.PathLike[str], *, seconds: float = 4, size: tuple[int, int] = (640, 360), fps: int = 30
) -> None:
    """Write the clip: H.264 and AAC, in the container that the extension names.

    Args:
        path: the file to make; replaced where it exists.
        seconds: length.
        size: (width, height) in pixels, even numbers.
        fps: frames per second.
    """
    import av
    from av.video.reformatter import VideoReformatter

    count = max(1, round(seconds * fps))
    with h264_clip(path, size, fps, preset="veryfast", crf="16") as (container, video):
        container.metadata["title"] = "restyle demo"
        audio: Any = container.add_stream("aac", rate=SAMPLE_RATE)
        audio.codec_context.layout = "stereo"
        audio.codec_context.bit_rate = 128_000
        audio.metadata["language"] = "zxx"
        landscape, sound = Landscape(*size), melody(seconds)
        reformatter = VideoReformatter()
        heard = 0
        for index in range(count):
            red, green, blue = landscape.paint(index / max(1, count - 1), index / fps)
            canvas = av.VideoFrame(*size, "gbrp")
            fill(canvas, (green, blue, red))
            picture = reformatter.reformat(canvas, format="yuv420p", dst_colorspace=1, dst_color_range=1)
            picture.pts, picture.time_base, picture.duration = index, Fraction(1, fps), 1
            container.mux(video.encode(picture))
            until = sound.shape[1] if index + 1 == count else round((index + 1) / fps * SAMPLE_RATE)
            while heard < min(until, sound.shape[1]):
                samples = np.ascontiguousarray(sound[:, heard : heard + _BLOCK])
                piece = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                piece.sample_rate, piece.pts, piece.time_base = SAMPLE_RATE, heard, Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(piece))
                heard += piece.samples
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
