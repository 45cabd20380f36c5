"""Blends: averages of weights, of networks that have one origin."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from realtime.errors import StyleError
from realtime.options import StyleOptions
from realtime.style.blend import Part, average, blend
from realtime.style.emitted import ORIGIN, any_painting, emit, gallery_statistics, picture_statistics
from realtime.style.reference import parse_style
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.transnets import SMALL, random_network

pytestmark = pytest.mark.usefixtures("cache_home")


def weights(network: TransNet) -> torch.Tensor:
    """All values of a network, one after the other."""
    return torch.cat([value.detach().flatten().float() for value in network.state_dict().values()])


def test_the_average_of_weights() -> None:
    a, b = random_network(SMALL, 1), random_network(SMALL, 2)
    mixed = average([Part("a", a, 0.25), Part("b", b, 0.75)])
    torch.testing.assert_close(weights(mixed), 0.25 * weights(a) + 0.75 * weights(b), atol=2e-3, rtol=1e-3)
    assert not mixed.training
    alone = average([Part("a", a, 1.0)])
    torch.testing.assert_close(weights(alone), weights(a), atol=2e-3, rtol=1e-3)


def test_networks_of_different_architectures_are_refused() -> None:
    other = random_network(Architecture(width=8, body=16, dilations=(1,)))
    with pytest.raises(StyleError, match="b and a cannot be blended: .*architecture"):
        average([Part("a", random_network(SMALL), 0.5), Part("b", other, 0.5)])


def test_a_picture_and_a_gallery_style(picture: Path) -> None:
    options = StyleOptions(paint=0.8)
    mixed = weights(blend(parse_style(f"great-wave:quality:0.5+{picture}:1.5"), options))
    statistics = gallery_statistics("great-wave")
    assert statistics is not None
    wave, flowers = emit(statistics, options), emit(picture_statistics(picture), options)
    torch.testing.assert_close(mixed, 0.25 * weights(wave) + 0.75 * weights(flowers), atol=2e-3, rtol=1e-3)


def test_a_checkpoint_is_blended_if_it_has_the_same_origin(picture: Path, tmp_path: Path) -> None:
    network = emit(picture_statistics(picture), StyleOptions(paint=1))
    path, version = tmp_path / "learned.safetensors", any_painting()[1].version
    for origin, accepted in ((version, True), (f"{version}-older", False), (None, False), (["list"], False)):
        save_checkpoint(path, network, StyleCard("learned", architecture=network.architecture, recipe={ORIGIN: origin}))
        reference = parse_style(f"{path}:0.5+{picture}:0.5")
        if accepted:
            expected = (weights(network) + weights(emit(picture_statistics(picture)))) / 2
            torch.testing.assert_close(weights(blend(reference)), expected, atol=2e-3, rtol=1e-3)
        else:
            with pytest.raises(StyleError, match=f"learned: cannot be blended: a checkpoint, .*version {version}"):
                blend(reference)


def test_a_checkpoint_of_any_other_kind_is_refused(picture: Path, random_style: Path) -> None:
    with pytest.raises(StyleError, match="random: cannot be blended"):
        blend(parse_style(f"{random_style}+{picture}"))
