"""A looped clip is as long as asked for, its times rise, and its pictures are those of the clip."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.media.synthetic.demo import write_demo_clip
from tools.looping import loop_clip


def test_every_turn_shows_the_pictures_of_the_clip(tmp_path: Path) -> None:
    clip, film = tmp_path / "clip.mp4", tmp_path / "film.mp4"
    write_demo_clip(clip, seconds=1, size=(64, 36), fps=15)
    loop_clip(clip, film, 3.5)
    with av.open(str(clip)) as container:
        once = [f.to_ndarray() for f in container.decode(video=0)]
    with av.open(str(film)) as container:
        frames = list(container.decode(video=0))
        assert container.duration is not None
        assert container.duration / 1e6 >= 3.5
    times = [f.time for f in frames]
    assert len(frames) == 4 * len(once)
    assert all(b is not None and a is not None and b > a for a, b in itertools.pairwise(times))
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.to_ndarray(), once[index % len(once)])
    with av.open(str(film)) as container:
        stamps = [p.dts for p in container.demux(audio=0) if p.dts is not None]
    with av.open(str(clip)) as container:
        packets = sum(1 for p in container.demux(audio=0) if p.dts is not None)
    assert len(stamps) == 4 * packets
    assert stamps == sorted(set(stamps))


def test_a_clip_without_video_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "tone.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="no video packets"):
        loop_clip(clip, tmp_path / "film.mp4", 1)
