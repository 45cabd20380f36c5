"""The rival: the network of the PyTorch examples, fed in the right colours."""

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
from tests.helpers.frames import difference, frame


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


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (18, 22)])
def test_any_size_comes_back(engine: JohnsonEngine, size: tuple[int, int]) -> None:
    same: Engine = engine  # it has the interface
    sources = [frame(*size, seed) for seed in range(2)]
    for a, b in zip(sources, same.stylize(sources), strict=True):
        assert (b.y.shape, b.u.shape, b.v.shape) == (a.y.shape, a.u.shape, a.v.shape)
        assert (b.y.dtype, b.pts, b.color) == (np.uint8, a.pts, a.color)
        assert difference(a, b) > 0


@pytest.mark.parametrize("color", [ColorTags(), ColorTags("bt601", "full"), ColorTags("bt2020", "limited")])
def test_the_colours_survive_the_way_through_rgb(
    engine: JohnsonEngine, monkeypatch: pytest.MonkeyPatch, color: ColorTags
) -> None:
    seen: list[torch.Tensor] = []

    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.clone())
            return x

    monkeypatch.setattr(engine, "network", Nothing())
    y = np.linspace(40, 200, 32 * 32).reshape(32, 32).astype(np.uint8)
    flat = [np.full((16, 16), value, np.uint8) for value in (118, 134)]
    source = Frame(y, *flat, color=color)
    (out,) = engine.stylize([source])
    assert difference(source, out) <= 1
    (rgb,) = seen
    assert rgb.shape == (1, 3, 32, 32)
    assert 60 < float(rgb.max()) <= 255  # the scale of the examples
    (half,) = engine.stylize([source], PaintOptions(strength=0.5, keep_color=True))
    assert half.u is source.u


def test_the_threads_of_others_are_left_alone() -> None:
    before = torch.get_num_threads()
    state = torch.random.get_rng_state()
    JohnsonEngine(device="cpu", threads=before + 1).stylize([frame(16, 16)])
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="gpu"):
        JohnsonEngine(device="gpu")
