"""Pairs of frames of real clips, and the motion between them."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from realtime.errors import InputError
from realtime.training.clips import Clips, read_pairs
from tests.helpers.pictures import soft

SHIFT = 3
"""Pixels to the left that the picture moves from frame to frame."""


def texture(height: int, width: int) -> np.ndarray:
    """A soft random picture, (height, width, 3) uint8."""
    small = torch.rand(1, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(3))
    big = torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1)
    return (big[0].permute(1, 2, 0) * 255).byte().numpy()


def write(path: Path, pictures: list[np.ndarray]) -> None:
    """Pictures of 160 x 120 as a clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip of 26 frames that pans over a texture."""
    wide = texture(120, 260)
    target = tmp_path / "clips" / "deeper" / "pan.mkv"
    target.parent.mkdir(parents=True)
    write(target, [wide[:, i * SHIFT : i * SHIFT + 160] for i in range(26)])
    return tmp_path / "clips"


def test_the_motion_is_found(folder: Path) -> None:
    found = Clips(folder, side=80, pairs=3)
    assert len(found.pairs) == 3  # every eighth of 26 frames, three at most
    pair = found.pairs[0]
    rows, columns = np.mgrid[0 : pair.seen.shape[0], 0 : pair.seen.shape[1]]
    scale = pair.seen.shape[0] / 120  # frames are reduced
    middle = pair.seen.numpy()
    assert middle.mean() > 0.7
    assert np.abs((pair.x.numpy() - columns)[middle] - SHIFT * scale).mean() < 0.3
    assert np.abs((pair.y.numpy() - rows)[middle]).mean() < 0.3


def test_crops_move_as_their_motion_says(folder: Path) -> None:
    found = Clips(folder, side=80, pairs=3)
    before, now, motion = found(4, torch.Generator().manual_seed(1))
    assert before.shape == now.shape == (4, 3, 80, 80)
    assert motion.valid.shape == (4, 1, 80, 80)
    still = ((now.float() - before.float()) ** 2 * motion.valid).sum()
    moved = ((now.float() - motion.apply(before.float())) ** 2 * motion.valid).sum()
    assert float(motion.valid.mean()) > 0.5
    assert float(moved) < 0.1 * float(still)
    again = found(4, torch.Generator().manual_seed(1))
    assert torch.equal(again[0], before) and torch.equal(again[2].grid, motion.grid)


def test_refusals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="no such folder of clips"):
        Clips(tmp_path / "none", side=64)
    with pytest.raises(InputError, match="no clips in this folder"):
        Clips(tmp_path, side=64)
    (tmp_path / "broken.mp4").write_bytes(b"nothing" * 99)
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="none of the 1 clips"):
        Clips(tmp_path, side=64)
    assert "broken.mp4" in caplog.text


def test_a_cut_is_left_out(tmp_path: Path) -> None:
    """Two scenes of one frame each, whose only pair has no flow between them."""
    path = tmp_path / "cut.mkv"
    write(path, [soft(1, 120, 160), soft(33, 120, 160)])
    assert read_pairs(path, 3, 90) == []
