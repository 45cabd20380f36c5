"""The losses measure what they say, and weights mean the same at any scale."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realtime.training import losses


def features(seed: int, channels: int = 8, size: int = 12) -> torch.Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(seed))


def test_gram_is_the_definition() -> None:
    f = features(0)
    expected = torch.einsum("nchw,ndhw->ncd", f, f) / 144
    assert torch.allclose(losses.gram(f), expected, atol=1e-5)
    assert torch.allclose(losses.gram(f.bfloat16()), expected, rtol=0.01)


@given(st.floats(0.01, 100))
def test_normalised_errors_do_not_depend_on_the_scale(scale: float) -> None:
    a, b = features(0), features(1)
    target = losses.gram(b)[0]
    style = losses.style_errors([a], [target])
    assert torch.allclose(losses.style_errors([a * scale], [target * scale**2]), style, rtol=1e-3)
    assert torch.allclose(losses.content_error(a * scale, b * scale), losses.content_error(a, b), rtol=1e-3)


def test_fixed_points() -> None:
    a = features(0)
    assert losses.content_error(a, a).tolist() == [0, 0]
    assert losses.style_errors([a[:1]], [losses.gram(a)[0]]).tolist() == [[0]]
    black = losses.style_errors([torch.zeros_like(a)], [losses.gram(a)[0]])
    assert black.flatten().tolist() == pytest.approx([1, 1])
    mean = a.mean((1, 2, 3), keepdim=True).expand_as(a)
    assert losses.content_error(mean, a).tolist() == pytest.approx([1, 1], rel=1e-3)


def test_gamut_and_variation() -> None:
    inside, outside = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 1.5)
    assert losses.gamut_error(inside).item() == 0
    assert losses.gamut_error(outside).item() == pytest.approx(0.25)
    assert losses.total_variation(inside).item() == 0
    stripes = torch.zeros(1, 3, 4, 4)
    stripes[..., ::2] = 1
    assert losses.total_variation(stripes).item() == pytest.approx(1)


def test_temporal_error_looks_only_where_the_motion_is_known() -> None:
    a, b = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    valid = torch.zeros(1, 1, 4, 4)
    assert losses.temporal_error(a, b, valid).item() == 0
    valid[..., 0, 0] = 1
    assert losses.temporal_error(a, b, valid).item() == pytest.approx(1)
