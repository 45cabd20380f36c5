"""The content's weight follows the content's error."""

from __future__ import annotations

import math

import pytest
import torch

from realtime.training.content_hold import EVERY, MOST, TARGET, ContentHold
from tests.helpers.transnets import SMALL, random_network


@pytest.fixture
def hold() -> ContentHold:
    return ContentHold(random_network(SMALL))


def value(number: float) -> torch.Tensor:
    return torch.tensor(number)


def test_the_weight_grows_while_more_is_lost_and_falls_while_less_is(hold: ContentHold) -> None:
    hold.follow(value(2 * TARGET), value(2.0))
    assert hold.factor == pytest.approx(1)
    hold.follow(value(TARGET + 0.2), value(1.0))
    grown = hold.factor
    assert grown > 1
    hold.follow(value(TARGET - 0.2), value(1.0))
    assert hold.factor == pytest.approx(1)
    hold.follow(value(TARGET - 0.2), value(1.0))
    assert hold.factor == pytest.approx(1 / grown)


def test_it_is_bounded_and_ignores_what_is_not_finite(hold: ContentHold) -> None:
    for _ in range(50):
        hold.follow(value(1e9), value(0.0))
    assert hold.log_factor == MOST
    for bad in (math.nan, math.inf):
        hold.follow(value(bad), value(1.0))
    assert hold.log_factor == MOST


def test_a_constrained_problem_is_solved() -> None:
    """Least (x - 3)^2 with x^2 held at the target."""
    hold = ContentHold(random_network(SMALL))
    x = 0.5
    for _ in range(400):
        gradient = 2 * (x - 3) + hold.factor * 2 * x
        x -= 0.05 * gradient
        hold.follow(value(x * x), value(1.0))
    assert x * x == pytest.approx(TARGET, abs=0.02)


def test_the_reference_does_not_change() -> None:
    network = random_network(SMALL)
    hold = ContentHold(network)
    before = {name: v.clone() for name, v in hold.reference.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert all(torch.equal(before[name], v) for name, v in hold.reference.state_dict().items())
    assert [hold.due(step) for step in range(EVERY + 1)] == [True, *[False] * (EVERY - 1), True]
