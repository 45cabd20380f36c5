"""Painting clips: steady where the flow is known, from the source after a cut, with sound."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.errors import InputError
from realtime.media.convert.optical_flow import FlowEstimator, gray, is_cut
from realtime.media.files.stills import write_image
from realtime.options import PaintingOptions
from realtime.painting.clip import ClipPainter
from realtime.painting.paint import is_clip, paint
from realtime.painting.painter import Painter
from realtime.results import PaintedClipSummary, PaintingProgress
from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.pictures import soft


@dataclass
class Job:
    """A clip, a painting, a file to write, and options."""

    content: Path
    style: Path
    output: Path
    options: PaintingOptions

    def painter(self, **options: Any) -> ClipPainter:
        return ClipPainter(Painter([self.style], self.options.replace(**options)))


@pytest.fixture
def job(tmp_path: Path, shallow: PaintingOptions) -> Job:
    write_image(tmp_path / "style.png", soft(2, 80, 80))
    clip = Clip(tmp_path / "clip.mp4", frames=3, size=(96, 64), audio=["aac"]).make()
    return Job(clip, tmp_path / "style.png", tmp_path / "out.mp4", shallow.replace(steps=4, frame_steps=2))


def test_a_clip_with_sound(job: Job) -> None:
    seen: list[PaintingProgress] = []
    summary = paint(job.content, [job.style], job.output, job.options, report=seen.append)
    assert isinstance(summary, PaintedClipSummary)
    before, after = decoded(job.content), decoded(job.output)
    assert [float(f.time) for f in after] == [float(f.time) for f in before]
    assert (after[0].width, after[0].height) == (96, 64)
    assert audio_packets(job.output)[0][:2] == audio_packets(job.content)[0][:2]
    assert (summary.frames, summary.audio_streams, summary.cuts) == (3, 1, 0)
    assert summary.steps == 4 + 2 + 2
    assert [(p.frame, p.step, p.steps) for p in seen] == [
        *((1, n, 4) for n in (1, 2, 3, 4)),
        *((f, n, 2) for f in (2, 3) for n in (1, 2)),
    ]
    assert {"first", "last"} == set(summary.losses) and "temporal" in summary.losses["last"]
    assert summary.scores is not None and summary.scores.content > 0
    painted = after[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(painted - before[0].to_ndarray(format="rgb24")).mean() > 3
    assert sorted(p.name for p in job.output.parent.iterdir()) == ["clip.mp4", "out.mp4", "style.png"]


def test_frames_follow_the_previous_one(job: Job) -> None:
    """Noise in a still scene shows less with the temporal loss than without."""
    scene, rng = soft(1, 64, 80).astype(float), np.random.default_rng(0)
    frames = [np.clip(scene + rng.normal(0, 6, scene.shape), 0, 255).astype(np.uint8) for _ in range(2)]

    def change(temporal: float) -> float:
        painter = job.painter(temporal=temporal, frame_steps=6)
        painted = [painter(f).astype(float) for f in frames]
        assert painter.cuts == 0
        return float(np.mean([np.abs(b - a).mean() for a, b in itertools.pairwise(painted)]))

    assert change(10.0) < 0.8 * change(0.0)


def test_painting_begins_again_after_a_cut(job: Job) -> None:
    painter = job.painter()
    frames = [soft(1, 64, 80), soft(1, 64, 80), soft(33, 64, 80), soft(33, 64, 80)]
    painted = [painter(f) for f in frames]
    assert painter.cuts == 1
    assert painter.steps == 4 + 2 + 4 + 2
    fresh = job.painter()(frames[2])
    assert np.array_equal(painted[2], fresh)


def test_what_is_a_cut() -> None:
    a, b = gray(soft(1, 96, 128)), gray(soft(33, 96, 128))
    flow = FlowEstimator()
    moved = np.roll(a, 3, 1)
    assert not is_cut(flow.between(a, a), a, a)
    assert not is_cut(flow.between(a, moved), a, moved)
    assert is_cut(flow.between(a, b), a, b)
    dark, light = np.full_like(a, 40), np.full_like(a, 200)  # nothing moves, and all is another
    assert is_cut(flow.between(dark, light), dark, light)


def test_an_interruption_leaves_nothing(job: Job) -> None:
    def stop(now: PaintingProgress) -> None:
        if now.frame == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint(job.content, [job.style], job.output, job.options, report=stop)
    assert sorted(p.name for p in job.output.parent.iterdir()) == ["clip.mp4", "style.png"]


def test_what_is_refused(job: Job, tmp_path: Path) -> None:
    job.output.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists"):
        paint(job.content, [job.style], job.output, job.options)
    assert job.output.read_bytes() == b"mine"
    with pytest.raises(InputError, match="is one of the inputs"):
        paint(job.content, [job.style], job.content, job.options.replace(overwrite=True))
    with pytest.raises(InputError, match="no such file"):
        paint(tmp_path / "none.mp4", [job.style], tmp_path / "b.mp4", job.options)
    with pytest.raises(InputError, match="lacks relu4_2"):
        paint(job.content, [job.style], tmp_path / "b.mp4", job.options.replace(content_layers="relu4_2"))
    assert not (tmp_path / "b.mp4").exists()


def test_clips_by_name() -> None:
    assert [is_clip(Path(name)) for name in ("a.MP4", "a.webm", "a.jpg", "a")] == [True, True, False, False]
