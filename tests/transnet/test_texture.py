"""The texture plane: one field, whichever way its parts are taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.transnet.texture import (
    FIELD_SIDE,
    TEXTURE_SCALE,
    field_codes,
    field_tensor,
    texture_cells,
    texture_field,
    texture_gain,
    texture_planes,
    wrapped_origin,
)
from tools.texture_field import noise_field

PERIOD = 2 * FIELD_SIDE
"""Luma pixels after which the field repeats itself."""

places = st.tuples(*[st.floats(-5000, 5000).map(lambda v: round(v * 4) / 4)] * 2)
sizes = st.tuples(*[st.integers(1, 40)] * 2)


def plane(cells: np.ndarray) -> np.ndarray:
    """(h, w, 4) -> (2h, 2w)."""
    h, w = cells.shape[:2]
    return cells.reshape(h, w, 2, 2).transpose(0, 2, 1, 3).reshape(2 * h, 2 * w)


def test_the_field_is_the_one_that_the_tool_makes() -> None:
    assert np.array_equal(texture_field(), noise_field())
    assert texture_field().std() == pytest.approx(TEXTURE_SCALE, rel=0.05)
    with pytest.raises(ValueError, match="read-only"):
        texture_field()[0, 0] = 0


def test_at_the_origin_it_is_the_field_itself() -> None:
    assert np.array_equal(plane(texture_cells((0, 0), 20, 30)), texture_field()[:40, :60])


@settings(max_examples=50)
@given(places, sizes, st.floats(0, 1))
def test_a_device_takes_the_same_part(origin: tuple[float, float], size: tuple[int, int], amount: float) -> None:
    """Equal to the last bit, as long as a device computes in fp32."""
    there = torch.tensor([wrapped_origin(origin)])
    on_device = texture_planes(field_codes(), there, *size).mul(texture_gain(amount)).add(0.5).floor()
    assert np.array_equal(on_device[0].permute(1, 2, 0).numpy() + 128, texture_cells(origin, *size, amount))


def test_training_takes_the_same_part_in_units() -> None:
    origins = torch.tensor([[3.0, 9.5], [1000.25, 0.0]])
    units = texture_planes(field_tensor(), origins, 6, 9)
    for origin, planes in zip(origins.tolist(), units, strict=True):
        cells = texture_cells(tuple(origin), 6, 9).astype(np.float32)
        assert np.abs(planes.permute(1, 2, 0).numpy() * TEXTURE_SCALE + 128 - cells).max() <= 0.5


@settings(max_examples=50)
@given(places, st.integers(-3, 3), st.integers(-3, 3))
def test_it_repeats_itself(origin: tuple[float, float], down: int, right: int) -> None:
    far = origin[0] + down * PERIOD, origin[1] + right * PERIOD
    assert np.array_equal(texture_cells(origin, 5, 7), texture_cells(far, 5, 7))
    assert wrapped_origin(far) == wrapped_origin(origin)
    assert all(0 <= v < PERIOD for v in wrapped_origin(origin))


@pytest.mark.parametrize("size", [(4, 4), (300, 20), (20, 600)])
def test_a_large_picture_goes_round(size: tuple[int, int]) -> None:
    part = plane(texture_cells((PERIOD - 8, 6), *size))
    rows, columns = (np.arange(first, first + 2 * n) % FIELD_SIDE for first, n in ((-4, size[0]), (3, size[1])))
    assert np.array_equal(part, texture_field()[rows[:, None], columns])


@settings(max_examples=50)
@given(places, st.integers(0, 20), st.integers(0, 20))
def test_a_shift_by_whole_samples_moves_the_plane(origin: tuple[float, float], down: int, right: int) -> None:
    here = plane(texture_cells(origin, 24, 24))
    there = plane(texture_cells((origin[0] + 2 * down, origin[1] + 2 * right), 12, 12))
    assert np.array_equal(here[down : down + 24, right : right + 24], there)


def test_between_samples_it_is_their_mean() -> None:
    field = texture_field().astype(float)
    half = plane(texture_cells((1.0, 0.0), 8, 8)).astype(float)
    assert np.abs(half - (field[:16, :16] + field[1:17, :16]) / 2).max() <= 0.5


@given(places, st.floats(0, 1))
def test_the_amount_scales_it(origin: tuple[float, float], amount: float) -> None:
    whole, part = (texture_cells(origin, 6, 8, a).astype(float) - 128 for a in (1.0, amount))
    assert np.abs(part - texture_gain(amount) * whole).max() <= 1
    assert not (texture_cells(origin, 6, 8, 0.0) != 128).any()
