"""Frames in a device's memory: sums of their luma, and moves on the texture plane. The CPU's memory stands for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from realtime.engines.cuda.surfaces import luma_sums, nv12, surface_frame
from realtime.frames import Frame, SurfaceFrame
from realtime.media.convert import scene_motion
from tests.helpers.planes import noise, same


def on_device(frame: Frame, pitch: int = 0) -> SurfaceFrame:
    """The frame as a surface whose lines are longer by `pitch` bytes."""
    y, u, v = (torch.from_numpy(plane)[None] for plane in (frame.y, frame.u, frame.v))
    surface = torch.empty(frame.height * 3 // 2, frame.width + pitch, dtype=torch.uint8)[:, : frame.width]
    return surface_frame(surface.copy_(nv12(y, u, v)[0]), frame)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("pitch", [0, 24])
def test_sums_of_luma_are_those_of_the_cpu(side: int, pitch: int) -> None:
    frame = noise(46, 70)
    surface = on_device(frame, pitch)
    ours, theirs = luma_sums(surface, side), scene_motion.luma_sums(frame, side)
    assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    assert np.array_equal(luma_sums(frame, side), theirs)
    assert not surface.fetched


def test_a_surface_at_another_place() -> None:
    """It shares the memory, and the planes on the CPU once they are there."""
    frame = noise(46, 70)
    surface = on_device(frame)
    moved = surface.at((3.0, -2.5))
    assert moved.origin == (3.0, -2.5) and surface.origin == (0, 0)
    assert (moved.luma, moved.chroma, moved.owner) == (surface.luma, surface.chroma, surface.owner)
    assert (moved.width, moved.height, moved.pts, moved.color) == (70, 46, frame.pts, frame.color)
    assert not moved.fetched
    assert same(moved, frame)
    assert moved.y is surface.y
