"""Running a file through reader and writer unchanged, and checking that nothing was lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from realtime.media.convert.views import plane_view
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.writer import VideoWriter, WriteSummary
from tests.helpers.clips import audio_packets, decoded, psnr


def identity(source: Path, target: Path, *, read: dict[str, Any] | None = None, **write: Any) -> WriteSummary:
    """Every frame of a source, unchanged, into a target."""
    with VideoReader(source, **(read or {})) as reader, VideoWriter(target, reader, **write) as writer:
        for frame in reader:
            writer.write(frame)
        return writer.finish()


def faults(source: Path, target: Path, *, same_audio: bool = True, tags: bool = True, quality: float = 40) -> list[str]:
    """What differs between a source and its copy, beyond what encoding it once more must change."""
    out = []
    a, b = decoded(source), decoded(target)
    if len(a) != len(b):
        return [f"frames {len(a)} -> {len(b)}"]
    times_a, times_b = [f.time - a[0].time for f in a], [f.time - b[0].time for f in b]
    worst = max(abs(x - y) for x, y in zip(times_a, times_b, strict=True))
    if worst > 0.001:
        out.append(f"times differ by {1000 * worst:.2f} ms")
    if (a[0].width, a[0].height) != (b[0].width, b[0].height):
        out.append("size")
    if a[0].rotation != b[0].rotation:
        out.append(f"rotation {a[0].rotation} -> {b[0].rotation}")
    info_a, info_b = probe(source), probe(target)
    if (info_a.sample_aspect_ratio or 1) != (info_b.sample_aspect_ratio or 1):
        out.append(f"aspect {info_a.sample_aspect_ratio} -> {info_b.sample_aspect_ratio}")
    if tags and info_a.color != info_b.color:
        out.append(f"colour {info_a.color} -> {info_b.color}")
    same = source.suffix == target.suffix
    # FFmpeg's own duration of an MP4 is a sum of decoding times: of B-frames at an uneven rate it tells little.
    lasts_a, lasts_b = info_a.shown or info_a.duration, info_b.shown or info_b.duration
    if same and lasts_a and lasts_b and abs(lasts_a - lasts_b) > 0.1:
        out.append(f"duration {lasts_a} -> {lasts_b}")
    sound_a, sound_b = audio_packets(source), audio_packets(target)
    if len(sound_a) != len(sound_b):
        out.append(f"audio tracks {len(sound_a)} -> {len(sound_b)}")
    for x, y in zip(sound_a, sound_b, strict=False):
        if same_audio and x[:2] != y[:2]:
            out.append("audio packets differ")
        if same_audio and x[2] and abs((x[2][0] - a[0].time) - (y[2][0] - b[0].time)) > 0.002:
            out.append("audio shifted")
    if quality and a[0].format.name == b[0].format.name:
        for x, y in ((a[0], b[0]), (a[len(a) // 2], b[len(b) // 2]), (a[-1], b[-1])):
            for plane, other in zip(x.planes, y.planes, strict=True):
                ratio = psnr(np.asarray(plane_view(plane)), np.asarray(plane_view(other)))
                if ratio < quality:
                    out.append(f"PSNR {ratio:.1f} dB")
    return out
