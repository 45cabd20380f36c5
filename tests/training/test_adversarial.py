"""The discriminator: its losses, and that it learns to distinguish textures."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realtime.training.adversarial import Discriminator, discriminator_error, output_error, painting_crops


def test_hinge() -> None:
    sure, unsure = torch.full((2, 1, 4, 4), 2.0), torch.zeros(2, 1, 4, 4)
    assert discriminator_error(sure, -sure) == 0
    assert discriminator_error(unsure, unsure) == 2
    assert discriminator_error(-sure, sure) == 6
    assert output_error(sure) == -2


def test_it_distinguishes_textures_and_its_gradient_leads_to_the_painting() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(width=8)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-2)
    wave = (torch.sin(torch.arange(64) / 2) / 2 + 0.5).expand(1, 3, 64, 64)
    standing, lying = wave, wave.transpose(2, 3)
    for _ in range(30):
        optimizer.zero_grad()
        discriminator_error(discriminator(standing), discriminator(lying)).backward()
        optimizer.step()
    assert discriminator_error(discriminator(standing), discriminator(lying)).item() < 0.5
    picture = lying.clone().requires_grad_()
    before = output_error(discriminator(picture))
    (gradient,) = torch.autograd.grad(before, picture)
    assert output_error(discriminator(picture - 0.2 * gradient.sign())).item() < before.item()


def test_each_value_depends_on_a_patch_of_70_px() -> None:
    discriminator = Discriminator(width=4)
    picture = torch.rand(1, 3, 160, 160, requires_grad=True)
    values = discriminator(picture)
    assert values.shape == (1, 1, 18, 18)
    values[0, 0, 9, 9].backward()
    assert picture.grad is not None
    rows = torch.nonzero(picture.grad.abs().sum((0, 1, 3)))
    assert int(rows.max() - rows.min()) + 1 == 70


@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 9))
def test_crops_of_a_painting_of_any_size(height: int, width: int, seed: int) -> None:
    painting = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    crops = painting_crops(painting, 2, 64, torch.Generator().manual_seed(seed))
    assert crops.shape == (2, 3, 64, 64)
    assert float(crops.min()) >= 0 and float(crops.max()) <= 1


def test_crops_are_parts_of_the_painting() -> None:
    painting = torch.arange(80 * 90).remainder(251).view(1, 80, 90).expand(3, -1, -1).to(torch.uint8)
    windows = painting.float().unfold(1, 64, 1).unfold(2, 64, 1)[0] / 255
    for crop in painting_crops(painting, 4, 64, torch.Generator().manual_seed(0)):
        found = any(bool((windows == c).all(-1).all(-1).any()) for c in (crop[0], crop[0].flip(1)))
        assert found


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_seed_gives_the_same_crops(count: int) -> None:
    painting = torch.randint(0, 256, (3, 90, 90), dtype=torch.uint8)
    a, b = (painting_crops(painting, count, 64, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)
