"""The classic network: that of the PyTorch examples, fed in the right colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from realtime.benchmark.johnson import JohnsonEngine, JohnsonNet
from realtime.engines.base import Engine
from realtime.errors import InputError
from realtime.frames import ColorTags, Frame
from realtime.options import PaintOptions
from tests.helpers.fakes import picture


def test_it_is_the_network_of_the_examples() -> None:
    net = JohnsonNet()
    assert sum(p.numel() for p in net.parameters()) == 1_679_235
    sides = [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert sides[:3] == [(3, 32, 9), (32, 64, 3), (64, 128, 3)]
    assert sides[3:13] == [(128, 128, 3)] * 10
    assert sides[13:] == [(128, 64, 3), (64, 32, 3), (32, 3, 9)]
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 20, 24) * 255).shape == (1, 3, 20, 24)


@pytest.fixture(scope="module")
def engine() -> JohnsonEngine:
    return JohnsonEngine(device="cpu", threads=1)


@pytest.mark.parametrize("size", [(48, 32), (47, 33), (22, 18)])
def test_frames_keep_their_size_and_time(engine: JohnsonEngine, size: tuple[int, int]) -> None:
    same: Engine = engine  # it has the interface
    sources = [picture(pts, *size) for pts in range(2)]
    for painted in (same.stylize(sources), same.begin(sources)()):
        for a, b in zip(sources, painted, strict=True):
            assert (b.y.shape, b.u.shape, b.v.shape) == (a.y.shape, a.u.shape, a.v.shape)
            assert (b.y.dtype, b.pts, b.color) == (np.uint8, a.pts, a.color)
            assert not np.array_equal(a.y, b.y)


@pytest.mark.parametrize("color", [ColorTags(), ColorTags("bt601", "full"), ColorTags("bt2020", "limited")])
def test_colours_survive_the_conversion_to_rgb_and_back(color: ColorTags) -> None:
    seen: list[torch.Tensor] = []

    class Identity(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.clone())
            return x

    engine = JohnsonEngine(device="cpu", threads=1, network=Identity())
    y = np.linspace(40, 200, 32 * 32).reshape(32, 32).astype(np.uint8)
    source = Frame(y, *(np.full((16, 16), value, np.uint8) for value in (118, 134)), color=color)
    (out,) = engine.stylize([source])
    for a, b in zip((source.y, source.u, source.v), (out.y, out.u, out.v), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1
    (rgb,) = seen
    assert rgb.shape == (1, 3, 32, 32)
    assert 60 < float(rgb.max()) <= 255  # the scale of the examples
    (half,) = engine.stylize([source], PaintOptions(strength=0.5, keep_color=True))
    assert half.u is source.u


def test_threads_and_random_numbers_of_others_are_left_alone() -> None:
    before = torch.get_num_threads()
    state = torch.random.get_rng_state()
    JohnsonEngine(device="cpu", threads=before + 1).stylize([picture(0, 16, 16)])
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="gpu"):
        JohnsonEngine(device="gpu")
