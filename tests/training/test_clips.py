"""Pairs of frames of real clips: the motion that is found is the motion there was."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from realtime.errors import InputError
from realtime.training import clips
from realtime.training.clips import Clips, find_clips, raft_flow, read_pairs

SHIFT = 3
"""Pixels to the left that the picture moves from frame to frame."""


def texture(height: int, width: int) -> np.ndarray:
    """A soft random picture, (height, width, 3) uint8."""
    small = torch.rand(1, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(3))
    big = torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1)
    return (big[0].permute(1, 2, 0) * 255).byte().numpy()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip of 26 frames that pans over a texture."""
    wide = texture(120, 260)
    target = tmp_path / "clips" / "deeper" / "pan.mkv"
    target.parent.mkdir(parents=True)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for i in range(26):
            picture = np.ascontiguousarray(wide[:, i * SHIFT : i * SHIFT + 160])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return tmp_path / "clips"


def test_the_motion_is_found(folder: Path) -> None:
    found = Clips(folder, side=80, pairs=3)
    assert len(found.pairs) == 3  # every eighth of 26 frames, three at most
    pair = found.pairs[0]
    rows, columns = np.mgrid[0 : pair.seen.shape[0], 0 : pair.seen.shape[1]]
    scale = pair.seen.shape[0] / 120  # frames are kept smaller than they are
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


class Shifting(torch.nn.Module):
    """Stands for RAFT: gives the flow that is known, for pictures padded to a multiple of 8."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
        n, _, height, width = first.shape
        assert height % 8 == 0 and width % 8 == 0 and float(first.abs().max()) <= 1
        flow = torch.zeros(n, 2, height, width)
        flow[0, 0], flow[1, 0] = SHIFT, -SHIFT  # now -> before, before -> now
        return [flow]


def test_raft_is_asked_and_checked_both_ways() -> None:
    picture = texture(84, 100)
    x, y, seen = raft_flow(Shifting())(picture, picture)
    assert x.shape == (84, 100)
    assert np.array_equal(x[0], np.arange(100) + SHIFT) and np.array_equal(y[:, 0], np.arange(84))
    assert seen[:, : 100 - SHIFT].all() and not seen[:, 100 - SHIFT :].any()


def test_torchvisions_raft_takes_what_it_is_given() -> None:
    """Random weights: no flow worth anything, but the real network's shapes."""
    from torchvision.models.optical_flow import raft_small

    picture = texture(132, 140)
    x, _, seen = raft_flow(raft_small(weights=None))(picture, picture)
    assert x.shape == seen.shape == (132, 140)


def test_raft_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models.optical_flow.raft_small", refuse)
    with pytest.raises(InputError, match="RAFT weights cannot be had"):
        raft_flow()


def test_refusals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="no such folder of clips"):
        find_clips(tmp_path / "none")
    with pytest.raises(InputError, match="no clips in this folder"):
        find_clips(tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"nothing" * 99)
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="none of the 1 clips"):
        Clips(tmp_path, side=64)
    assert "broken.mp4" in caplog.text


def test_a_cut_is_left_out(folder: Path) -> None:
    def lost(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = before.shape[:2]
        return np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)

    assert read_pairs(find_clips(folder)[0], 3, 90, lost) == []
    assert {".mp4", ".mov"} <= clips.SUFFIXES
