"""What a run learns on: pictures of folders, frames of clips, generated pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from realtime.errors import InputError
from realtime.training.content_pictures import FRAMES, clip_frames, content_kind, content_pictures, generated
from tests.helpers.clips import Clip


def test_pictures_come_before_clips(photographs: Path) -> None:
    Clip(photographs / "clip.mp4", frames=4).make()
    found = content_pictures([photographs])
    assert [path.name for path in found if isinstance(path, Path)] == ["0.png", "1.png", "2.png", "3.JPG"]
    assert content_kind([photographs]) == "pictures"


def test_a_folder_of_clips(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        Clip(tmp_path / name, frames=6, size=(96, 64)).make()
    found = content_pictures([tmp_path])
    assert len(found) == 12
    assert all(isinstance(frame, torch.Tensor) and frame.shape == (3, 64, 96) for frame in found)


@pytest.mark.parametrize("frames", [1, 40, 700])
def test_frames_are_spread_over_the_clip(tmp_path: Path, frames: int) -> None:
    """A mark in each frame's corner tells its number."""
    clip = Clip(tmp_path / "clip.mp4", frames=frames).make()
    found = clip_frames(clip)
    assert len(found) == min(frames, FRAMES)
    marks = [float(frame[:, 2:12, 2:12].float().mean()) for frame in found]
    assert len({round(mark) for mark in marks}) > min(frames, FRAMES) // 2
    assert content_kind([clip]) == "clip"


def test_large_frames_become_smaller(tmp_path: Path) -> None:
    clip = Clip(tmp_path / "clip.mp4", frames=2, size=(1280, 720)).make()
    assert clip_frames(clip)[0].shape[1] == 480


def test_a_single_picture(photographs: Path) -> None:
    assert content_pictures([photographs / "0.png"]) == [photographs / "0.png"]
    (photographs / "bad.png").write_text("no picture")
    with pytest.raises(InputError, match="bad.png"):
        content_pictures([photographs / "bad.png"])


def test_generated_pictures_are_the_same_for_a_seed() -> None:
    first, again, other = (generated(seed, leaves=2, views=1) for seed in (1, 1, 2))
    assert len(first) == 3 and content_kind([]) == "generated"
    for a, b in zip(first, again, strict=True):
        assert isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
        assert a.dtype == torch.uint8 and a.shape[0] == 3 and torch.equal(a, b)
    assert not torch.equal(torch.as_tensor(first[0]), torch.as_tensor(other[0]))
