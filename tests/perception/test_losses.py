"""The losses are those of their definitions, and weights mean the same at any scale."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.options import ContentNormalisation, GramNormalisation
from realtime.perception import losses


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


# Two channels over 1 x 2 pixels: f1 = (1, 2), f2 = (3, 4). F F^T = [[5, 11], [11, 25]], over 2 pixels G = [[2.5, 5.5],
# [5.5, 12.5]]. The painting's: a1 = (1, 0), a2 = (0, 1): A = [[0.5, 0], [0, 0.5]].
F_BY_HAND = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
A_BY_HAND = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
SQUARES = 2.0**2 + 5.5**2 + 5.5**2 + 12.0**2  # of G - A: 208.5


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("gatys", SQUARES * 4 / (4 * 2**2 * 2**2)),  # (2 (G - A))^2 / (4 C^2 (HW)^2), C = 2, HW = 2
        ("chw", SQUARES / 2**2 / 4),  # of G / 2, mean over 4 entries
        ("pixels", SQUARES / 4),
        ("relative", SQUARES / 0.5),  # |A|^2 = 2 x 0.25
    ],
)
def test_gram_errors_by_hand(normalisation: GramNormalisation, expected: float) -> None:
    matrix = losses.gram(F_BY_HAND)
    assert matrix[0].tolist() == [[2.5, 5.5], [5.5, 12.5]]
    error = losses.gram_error(matrix, losses.gram(A_BY_HAND)[0], normalisation)
    assert error.tolist() == pytest.approx([expected])


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [("gatys", 24 / (2 * 4)), ("mean", 24 / 4), ("variance", 24 / (4 * 1 / 3))],
)
def test_content_errors_by_hand(normalisation: ContentNormalisation, expected: float) -> None:
    """Differences 0, 2, 2, 4: squares 24 over 4 values. The target's (1, 0, 1, 0) variance is 1/3."""
    target = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    error = float(((features - target) ** 2).sum()) / losses.content_divisor(target, normalisation)
    assert error == pytest.approx(expected)


@pytest.mark.parametrize("normalisation", get_args(GramNormalisation))
def test_gradients_by_finite_differences(normalisation: GramNormalisation) -> None:
    generator = torch.Generator().manual_seed(3)
    f = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    target = losses.gram(torch.rand(1, 3, 4, 4, generator=generator, dtype=torch.float64))[0]
    assert torch.autograd.gradcheck(lambda x: losses.gram_error(losses.gram(x), target, normalisation), (f,))


def test_total_variation_and_temporal_gradients() -> None:
    generator = torch.Generator().manual_seed(4)
    rgb = torch.rand(1, 3, 5, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    moved = torch.rand(1, 3, 5, 6, generator=generator, dtype=torch.float64)
    valid = (torch.rand(1, 1, 5, 6, generator=generator) < 0.7).double()
    assert torch.autograd.gradcheck(losses.total_variation, (rgb,))
    assert torch.autograd.gradcheck(lambda x: losses.temporal_error(x, moved, valid), (rgb,))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(2, 6), st.integers(0, 99))
def test_gram_matrices_of_a_repeated_tile_are_those_of_the_whole(rows: int, columns: int, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tile = torch.randn(2, 5, side, side, generator=generator)
    features = tile.repeat(1, 1, rows, columns)
    rest = torch.nn.functional.pad(features, (0, side - 1, 0, side - 1))  # incomplete tiles do not count
    grams = losses.tile_grams(rest, side)
    assert grams.shape == (2, rows * columns, 5, 5)
    assert torch.allclose(grams, losses.gram(features)[:, None].expand_as(grams), atol=1e-5)


def test_a_picture_smaller_than_a_tile_is_one() -> None:
    features = torch.randn(1, 4, 8, 30)
    assert torch.equal(losses.tile_grams(features, 16)[:, 0], losses.gram(features))


def test_style_stamped_on_one_half_is_worse_locally() -> None:
    tile = torch.randn(1, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    features = torch.cat([2**0.5 * tile, 0 * tile], 3)  # the same Gram matrix over the whole
    target = losses.gram(tile)
    assert torch.allclose(losses.gram(features), target, atol=1e-5)
    assert float(((losses.tile_grams(features, 8) - target) ** 2).sum() / (target**2).sum()) > 1


def test_the_local_error_is_that_of_the_tiles() -> None:
    """In layers of half the size a tile has half the pixels; a crop that is all style has none."""
    fine = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3)).repeat(2, 1, 4, 4)
    coarse = torch.rand(1, 6, 32, 32, generator=torch.Generator().manual_seed(4)).repeat(2, 1, 4, 4)
    targets = [losses.gram(f)[0] for f in (fine, coarse)]

    def local_errors() -> torch.Tensor:
        return losses.local_errors([losses.tile_grams(fine, 128), losses.tile_grams(coarse, 64)], targets)

    assert float(local_errors().max()) < 1e-9
    fine[1, :, :128, :128] = 0  # one of four tiles
    found = local_errors()
    assert found.shape == (2, 2)
    assert torch.allclose(found, torch.tensor([[0, 0.25], [0, 0]]), atol=1e-5)


