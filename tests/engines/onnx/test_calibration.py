"""What int8 needs to know of a network is measured on pictures."""

from __future__ import annotations

import json

import pytest
import torch

from realtime.engines.onnx.calibration import Calibration, calibrate, network_input
from realtime.engines.onnx.channel_balancing import balanced
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.transnet.folding import fold
from tests.helpers.networks import mild_network


def test_ranges_hold_what_was_measured() -> None:
    network = mild_network()
    pictures = generated_pictures(3)
    calibration = calibrate(network, pictures)
    net = balanced(fold(network), calibration.gains)
    relu = calibration.quantizations["stem_relu"]
    assert relu.zero_point == 0
    with torch.inference_mode():
        highest = max(float(torch.relu(net.stem(network_input(p, network.architecture))).max()) for p in pictures)
    assert 255 * relu.scale == pytest.approx(highest, rel=1e-5)


def test_a_calibration_goes_through_json() -> None:
    calibration = calibrate(mild_network(), generated_pictures(2))
    back = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert back.quantizations == calibration.quantizations
    assert all(torch.equal(a, b) for a, b in zip(back.gains, calibration.gains, strict=True))
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.from_json({"quantizations": {"x": [1]}, "gains": []})


def test_nothing_to_calibrate_with() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        calibrate(mild_network(), [])
