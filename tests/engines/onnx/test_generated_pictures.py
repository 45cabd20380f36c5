"""Generated pictures: what they hold, at any size."""

from __future__ import annotations

import pytest
import torch

from realtime.engines.onnx.calibration import network_input
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.transnet.network import Architecture


def test_they_are_pictures_and_always_the_same() -> None:
    first, second = generated_pictures(5, 40, 56, seed=4), generated_pictures(5, 40, 56, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], generated_pictures(5, 40, 56, seed=5)[0])
    for picture in first[:5]:
        assert picture.shape == (1, 3, 40, 56)
        assert float(picture.min()) >= 0 and float(picture.max()) <= 1
        assert float(picture.std()) > 0.01
    y = torch.cat([network_input(p, Architecture())[:, :16].flatten() for p in first])
    assert (float(y.min()), float(y.max())) == (-128, 127)  # every code is possible


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (8, 8)])
def test_small_pictures(height: int, width: int) -> None:
    assert all(torch.isfinite(p).all() for p in generated_pictures(4, height, width))
