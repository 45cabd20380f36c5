"""Synthetic motion: the flow is exactly known."""

from __future__ import annotations

import torch

from realtime.training.motion import Motion, random_motion, sensor_noise
from realtime.transnet.texture import field_tensor, texture_planes


def test_motion_is_repeatable_and_moderate() -> None:
    a = random_motion(8, 64, torch.Generator().manual_seed(1))
    b = random_motion(8, 64, torch.Generator().manual_seed(1))
    assert torch.equal(a.grid, b.grid)
    assert a.grid.shape == (8, 64, 64, 2) and a.valid.shape == (8, 1, 64, 64)
    assert float(a.valid.mean()) > 0.5
    assert float((a.valid == 0).float().mean()) > 0


def test_whole_pixel_shifts_do_not_blur() -> None:
    """At least one in 16 is a shift (each is, with probability 1/2), and moves pixels as they are."""
    picture = torch.rand(1, 3, 64, 64)
    exact = 0
    for seed in range(16):
        motion = random_motion(1, 64, torch.Generator().manual_seed(seed))
        moved = motion.apply(picture)
        inside = motion.valid.bool().expand_as(moved)
        values = set((picture * 1e4).round().flatten().tolist())
        exact += all(v in values for v in (moved[inside] * 1e4).round().tolist()[:50])
    assert 2 <= exact <= 14


def test_a_picture_moved_with_its_grid_follows_it() -> None:
    """A picture of its own coordinates shows where each pixel came from."""
    axis = (torch.arange(64) + 0.5) * 2 / 64 - 1
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    motion = random_motion(6, 64, torch.Generator().manual_seed(3))
    moved = motion.apply(torch.stack([xs, ys])[None].expand(6, -1, -1, -1))
    error = (moved - motion.grid.permute(0, 3, 1, 2)).abs() * motion.valid
    assert float(error.max()) < 1e-3


def test_noise_stays_in_range() -> None:
    picture = torch.rand(2, 3, 32, 32)
    noisy = sensor_noise(picture, 0.02, torch.Generator().manual_seed(0))
    assert float(noisy.min()) >= 0 and float(noisy.max()) <= 1
    assert 0 < float((noisy - picture).abs().mean()) < 0.05


def test_the_texture_goes_with_the_picture() -> None:
    """The plane at the second view's origin is that of the first, moved as the picture is."""
    size, right, down = 64, 6, -8  # even: whole samples of the plane
    axis = (torch.arange(size) + 0.5) * 2 / size - 1
    ys, xs = torch.meshgrid(axis + down * 2 / size, axis + right * 2 / size, indexing="ij")
    motion = Motion(torch.stack([xs, ys], -1)[None], torch.ones(1, 1, size, size))
    assert torch.allclose(motion.translation(), torch.tensor([[float(down), float(right)]]), atol=1e-3)
    origin = torch.tensor([[40.0, 100.0]])

    def plane(at: torch.Tensor) -> torch.Tensor:
        """(1, 1, 64, 64): the plane in luma pixels."""
        packed = texture_planes(field_tensor(), at, size // 4, size // 4)
        return torch.nn.functional.pixel_shuffle(packed, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)

    moved, expected = motion.apply(plane(origin)), plane(origin + motion.translation())
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    assert torch.allclose(moved[inside], expected[inside], atol=1e-3)


def test_the_translation_is_that_of_most_pixels() -> None:
    """A thing that moves by itself does not move the texture of the scene."""
    axis = (torch.arange(32) + 0.5) * 2 / 32 - 1
    ys, xs = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([xs, ys], -1)[None].clone()
    grid[:, :10, :10] += 0.5
    assert torch.allclose(Motion(grid, torch.ones(1, 1, 32, 32)).translation(), torch.zeros(1, 2), atol=1e-4)
