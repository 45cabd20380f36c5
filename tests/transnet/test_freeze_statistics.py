"""A network whose instance norms are frozen for one picture paints that picture as before, and knows only its reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from realtime.transnet.folding import fold
from realtime.transnet.freeze_statistics import freeze_statistics
from realtime.transnet.network import Architecture
from tests.helpers.textured import TEXTURED, textured_network
from tests.helpers.transnets import VARIANTS, random_network


@pytest.mark.parametrize("variant", VARIANTS[:3])
def test_the_picture_stays_and_the_statistics_are_constant(variant: tuple) -> None:
    network = random_network(Architecture(width=8, body=16, dilations=(1, 2), norm="instance"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    picture = torch.randint(-100, 100, (1, 24, 32, 40)).float()
    frozen = freeze_statistics(network, picture, *variant)
    assert frozen.architecture.norm == "batch"
    with torch.no_grad():
        want = fold(network, *variant)(picture)
        assert torch.allclose(fold(frozen, *variant)(picture), want, atol=0.05)
        far = picture.clone()
        far[..., 36:] = 100
        assert torch.equal(fold(frozen, *variant)(far)[..., :8], fold(frozen, *variant)(picture)[..., :8])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("variant", VARIANTS[:3])
@pytest.mark.parametrize(
    "architecture", [TEXTURED, replace(TEXTURED, dilations=()), replace(TEXTURED, fine=())], ids=str
)
def test_fine_blocks_are_frozen_too(architecture: Architecture, variant: tuple) -> None:
    """And nothing outside the blocks gets a norm."""
    network = textured_network(architecture)
    picture = torch.randint(-100, 100, (1, 28, 32, 40)).float()
    frozen = freeze_statistics(network, picture, *variant)
    assert not frozen.architecture.instance_norm and frozen.architecture.texture
    with torch.no_grad():
        want = fold(network, *variant)(picture)
        assert torch.allclose(fold(frozen, *variant)(picture), want, atol=0.05)
        assert float(want.std()) > 10


def test_crops_count_together() -> None:
    """The mean of two crops is taken over both."""
    network = random_network(Architecture(width=8, body=16, dilations=(1,), norm="instance", contours=()))
    crops = torch.randint(-100, 100, (2, 24, 8, 8)).float()
    means = [
        freeze_statistics(network, some, "bt709", "limited").blocks[0].norm.running_mean
        for some in (crops, crops[:1], crops[1:])
    ]
    assert torch.allclose(means[0], (means[1] + means[2]) / 2, atol=1e-4)
