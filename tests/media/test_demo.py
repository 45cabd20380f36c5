"""The demo clip: as long, large and loud as promised, and alive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.media.demo import write_demo_clip
from realtime.media.probe import probe
from tests.clips import decoded, psnr, sound_start


def test_demo(tmp_path: Path) -> None:
    path = tmp_path / "demo.mp4"
    write_demo_clip(path, seconds=1, size=(320, 180), fps=24)
    info = probe(path)
    assert (info.width, info.height, info.frames, info.average_rate) == (320, 180, 24, 24)
    assert (info.color.matrix, info.color.range) == ("bt709", "limited")
    assert [(a.codec, a.channels) for a in info.audio] == [("aac", 2)]
    assert sound_start(path) < 0.5
    pictures = [f.to_ndarray(format="rgb24") for f in decoded(path)]
    assert len(pictures) == 24
    assert pictures[0].std() > 35
    assert psnr(pictures[0], pictures[-1]) < 30
    assert np.mean([p.mean() for p in pictures]) > 60
