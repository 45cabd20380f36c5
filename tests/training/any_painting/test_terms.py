"""The terms of the objective, against what their definitions say, one picture at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.perception import losses
from realtime.training.any_painting import terms


def features(*shape: int, seed: int = 0) -> Tensor:
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).relu()
    return made.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else made


def gram_of(picture: Tensor) -> Tensor:
    flat = picture.flatten(1)
    return flat @ flat.T / flat.shape[1]


def relative(matrix: Tensor, target: Tensor) -> float:
    return float(((matrix - target) ** 2).sum() / (target**2).sum())


def test_each_painting_has_its_own_pictures() -> None:
    assert terms.spread(torch.tensor([1, 2]), 3).tolist() == [1, 1, 1, 2, 2, 2]
    assert terms.spread(torch.zeros(2, 4, 5), 3).shape == (6, 4, 5)


def test_gram_errors() -> None:
    taps = [features(4, 6, 10, 8), features(4, 9, 5, 4, seed=1)]
    targets = [torch.stack([gram_of(features(c, 7, 7, seed=s)) for s in (2, 3)]) for c in (6, 9)]
    found = terms.gram_errors(taps, targets)
    for n in range(4):
        wanted = [relative(gram_of(tap[n]), target[n // 2]) for tap, target in zip(taps, targets, strict=True)]
        assert float(found[n]) == pytest.approx(sum(wanted) / 2, rel=1e-4)


def test_tile_errors() -> None:
    tap, target = features(2, 6, 8, 8), torch.stack([gram_of(features(6, 7, 7, seed=2))])
    found = losses.tile_errors(tap, target, 4, largest=1.0)
    for n in range(2):
        tiles = [tap[n, :, y : y + 4, x : x + 4] for y in (0, 4) for x in (0, 4)]
        wanted = [min(1.0, relative(gram_of(tile), target[0])) for tile in tiles]
        assert float(found[n]) == pytest.approx(sum(wanted) / 4, rel=1e-4)


def test_an_empty_tile_shows_in_the_tiles_only() -> None:
    """The mean Gram matrix of a picture can be right where a part of it is empty."""
    tap = features(1, 6, 8, 8)
    tap[..., :4, :] = 0
    target = gram_of(tap[0])[None]
    assert float(terms.gram_errors([tap], [target])) == pytest.approx(0, abs=1e-6)
    assert float(losses.tile_errors(tap, target, 4)) > 0.5


def test_sliced_errors() -> None:
    values, target = features(4, 5, 30), features(2, 30, 5, seed=1)
    directions = F.normalize(torch.randn(5, 7, generator=torch.Generator().manual_seed(2)), dim=0)
    found = losses.sliced_errors(values, target, directions)
    for n in range(4):
        of_target = target[n // 2]
        distances, variances = [], []
        for direction in directions.T:
            one, other = sorted((direction @ values[n]).tolist()), sorted((of_target @ direction).tolist())
            distances.append(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / 30)
            variances.append(float(torch.tensor(other).var()))
        wanted = sum(distances) / 7 / (sum(variances) / 7 + 1e-4)
        assert float(found[n]) == pytest.approx(wanted, rel=1e-4)


def test_the_order_of_samples_does_not_matter_to_sliced_errors() -> None:
    values = features(1, 5, 30)
    target = values[:, :, torch.randperm(30, generator=torch.Generator().manual_seed(1))].transpose(1, 2)
    assert float(losses.sliced_errors(values, target, torch.eye(5))) == pytest.approx(0, abs=1e-9)
    assert float(losses.sliced_errors(values + 1, target, torch.eye(5))) > 0.1


def test_sampled_takes_positions_row_by_row() -> None:
    tap = features(2, 3, 4, 5)
    places = torch.tensor([0, 7, 19, 7])
    found = losses.sampled(tap, places)
    assert found.shape == (2, 3, 4)
    for at, place in enumerate(places.tolist()):
        assert torch.equal(found[..., at], tap[..., place // 5, place % 5])


def positions(size: int, right: float, down: float) -> Tensor:
    axis = torch.arange(size, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x + right, y + down], -1)[None]


def test_a_shift_by_whole_pixels_is_exact() -> None:
    pictures = features(1, 3, 40, 40)
    moved = terms.moved(pictures, positions(40, 3, -2))
    assert torch.allclose(moved[..., 5:30, 5:30], pictures[..., 3:28, 8:33], atol=1e-5)


def test_moved_errors() -> None:
    first = features(1, 3, 40, 40)
    where = positions(40, 3, -2)
    again = first.roll((2, -3), (2, 3))
    assert float(terms.moved_errors(again, first, where, 8)) == pytest.approx(0, abs=1e-9)
    assert float(terms.moved_errors(again + 0.1, first, where, 8)) == pytest.approx(0.01, rel=1e-4)
    assert float(terms.moved_errors(first, first, where, 8)) > 0.1
    again[..., :4, :] = 7  # what lies beyond the border does not count
    assert float(terms.moved_errors(again, first, where, 8)) == pytest.approx(0, abs=1e-9)
