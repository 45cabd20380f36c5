"""One step: rates, the average, the bound of the gradient, and steps that are skipped."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from realtime.training.any_painting.learner import PREDICTOR, Learner
from realtime.transnet.hypernetwork import HyperNetwork
from realtime.transnet.network import Architecture

ARCHITECTURE = Architecture(
    width=8, body=8, dilations=(1,), norm="blocks", contours=(), skip=True, fine=(1,), texture=True
)


@pytest.fixture
def network() -> HyperNetwork:
    torch.manual_seed(0)
    return HyperNetwork(ARCHITECTURE, 2, code=16, hidden=16)


def learner_of(network: HyperNetwork, factor: float = 1.0, clip: float = 1e9) -> Learner:
    """Its loss pulls every weight towards 3."""

    def loss(batch: Any) -> tuple[Tensor, Tensor]:
        trained = [p for p in network.parameters() if p.requires_grad]
        value = batch * torch.stack([((p - 3) ** 2).sum() for p in trained]).sum() * factor
        return value, value.detach()[None]

    return Learner(network, loss, clip)


def values(learner: Learner) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in learner.tensors().items()}


def step(learner: Learner, batch: float = 1.0) -> Tensor:
    given: Any = batch
    return learner(given)


def test_every_weight_is_trained_and_nothing_else(network: HyperNetwork) -> None:
    learner = learner_of(network)
    assert {name.partition(".")[0] for name in learner.names} >= PREDICTOR
    assert not any("scales" in name for name in learner.names)
    before = values(learner)
    learner.set_rates(0.01, 0.5)
    step(learner)
    for name, value in learner.tensors().items():
        if name.startswith("network.") and ".scales." not in name:
            moved = (value - before[name]).abs().max()
            rate = 0.005 if name.removeprefix("network.").partition(".")[0] in PREDICTOR else 0.01
            assert float(moved) == pytest.approx(rate, rel=0.05), name  # Adam's first step is the rate
            kept = before[f"average.{name.removeprefix('network.')}"]
            assert torch.allclose(learner.tensors()[f"average.{name.removeprefix('network.')}"], (kept + value) / 2)


def test_a_step_that_is_not_finite_changes_nothing(network: HyperNetwork) -> None:
    learner = learner_of(network)
    learner.set_rates(0.01, 1.0)
    step(learner)
    before = values(learner)
    for batch in (float("nan"), float("inf")):
        step(learner, batch)
    assert int(learner.skipped) == 2
    for name, value in learner.tensors().items():
        if name != "skipped":
            assert torch.equal(value, before[name]), name
    step(learner)
    assert not torch.equal(learner.tensors()["network.head.weight"], before["network.head.weight"])


def test_what_is_reported_ends_with_the_norm_of_the_gradient(network: HyperNetwork) -> None:
    learner = learner_of(network, clip=0.1)
    found = step(learner)
    trained = [p for p in network.parameters() if p.requires_grad]
    norm = sum(float((2 * (p.detach() - 3)).square().sum()) for p in trained) ** 0.5
    assert float(found[-1]) == pytest.approx(norm, rel=1e-3)
    clipped = sum(float(p.grad.square().sum()) for p in trained if p.grad is not None) ** 0.5
    assert clipped == pytest.approx(0.1, rel=1e-3)


def test_a_state_is_taken_over(network: HyperNetwork) -> None:
    first = learner_of(network)
    first.set_rates(0.01, 0.5)
    for _ in range(2):
        step(first)
    torch.manual_seed(9)
    second = learner_of(HyperNetwork(ARCHITECTURE, 2, code=16, hidden=16))
    second.load(values(first))
    for learner in (first, second):
        learner.set_rates(0.01, 0.5)
        step(learner)
    for name, value in first.tensors().items():
        assert torch.equal(value, second.tensors()[name]), name


def test_states_of_other_networks_are_refused(network: HyperNetwork) -> None:
    learner = learner_of(network)
    other = values(learner)
    del other["skipped"]
    with pytest.raises(KeyError, match="skipped"):
        learner.load(other)
    with pytest.raises(RuntimeError, match="head.weight"):
        learner.load(values(learner) | {"network.head.weight": torch.zeros(3)})
