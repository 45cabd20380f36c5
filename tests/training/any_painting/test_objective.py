"""The objective: what it computes of a batch, and that gradients reach the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.options import AnyTrainOptions
from realtime.perception.losses import content_error
from realtime.training.any_painting import objective as objective_module
from realtime.training.any_painting import terms
from realtime.training.any_painting.batch import Batch, BatchShape
from realtime.training.any_painting.objective import LEAST_STYLE_ERROR, TERMS, Objective
from realtime.training.any_painting.pictures import LONG, hold, load_contents, read_pictures
from realtime.training.any_painting.pools import PaintingPool, PhotographPool, Seed, middle
from realtime.training.data import find_pictures
from realtime.training.objective import stylise_rgb
from realtime.transnet.hypernetwork import Encoder, HyperNetwork, content_weight
from realtime.transnet.network import Architecture

PLAIN = Architecture(width=8, body=8, dilations=(1,), norm="blocks", contours=(), skip=True, fine=(1,))
TEXTURED = replace(PLAIN, texture=True)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pools(encoder: Encoder, paintings: Path, photographs: Path) -> tuple[PaintingPool, PhotographPool]:
    held = hold([read_pictures(find_pictures(paintings), 128, LONG)], [paintings], 4, 128)
    made = (
        PaintingPool(encoder, held, [1.0], 1, 4, Seed(0)),
        PhotographPool(encoder, load_contents(photographs, 112, 1), 80, 1, 4, Seed(0)),
    )
    for pool in made:
        pool.fill(0)
    return made


@pytest.fixture(scope="module")
def batch(pools: Any) -> Batch:
    slots = tuple(pool.slots for pool in pools)
    drawn = BatchShape(2, 2, 80, (slots[0], slots[1]), 0.0, 0.02).draw(0, Seed(0), CPU)
    return replace(drawn, paintings=torch.tensor([[0, 1], [2, 3]]))


def objective_of(pools: Any, encoder: Encoder, architecture: Architecture, **options: Any) -> Objective:
    torch.manual_seed(0)
    network = HyperNetwork(architecture, 3, code=16, hidden=16)
    return Objective(AnyTrainOptions(**options), network, encoder, *pools, torch.float32)


def test_each_painting_paints_with_the_network_that_is_emitted_for_it(pools: Any, encoder: Encoder) -> None:
    objective = objective_of(pools, encoder, PLAIN)
    network, pool = objective.network, pools[0]
    with torch.no_grad():
        statistics = network.statistics_of([m[:2] for m in pool.means], [c[:2] for c in pool.covariances])
        objective.emitted.take(network.weights(network.code(statistics, torch.tensor([0.2, 0.9]), torch.ones(2))))
        rgb = torch.rand(4, 3, 80, 80, generator=torch.Generator().manual_seed(1))
        found = objective.paint(rgb, torch.zeros(4, 2))
        for n, paint in enumerate((0.2, 0.9)):
            alone = stylise_rgb(network.emit(statistics[n], paint, 1.0), rgb[2 * n : 2 * n + 2])
            assert torch.allclose(found[2 * n : 2 * n + 2], alone, atol=1e-4)


def test_the_loss_is_the_weighted_sum_of_the_terms(pools: Any, encoder: Encoder, batch: Batch) -> None:
    weights = {"swd": 0.5, "tile": 0.25, "palette": 0.125, "gamut": 7.0, "grid": 0.3, "temporal": 3.0}
    objective = objective_of(pools, encoder, TEXTURED, **weights)
    kept: dict[str, Any] = {}
    style, paint = objective._style, objective.paint
    objective._style = lambda *a: kept.setdefault("style", style(*a))  # type: ignore[method-assign]
    objective.paint = lambda *a: kept.setdefault(str(len(kept)), paint(*a))  # type: ignore[method-assign]
    with torch.no_grad():
        loss, parts = objective(batch)
        found = dict(zip(TERMS, parts.tolist(), strict=True))
        photographs = pools[1].values[batch.photographs]
        source = encoder(middle(photographs))[3]
        usual = pools[1].variances.mean()
        content = content_error(encoder(kept["0"].clamp(0, 1))[3], source, float(usual))
    gram, swd, tile, palette = kept["style"]
    whole = gram + 0.5 * swd + 0.25 * tile + 0.125 * palette
    of_painting = whole.view(2, 2).mean(1)
    balanced = (terms.spread(content_weight(batch.paint), 2) * content + whole).view(2, 2).mean(1)
    wanted = (balanced / (of_painting + LEAST_STYLE_ERROR)).mean()
    wanted = wanted + 7 * found["gamut"] + 0.3 * found["grid"] + 3 * found["temporal"]
    assert float(loss) == pytest.approx(float(wanted), rel=1e-3)
    assert found["content"] == pytest.approx(float(content.mean()), rel=1e-3)
    assert found["gram"] == pytest.approx(float(gram.mean()))


def test_every_weight_gets_a_gradient(pools: Any, encoder: Encoder, batch: Batch) -> None:
    objective = objective_of(pools, encoder, TEXTURED)
    loss, _ = objective(batch)
    loss.backward()
    for name, parameter in objective.network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
            assert float(parameter.grad.abs().sum()) > 0, name
    assert not any(p.requires_grad or p.grad is not None for p in encoder.parameters())


def test_what_moves_with_its_texture_is_painted_as_it_was(
    pools: Any, encoder: Encoder, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whole cells and without noise nothing differs beyond the reach of the border: the texture moves along."""
    monkeypatch.setattr(objective_module, "BORDER", 32)
    size = 80
    axis = torch.arange(size, dtype=torch.float32)
    still = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).expand(2, -1, -1, -1)
    shift = torch.tensor([[8.0, -8.0], [-8.0, 0.0]])
    moved = replace(batch, shift=shift, positions=still + shift.flip(1)[:, None, None], noise=0 * batch.noise)
    no_blocks = replace(TEXTURED, dilations=(), fine=())  # no statistics over the picture: they change at its border

    def error(given: Batch) -> float:
        with torch.no_grad():
            return float(objective_of(pools, encoder, no_blocks)(given)[1][TERMS.index("temporal")])

    assert error(moved) < 1e-8
    assert error(replace(moved, shift=shift + 4)) > 1e-6  # texture that stays behind
    assert error(replace(moved, noise=batch.noise)) > 1e-8


def test_mixtures_lie_between_two_paintings(pools: Any, encoder: Encoder, batch: Batch) -> None:
    objective = objective_of(pools, encoder, PLAIN)
    same = torch.stack([torch.tensor([0, 1]), torch.tensor([2, 3])])
    with torch.no_grad():
        first, second, half = (
            objective._targets(replace(batch, paintings=same, mix=torch.full((2,), mix))) for mix in (0.0, 1.0, 0.5)
        )
    pool = pools[0]
    assert torch.equal(first.grams[2], pool.grams[2][:2]) and torch.equal(second.colours, pool.colours[2:4])
    assert torch.allclose(half.grams[1], (first.grams[1] + second.grams[1]) / 2)
    assert torch.allclose(half.code, (first.code + second.code) / 2, atol=1e-6)
    from_first = (half.samples[0] == first.samples[0]).all(2).float().mean(1)
    assert torch.all((from_first > 0.35) & (from_first < 0.65))
