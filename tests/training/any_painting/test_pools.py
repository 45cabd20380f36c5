"""What is known of pictures: right, of the right size, and always the same for a seed and a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.training.any_painting.pictures import LONG, Pictures, hold, load_contents, read_pictures
from realtime.training.any_painting.pools import (
    MARGIN,
    SAMPLES,
    PaintingPool,
    PhotographPool,
    Seed,
    middle,
    resized,
    target_sides,
)
from realtime.training.data import find_pictures
from realtime.transnet.hypernetwork import EMITTED, PICTURE_SIDE, STROKES, Encoder, HyperNetwork


@pytest.fixture(scope="module")
def held(paintings: Path) -> Pictures:
    return hold([read_pictures(find_pictures(paintings), 128, LONG)], [paintings], 4, 128)


@pytest.fixture(scope="module")
def pool(encoder: Encoder, held: Pictures) -> PaintingPool:
    made = PaintingPool(encoder, held, [1.0], 1, 4, Seed(0))
    for number in range(4):
        made.look(number)
    return made


def test_the_sizes_of_strokes() -> None:
    sides = target_sides()
    assert sides[0] == PICTURE_SIDE * STROKES[0] and sides[-1] == PICTURE_SIDE * STROKES[1]
    assert PICTURE_SIDE in sides and all(side % 8 == 0 for side in sides) and sides == sorted(sides)


class Watched:
    """An encoder that keeps what it is given."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.seen = encoder, [torch.empty(0)]
        self.seen.clear()

    def __call__(self, rgb: torch.Tensor) -> Any:
        self.seen.append(rgb)
        return self.encoder(rgb)

    def parameters(self) -> Any:
        return self.encoder.parameters()


def test_targets_are_of_the_whole_painting_at_the_size_of_the_strokes(encoder: Encoder, held: Pictures) -> None:
    """Larger strokes are a larger painting; nothing of it is cut away for them."""
    watched: Any = Watched(encoder)
    made = PaintingPool(watched, held, [1.0], 1, 4, Seed(3))
    sides = set()
    for number in range(12):
        watched.seen.clear()
        made.look(number)
        view, target = watched.seen[0], watched.seen[-1]
        side = target.shape[-1]
        sides.add(side)
        slot = number % 4
        assert float(made.strokes[slot]) == pytest.approx(side / PICTURE_SIDE)
        assert float((resized(view, 64) - resized(target, 64)).abs().mean()) < 0.01
        with torch.no_grad():
            flat = encoder(target)[1][0].flatten(1)
        wanted = flat @ flat.T / flat.shape[1]
        assert torch.allclose(made.grams[1][slot], wanted, rtol=1e-3, atol=1e-3 * float(wanted.max()))
        if len(sides) > 2:
            break
    assert len(sides) > 2


def test_the_statistics_are_those_of_the_hypernetwork(encoder: Encoder, held: Pictures) -> None:
    watched: Any = Watched(encoder)
    made = PaintingPool(watched, held, [1.0], 2, 4, Seed(1))
    made.look(0)
    torch.manual_seed(0)
    network = HyperNetwork(EMITTED)
    for scale in network.scales:
        scale.data.uniform_(0.5, 2)
    with torch.no_grad():
        wanted = network.statistics(encoder(watched.seen[0]))
        found = network.statistics_of([m[:2] for m in made.means], [c[:2] for c in made.covariances])
    assert torch.allclose(found, wanted, rtol=1e-2, atol=1e-3 * float(wanted.abs().max()))


def test_samples_are_of_the_target(pool: PaintingPool) -> None:
    assert [s.shape for s in pool.samples] == [(4, SAMPLES, c) for c in (128, 256, 512)]
    first = pool.samples[0][0].float()
    expected = pool.grams[0 + 1][0].diagonal()
    assert torch.allclose((first**2).mean(0), expected, rtol=0.5, atol=0.1 * float(expected.max()))
    assert float(pool.colours.min()) >= 0 and float(pool.colours.max()) <= 1


def test_a_look_depends_on_its_number_alone(encoder: Encoder, held: Pictures, pool: PaintingPool) -> None:
    other = PaintingPool(encoder, held, [1.0], 1, 4, Seed(0))
    for number in (3, 1):
        other.look(number)
    for slot in (1, 3):
        assert torch.equal(other.grams[2][slot], pool.grams[2][slot])
        assert torch.equal(other.samples[1][slot], pool.samples[1][slot])
    apart = PaintingPool(encoder, held, [1.0], 1, 4, Seed(0, 1))
    apart.look(3)
    assert not torch.equal(apart.colours[3], pool.colours[3])


def test_the_pool_is_refilled_as_it_was(encoder: Encoder, photographs: Path) -> None:
    held = load_contents(photographs, 96, 1)
    rolled, filled = (PhotographPool(encoder, held, 80, 1, 4, Seed(0)) for _ in range(2))
    rolled.fill(0)
    for step in range(3):
        rolled.look(step + 4)
    filled.fill(3)
    assert torch.equal(rolled.values, filled.values) and torch.equal(rolled.features, filled.features)


def test_photographs_have_a_border_and_the_features_of_their_middle(encoder: Encoder, photographs: Path) -> None:
    pool = PhotographPool(encoder, load_contents(photographs, 96, 1), 80, 2, 4, Seed(0))
    pool.look(0)
    assert pool.values.shape == (8, 3, 80 + 2 * MARGIN, 80 + 2 * MARGIN)
    with torch.no_grad():
        wanted = encoder(middle(pool.values[:2]))[3]
    assert torch.allclose(pool.features[:2], wanted, atol=1e-4)
    assert torch.allclose(pool.variances[:2], wanted.var((1, 2, 3)))


def test_folders_have_their_shares(encoder: Encoder) -> None:
    dark, bright = torch.zeros(3, 3, 32, 32), torch.full((1, 3, 32, 32), 255.0)
    held = Pictures(torch.cat([dark, bright]).byte(), (3, 1), (3, 1))
    pool = PaintingPool(encoder, held, [0.0, 1.0], 2, 4, Seed(0))
    pool.look(0)
    assert float(pool.colours[:2].min()) > 0.8
