"""Painting clips: steady where the flow is known, anew after a cut, with sound; nothing is left when interrupted."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import InputError
from realtime.media.convert.optical_flow import FlowEstimator, gray, is_cut
from realtime.media.files.stills import write_image
from realtime.painting.clip import ClipPainter, is_clip, paint_clip
from realtime.painting.config import PaintConfig
from realtime.painting.recipes import find_preset
from realtime.painting.studio import PaintProgress, Studio
from realtime.perception import scores as scoring
from tests.helpers.clips import Clip, audio_packets, decoded
from tests.helpers.pictures import soft

# Shallow layers: what is tested here does not depend on depth, and they are quick.
SHALLOW = {"content": (("relu2_1", 1.0),), "style": (("relu1_1", 1.0), ("relu2_1", 1.0))}
RECIPE = find_preset("guide").changed(**SHALLOW, steps=4, learning_rate=0.05, scales=())


@pytest.fixture(autouse=True)
def small_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "STYLE_SCALES", (64,))


@pytest.fixture
def config(tmp_path: Path, vgg: Path) -> PaintConfig:
    write_image(tmp_path / "style.png", soft(2, 80, 80))
    clip = Clip(tmp_path / "clip.mp4", frames=3, size=(96, 64), audio=["aac"]).make()
    return PaintConfig(
        content=clip,
        styles=(tmp_path / "style.png",),
        output=tmp_path / "out.mp4",
        recipe=RECIPE,
        features=vgg,
        device="cpu",
        precision="fp32",
        frame_steps=2,
    )


def test_a_clip_with_sound(config: PaintConfig) -> None:
    seen: list[PaintProgress] = []
    summary = paint_clip(config, seen.append)
    before, after = decoded(config.content), decoded(config.output)
    assert [float(f.time) for f in after] == [float(f.time) for f in before]
    assert (after[0].width, after[0].height) == (96, 64)
    assert audio_packets(config.output)[0][:2] == audio_packets(config.content)[0][:2]
    assert (summary["frames"], summary["audio_streams"], summary["cuts"]) == (3, 1, 0)
    assert summary["steps"] == 4 + 2 + 2
    assert [(p.frame, p.step, p.steps) for p in seen] == [
        *((1, n, 4) for n in (1, 2, 3, 4)),
        *((f, n, 2) for f in (2, 3) for n in (1, 2)),
    ]
    assert {"first", "last"} == set(summary["losses"]) and "temporal" in summary["losses"]["last"]
    assert summary["scores"]["content"] > 0
    painted = after[0].to_ndarray(format="rgb24").astype(int)
    assert np.abs(painted - before[0].to_ndarray(format="rgb24")).mean() > 3
    assert sorted(p.name for p in config.output.parent.iterdir()) == ["clip.mp4", "out.mp4", "style.png"]


def test_frames_follow_the_one_before(config: PaintConfig) -> None:
    """A still scene with noise in it: the noise must not show, and without the temporal loss it does."""
    scene, rng = soft(1, 64, 80).astype(float), np.random.default_rng(0)
    frames = [np.clip(scene + rng.normal(0, 6, scene.shape), 0, 255).astype(np.uint8) for _ in range(2)]

    def change(temporal: float) -> float:
        painter = ClipPainter(Studio(replace(config, temporal=temporal, frame_steps=6)))
        painted = [painter(f).astype(float) for f in frames]
        assert painter.cuts == 0
        return float(np.mean([np.abs(b - a).mean() for a, b in itertools.pairwise(painted)]))

    assert change(10.0) < 0.8 * change(0.0)


def test_a_cut_begins_anew(config: PaintConfig) -> None:
    painter = ClipPainter(Studio(config))
    frames = [soft(1, 64, 80), soft(1, 64, 80), soft(33, 64, 80), soft(33, 64, 80)]
    painted = [painter(f) for f in frames]
    assert painter.cuts == 1
    assert painter.steps == 4 + 2 + 4 + 2
    fresh = ClipPainter(Studio(config))(frames[2])
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


def test_an_interruption_leaves_nothing(config: PaintConfig) -> None:
    def stop(now: PaintProgress) -> None:
        if now.frame == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint_clip(config, stop)
    assert sorted(p.name for p in config.output.parent.iterdir()) == ["clip.mp4", "style.png"]


def test_what_is_refused(config: PaintConfig, tmp_path: Path) -> None:
    config.output.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists"):
        paint_clip(config)
    assert config.output.read_bytes() == b"mine"
    with pytest.raises(InputError, match="is the input itself"):
        paint_clip(replace(config, output=config.content, overwrite=True))
    with pytest.raises(InputError, match="no such file"):
        paint_clip(replace(config, content=tmp_path / "none.mp4"))
    with pytest.raises(InputError, match="lacks relu4_2"):
        paint_clip(replace(config, recipe=find_preset("guide"), output=tmp_path / "b.mp4"))
    assert not (tmp_path / "b.mp4").exists()


def test_clips_by_name() -> None:
    assert [is_clip(Path(name)) for name in ("a.MP4", "a.webm", "a.jpg", "a")] == [True, True, False, False]
