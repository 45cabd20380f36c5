"""Networks that grow: what they painted they paint, and what is new learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from realtime.transnet.growth import can_grow, grow
from realtime.transnet.network import PLANE_CHANNELS, Architecture
from tests.helpers.transnets import random_network

OLD = Architecture(width=6, body=8, dilations=(1, 2), contours=(8,))
CHANGES: list[dict[str, Any]] = [
    {},
    {"width": 9},
    {"body": 12},
    {"dilations": (1, 2, 1)},
    {"width": 7, "body": 16, "dilations": (1, 2, 4, 1)},
]


@pytest.mark.parametrize("kind", [{}, {"cell": 4}], ids=str)
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_it_paints_what_it_painted(changes: dict[str, Any], kind: dict[str, Any]) -> None:
    old = replace(OLD, **kind)
    network, new = random_network(old), replace(old, **changes)
    grown = grow(network, new)
    assert grown.architecture == new and not grown.training
    planes = torch.randn(2, PLANE_CHANNELS, 12, 16)
    with torch.no_grad():
        assert torch.allclose(grown(planes), network(planes), atol=1e-4)


@pytest.mark.parametrize("cell", [4, 8])
def test_contours_come_without_influence(cell: Any) -> None:
    new = replace(OLD, cell=cell)
    network = random_network(replace(new, contours=()))
    planes = torch.randn(1, PLANE_CHANNELS, 12, 16)
    with torch.no_grad():
        assert torch.allclose(grow(network, new)(planes), network(planes), atol=1e-5)


def test_batch_norm_becomes_instance_norm() -> None:
    network = random_network(OLD)
    grown = grow(network, replace(OLD, norm="instance", width=8))
    assert torch.equal(grown.blocks[0].norm.running_var, network.blocks[0].norm.running_var)
    assert not can_grow(replace(OLD, norm="instance"), OLD)
    planes = torch.randn(1, PLANE_CHANNELS, 12, 16)
    with torch.no_grad():
        assert not torch.allclose(grown(planes), network(planes), atol=1e-2)


def test_what_is_new_learns() -> None:
    """Zeros on both sides would stay zeros."""
    network = random_network(OLD)
    grown = grow(network, replace(OLD, width=9, body=12, dilations=(1, 2, 1))).train()
    begun = {name: value.clone() for name, value in grown.state_dict().items()}
    optimizer = torch.optim.Adam(grown.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        grown(torch.randn(4, PLANE_CHANNELS, 12, 16)).square().mean().backward()
        optimizer.step()
    old = network.state_dict()
    for name, value in grown.state_dict().items():
        moved = value != begun[name]
        if name in old:
            moved[tuple(slice(size) for size in old[name].shape)] = True  # that learns in any case
        assert moved.float().mean() > 0.9, name


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 5},
        {"body": 7},
        {"dilations": (1,)},
        {"dilations": (2, 1, 1)},
        {"norm": "none"},
        {"cell": 4},
        {"contours": ()},
        {"contours": (4, 8)},
    ],
    ids=str,
)
def test_what_is_not_larger_is_refused(changes: dict[str, Any]) -> None:
    new = replace(OLD, **changes)
    assert not can_grow(OLD, new)
    with pytest.raises(ValueError, match="does not grow"):
        grow(random_network(OLD), new)


TWO = Architecture(width=6, body=8, dilations=(1,), contours=(), norm="blocks", skip=True, fine=(1,))


@pytest.mark.parametrize("changes", [{"texture": True}, {"fine": (1, 2)}, {"width": 8, "body": 12}], ids=str)
def test_a_network_with_fine_blocks_grows(changes: dict[str, Any]) -> None:
    """The texture plane comes without influence."""
    network, new = random_network(TWO), replace(TWO, **changes)
    grown = grow(network, new)
    planes = torch.randn(1, new.inputs, 12, 16)
    with torch.no_grad():
        assert torch.allclose(grown(planes), network(planes[:, :PLANE_CHANNELS]), atol=1e-4)


@pytest.mark.parametrize("changes", [{"skip": False}, {"fine": ()}, {"fine": (2, 1)}], ids=str)
def test_what_a_network_with_fine_blocks_cannot_become(changes: dict[str, Any]) -> None:
    assert not can_grow(TWO, replace(TWO, **changes))
    assert not can_grow(replace(TWO, texture=True), TWO)
