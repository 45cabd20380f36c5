"""What int8 needs to know of a network is measured on pictures."""

from __future__ import annotations

import json

import pytest
import torch

from realtime.engines.onnx.builder import Quantization
from realtime.engines.onnx.calibration import Calibration, _RangeRecorder, calibrate, network_input
from realtime.engines.onnx.channel_balancing import balanced
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.transnet.folding import fold
from realtime.transnet.network import TransNet
from tests.helpers.networks import FLAT, mild_network
from tests.helpers.textured import LOCAL, TEXTURED, textured_network


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


@pytest.mark.parametrize(
    "network", [mild_network(), textured_network(), textured_network(LOCAL)], ids=["plain", "textured", "local"]
)
def test_ranges_are_those_of_the_balanced_network(network: TransNet) -> None:
    """They are measured before balancing, and scaled with the channels."""
    pictures = generated_pictures(2)
    calibration = calibrate(network, pictures)
    net = balanced(fold(network), calibration.gains)
    recorder = _RangeRecorder(net)
    with torch.inference_mode():
        for number, picture in enumerate(pictures):
            recorder.run(network_input(picture, network.architecture, seed=number))
    assert set(recorder.found) == set(calibration.quantizations)
    for name, (low, high) in recorder.found.items():
        wanted = Quantization.for_range(float(low.min()), float(high.max()))
        assert calibration.quantizations[name].scale == pytest.approx(wanted.scale, rel=1e-4)
        assert abs(calibration.quantizations[name].zero_point - wanted.zero_point) <= 1


def test_pictures_come_with_parts_of_the_texture_plane() -> None:
    rgb = torch.full((3, 3, 20, 28), 0.5)
    plain, cells = network_input(rgb, FLAT), network_input(rgb, TEXTURED)
    assert plain.shape == (3, 24, 6, 8) and cells.shape == (3, 28, 6, 8)
    assert torch.equal(cells[:, :24], plain)
    texture = cells[:, 24:]
    assert torch.equal(texture, texture.round()) and float(texture.abs().max()) <= 128
    assert not torch.equal(texture[0], texture[1])  # each another one
    assert not torch.equal(network_input(rgb, TEXTURED, seed=1)[:, 24:], texture)


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
