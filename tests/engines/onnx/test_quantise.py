"""What int8 is fitted with: the same network before and after, and pictures that drive it to its limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from realtime.engines.onnx.quantise import Calibration, balanced, calibrate, cells_of, generated_pictures
from realtime.transnet.folding import fold
from realtime.transnet.network import Architecture
from tests.helpers.networks import mild_network
from tests.helpers.transnets import BODIES


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_balanced_network_is_the_same_network(body: dict[str, Any]) -> None:
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), **body))
    calibration = calibrate(network, generated_pictures(2))
    assert calibration.gains
    for meaning in (("bt709", "limited"), ("bt601", "full")):
        folded = fold(network, *meaning)  # type: ignore[arg-type]
        x = cells_of(generated_pictures(1, seed=3)[0])
        with torch.inference_mode():
            a, b = folded(x), balanced(folded, calibration.gains)(x)
        assert float((a - b).abs().max()) < 1e-3 * float(a.abs().max())


def test_balancing_makes_channels_alike() -> None:
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), norm="none", contours=()))
    with torch.no_grad():
        network.stem.weight[0] *= 30  # one channel that would take all of the scale
    folded = fold(network)
    x = cells_of(generated_pictures(1)[0])
    calibration = calibrate(network, generated_pictures(2))
    with torch.inference_mode():
        before, after = (
            torch.relu(net.stem(x)).amax((0, 2, 3)) for net in (folded, balanced(folded, calibration.gains))
        )
    assert float(after.max() / after.median()) < float(before.max() / before.median()) / 3


def test_spans_hold_what_was_seen() -> None:
    network = mild_network()
    pictures = generated_pictures(3)
    calibration = calibrate(network, pictures)
    net = balanced(fold(network), calibration.gains)
    span = calibration.spans["relu_"]  # the first ReLU
    assert span.zero == 0
    with torch.inference_mode():
        highest = max(float(torch.relu(net.stem(cells_of(p))).max()) for p in pictures)
    assert 255 * span.scale == pytest.approx(highest, rel=1e-5)


def test_a_calibration_goes_through_json() -> None:
    calibration = calibrate(mild_network(), generated_pictures(2))
    back = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert back.spans == calibration.spans
    assert all(torch.equal(a, b) for a, b in zip(back.gains, calibration.gains, strict=True))
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.from_dict({"spans": {"x": [1]}, "gains": []})


def test_generated_pictures_are_pictures_and_always_the_same() -> None:
    first, second = generated_pictures(5, 40, 56, seed=4), generated_pictures(5, 40, 56, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], generated_pictures(5, 40, 56, seed=5)[0])
    for picture in first[:5]:
        assert picture.shape == (1, 3, 40, 56)
        assert float(picture.min()) >= 0 and float(picture.max()) <= 1
        assert float(picture.std()) > 0.01
    y = torch.cat([cells_of(p)[:, :16].flatten() for p in first])
    assert (float(y.min()), float(y.max())) == (-128, 127)  # every code can come


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (8, 8)])
def test_small_ones_too(height: int, width: int) -> None:
    assert all(torch.isfinite(p).all() for p in generated_pictures(4, height, width))


def test_nothing_to_calibrate_with() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        calibrate(mild_network(), [])
