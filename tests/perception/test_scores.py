"""Scores of pictures and features whose score is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.perception.features import LossNetwork
from realtime.perception.scores import PictureMeter, grid_ratio, resize_area
from tests.helpers.pictures import soft


def test_the_painting_itself_has_its_own_style(vgg: Path) -> None:
    painting = soft(5, 96, 96)
    meter = PictureMeter(LossNetwork.load(vgg), painting, torch.device("cpu"), (64, 96))
    itself, other = meter(soft(1, 96, 96), painting), meter(soft(1, 96, 96), soft(2, 96, 96))
    assert float(itself.layers[1].max()) < 1e-9  # at its own size
    assert float(itself.layers.mean(1).argmin()) == 1
    assert float(other.layers[1].mean()) > 1e-3
    assert itself.content > 0.01


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("across", [True, False])
def test_a_grid_stands_out(period: int, across: bool) -> None:
    picture = soft(3)
    assert grid_ratio(picture) < 3
    with_grid = picture.astype(int)
    lines = (slice(None), slice(None, None, period)) if across else slice(None, None, period)
    with_grid[lines] += 12
    assert grid_ratio(np.clip(with_grid, 0, 255).astype(np.uint8)) > 10


@pytest.mark.parametrize("size", [(32, 33), (48, 72), (50, 241)])
def test_a_grid_is_looked_for_in_every_size(size: tuple[int, int]) -> None:
    assert grid_ratio(np.full((*size, 3), 128, np.uint8)) == 1
    assert np.isfinite(grid_ratio(soft(0, *size)))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(0, 255))
def test_resizing_keeps_a_flat_picture(height: int, width: int, short: int, value: int) -> None:
    out = resize_area(np.full((height, width, 3), value, np.uint8), short)
    assert min(out.shape[:2]) == short or min(height, width) != height  # rounding of the long side never wins
    assert (out == value).all()


def test_resizing_takes_means_of_areas() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    blocks = picture.reshape(2, 2, 2, 2, 3).astype(float).mean((1, 3))
    assert np.abs(resize_area(picture, 2) - blocks).max() <= 0.5
