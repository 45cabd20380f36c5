"""A balanced network is the same network with channels of like size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from realtime.engines.onnx.calibration import calibrate, network_input
from realtime.engines.onnx.channel_balancing import balanced
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.transnet.folding import fold
from realtime.transnet.network import Architecture
from tests.helpers.networks import mild_network
from tests.helpers.textured import LOCAL, textured_network
from tests.helpers.transnets import BODIES


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_balanced_network_is_the_same_network(body: dict[str, Any]) -> None:
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), **body))
    calibration = calibrate(network, generated_pictures(2))
    assert calibration.gains
    for meaning in (("bt709", "limited"), ("bt601", "full")):
        folded = fold(network, *meaning)  # type: ignore[arg-type]
        x = network_input(generated_pictures(1, seed=3)[0], network.architecture)
        with torch.inference_mode():
            a, b = folded(x), balanced(folded, calibration.gains)(x)
        assert float((a - b).abs().max()) < 1e-3 * float(a.abs().max())


def test_balancing_makes_channels_alike() -> None:
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), norm="none", contours=()))
    with torch.no_grad():
        network.stem.weight[0] *= 30  # one channel that would take all of the scale
    folded = fold(network)
    x = network_input(generated_pictures(1)[0], network.architecture)
    calibration = calibrate(network, generated_pictures(2))
    with torch.inference_mode():
        before, after = (
            torch.relu(net.stem(x)).amax((0, 2, 3)) for net in (folded, balanced(folded, calibration.gains))
        )
    assert float(after.max() / after.median()) < float(before.max() / before.median()) / 3


def test_the_skip_is_scaled_with_what_it_is_added_to() -> None:
    """Stem, upsampling and fine blocks meet in sums: their channels have one factor, and so have those of `up`."""
    network = textured_network(LOCAL)
    gains = calibrate(network, generated_pictures(2)).gains
    # the sum of stem, body and fine blocks; the body's blocks; inside each of two blocks of both kinds
    assert sorted(len(gain) for gain in gains) == [8, 8, 8, 16, 16, 16]
    assert len(calibrate(textured_network(), generated_pictures(2)).gains) == 2


@pytest.mark.parametrize(("norm", "places"), [("batch", 6), ("instance", 4)])
def test_where_channels_are_scaled(norm: Any, places: int) -> None:
    """Between stem and down, around the sum of all blocks, in each block without a norm, and around refine (twice)."""
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), norm=norm))
    gains = calibrate(network, generated_pictures(2)).gains
    assert sorted(len(gain) for gain in gains) == [8, 8, 8] + [16] * (places - 3)
