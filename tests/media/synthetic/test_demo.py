"""The demo clip: its length, size and sound, and that it moves smoothly."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from realtime.media.files.probe import probe
from realtime.media.synthetic.demo import write_demo_clip
from realtime.media.synthetic.landscape import Landscape
from tests.helpers.clips import decoded, psnr, sound_start
from tests.helpers.processes import python


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


@pytest.mark.parametrize("size", [(96, 64), (160, 90)])
def test_small_and_without_opencv(tmp_path: Path, size: tuple[int, int]) -> None:
    """OpenCV needs libraries that bare systems lack; the demo must do without."""
    path = tmp_path / "demo.mp4"
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "from realtime.media.synthetic.demo import write_demo_clip\n"
        f"write_demo_clip(sys.argv[1], seconds=0.5, size={size})"
    )
    done = python(code, path, flags=["-W", "error"])
    assert (done.returncode, done.stderr) == (0, "")
    pictures = [f.to_ndarray(format="rgb24") for f in decoded(path)]
    assert len(pictures) == 15
    assert pictures[0].shape == (size[1], size[0], 3)
    assert pictures[0].std() > 30


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (40, 400), (400, 40)])
@pytest.mark.filterwarnings("error")
def test_any_size_is_painted(size: tuple[int, int]) -> None:
    scene = Landscape(*size)
    for share in (0.0, 0.3, 1.0):
        picture = scene.paint(share, 4 * share)
        assert picture.shape == (3, size[1], size[0])
        assert picture.max() <= 255


def test_it_moves_smoothly() -> None:
    """Each picture differs from the one before by about as much: no strip moves by whole pixels only."""
    scene = Landscape(320, 180)
    pictures = [scene.paint(0.2 + index / 400, index / 30).astype(int) for index in range(9)]
    steps = [np.abs(b - a)[:, :72].mean() for a, b in itertools.pairwise(pictures)]  # sky, clouds and mountains
    assert min(steps) > 0
    assert max(steps) < 2 * min(steps)