def test_an_empty_tile_counts_up_to_the_bound() -> None:
    a = features(2, size=16)
    target = losses.gram(a)
    whole = losses.tile_errors(a[:1], target[0], 16)
    assert whole.tolist() == pytest.approx([0], abs=1e-6)
    empty = a[:1].clone()
    empty[..., :8, :8] = 0  # one tile of four
    assert float(losses.tile_errors(empty, target[0], 8)) > 0.25
    loud = a[:1].clone()
    loud[..., :8, :8] *= 100
    quiet = float(losses.tile_errors(a[:1], target[0], 8))
    assert float(losses.tile_errors(loud, target[0], 8, largest=2.0)) <= quiet + 0.5


def test_each_picture_is_compared_with_its_painting() -> None:
    """Two paintings, two pictures of each: the same as one after the other."""
    pictures, paintings = torch.cat([features(3), features(4)]), features(5)
    both = losses.tile_errors(pictures, losses.gram(paintings), 4)
    alone = [losses.tile_errors(pictures[2 * n : 2 * n + 2], losses.gram(paintings)[n], 4) for n in range(2)]
    assert torch.allclose(both, torch.cat(alone))
    directions = torch.nn.functional.normalize(torch.randn(8, 5), dim=0)
    values, targets = pictures.flatten(2), paintings.flatten(2).transpose(1, 2)
    both = losses.sliced_errors(values, targets, directions)
    alone = [losses.sliced_errors(values[2 * n : 2 * n + 2], targets[n : n + 1], directions) for n in range(2)]
    assert torch.allclose(both, torch.cat(alone))


def test_the_sliced_distance_of_shifted_values_is_the_shift() -> None:
    values = torch.randn(1, 1, 4096, generator=torch.Generator().manual_seed(1))
    one = torch.ones(1, 1)
    target = values.transpose(1, 2)[:, torch.randperm(4096)]  # the order means nothing
    assert float(losses.sliced_errors(values, target, one)) == pytest.approx(0, abs=1e-9)
    assert float(losses.sliced_errors(values + 0.5, target, one)) == pytest.approx(0.25 / float(values.var()), rel=1e-3)


def test_the_sliced_distance_tells_distributions_of_equal_second_moments_apart() -> None:
    """Gram matrices cannot."""
    generator = torch.Generator().manual_seed(2)
    normal = torch.randn(1, 4, 32, 32, generator=generator)
    signs = torch.randn(1, 4, 32, 32, generator=generator).sign()
    other = torch.randn(1, 4, 32, 32, generator=generator)
    assert float(losses.style_errors([signs], [losses.gram(normal)[0]])) < 0.01
    same = losses.sliced_wasserstein_error([other], [normal], generator)
    assert float(losses.sliced_wasserstein_error([signs], [normal], generator)) > 1.5 * float(same)


def test_gradients_of_sliced_errors() -> None:
    values = torch.randn(1, 3, 20, dtype=torch.float64).float().requires_grad_()
    target = torch.randn(1, 20, 3)
    directions = torch.nn.functional.normalize(torch.randn(3, 4), dim=0)
    losses.sliced_errors(values, target, directions).sum().backward()
    assert values.grad is not None and float(values.grad.abs().sum()) > 0
