"""What a step draws: always the same for a seed and a step, of shapes that never change."""

from __future__ import annotations

import torch

from realtime.training.any_painting.batch import SHIFT, WARPED, BatchShape
from realtime.training.any_painting.pools import SAMPLES, Seed

SHAPE = BatchShape(paintings=3, contents=2, size=80, slots=(8, 16), mix=0.5, noise=0.02)
CPU = torch.device("cpu")


def test_a_batch_depends_on_seed_step_and_process() -> None:
    batches = [
        SHAPE.draw(step, Seed(*seed), CPU) for step, seed in ((4, (1,)), (4, (1,)), (5, (1,)), (4, (2,)), (4, (1, 1)))
    ]
    same, *others = batches[1:]
    assert all(torch.equal(a, b) for a, b in zip(batches[0].tensors(), same.tensors(), strict=True))
    for other in others:
        assert not torch.equal(batches[0].noise, other.noise)


def test_values_are_in_their_ranges() -> None:
    several = [SHAPE.draw(step, Seed(0), CPU) for step in range(60)]
    mixes = torch.cat([batch.mix for batch in several])
    assert 0.3 < float((mixes > 0).float().mean()) < 0.7 and float(mixes.max()) <= 1
    paint = torch.cat([batch.paint for batch in several])
    assert 0 <= float(paint.min()) < 0.1 and 0.9 < float(paint.max()) <= 1
    assert max(int(batch.paintings.max()) for batch in several) == 7
    assert max(int(batch.photographs.max()) for batch in several) == 15
    assert max(int(batch.places[2].max()) for batch in several) < 100
    for batch in several:
        assert all(torch.allclose(d.norm(dim=0), torch.ones(d.shape[1])) for d in batch.directions)
        assert batch.noise.std() < 0.025 and len(batch.lots) == SAMPLES


def test_most_motions_are_shifts_by_whole_pixels() -> None:
    whole = 0
    for step in range(60):
        batch = SHAPE.draw(step, Seed(0), CPU)
        assert batch.shift.abs().max() <= SHIFT and torch.equal(batch.shift, batch.shift.round())
        for positions, shift in zip(batch.positions, batch.shift, strict=True):
            moved = positions - torch.stack(torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="xy"), -1)
            if torch.allclose(moved, shift.flip(0).expand_as(moved), atol=1e-4):
                whole += 1
            else:  # turned and zoomed about the middle, by a few pixels at most
                assert torch.allclose(moved.mean((0, 1)), shift.flip(0), atol=1e-2)
                assert float((moved - shift.flip(0)).abs().max()) < 0.07 * 57
    assert abs(whole / 180 - (1 - WARPED)) < 0.12


def test_values_are_taken_over_in_place() -> None:
    first, second = (SHAPE.draw(step, Seed(0), CPU) for step in range(2))
    places = [value.data_ptr() for value in first.tensors()]
    first.take(second)
    assert [value.data_ptr() for value in first.tensors()] == places
    assert all(torch.equal(a, b) for a, b in zip(first.tensors(), second.tensors(), strict=True))
