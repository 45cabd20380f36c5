"""The loss and its gradient: by hand, by finite differences, over tiles, under masks, of several paintings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from realtime.errors import InputError
from realtime.painting.objective import Objective, StyleTarget, TemporalTarget, style_grams
from realtime.painting.recipes import PRESETS
from realtime.perception import losses
from realtime.perception.features import LossNetwork
from tests.helpers.objective import RECIPE, objective, picture


def test_losses_are_the_sums_of_their_definitions() -> None:
    o = objective()
    x = picture(1)
    with torch.no_grad():
        found = {name: float(value) for name, value in o(x).items()}
        names = ["smooth3", "conv2", "smooth1", "smooth2", "conv3"]
        of_x = dict(zip(names, o.network(x, names), strict=True))
        of_content = dict(zip(names, o.network(picture(0), names), strict=True))
    content = sum(w * float(((of_x[n] - of_content[n]) ** 2).mean()) for n, w in RECIPE.content)
    style = 0.0
    for target, share in zip(o.styles, (0.75, 0.25), strict=True):
        for (name, weight), gram in zip(RECIPE.style, target.grams, strict=True):
            f = of_x[name][0].flatten(1)
            mine = f @ f.T / f.numel()  # Gram / (C H W)
            style += share * weight * float(((mine - gram / len(f)) ** 2).mean())
    tv = float(losses.total_variation(x))
    assert found["content"] == pytest.approx(content, rel=1e-5)
    assert found["style"] == pytest.approx(style, rel=1e-4)
    assert found["tv"] == pytest.approx(tv, rel=1e-6)
    assert found["total"] == pytest.approx(0.7 * content + 3 * style + 0.2 * tv, rel=1e-4)


def test_the_photograph_has_no_content_error_and_a_painting_no_style_error() -> None:
    o = objective(shares=(1.0,), guides=(None,), size=(20, 20))
    assert float(o(picture(0, 20, 20))["content"]) == 0
    assert float(o(picture(10, 20, 20))["style"]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("gram", "content_error"),
    [("gatys", "gatys"), ("chw", "mean"), ("pixels", "mean"), ("relative", "variance")],
)
def test_gradients_by_finite_differences(
    gram: losses.GramNormalisation, content_error: losses.ContentNormalisation
) -> None:
    guide = torch.linspace(0, 1, 8 * 8, dtype=torch.float64).view(1, 1, 8, 8)
    moved, valid = picture(7, 8, 8, torch.float64), (picture(8, 8, 8)[:, :1] > 0.4).double()
    recipe = replace(RECIPE, gram=gram, content_error=content_error)
    steady = TemporalTarget(moved, valid, 0.3)
    o = objective(recipe, guides=(guide, None), size=(8, 8), double=True, temporal=steady)
    x = picture(2, 8, 8, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: o(p)["total"], (x,), eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("size", [(24, 28), (37, 50), (64, 33)])
@pytest.mark.parametrize("tile", [8, 17, 1000])
@pytest.mark.parametrize("recompute", [False, True])
def test_tiles_give_the_gradient_of_the_whole(size: tuple[int, int], tile: int, recompute: bool) -> None:
    guide = picture(20, *size)[:, :1]
    steady = TemporalTarget(picture(7, *size), (picture(8, *size)[:, :1] > 0.4).float(), 0.3)
    whole = objective(guides=(guide, None), size=size, temporal=steady)
    tiled = objective(guides=(guide, None), size=size, temporal=steady, tile=tile, recompute=recompute)
    a, b = picture(1, *size).requires_grad_(), picture(1, *size).requires_grad_()
    expected, found = whole.backward(a), tiled.backward(b)
    assert found == pytest.approx(expected, rel=1e-4)
    assert a.grad is not None and b.grad is not None
    assert torch.allclose(b.grad, a.grad, rtol=1e-3, atol=1e-4 * float(a.grad.abs().max()))
    tiled.backward(b)
    assert torch.allclose(b.grad, 2 * a.grad, rtol=1e-3, atol=2e-4 * float(a.grad.abs().max()))  # it is added


def test_tiles_of_vgg(vgg: Path) -> None:
    network = LossNetwork.load(vgg).double()
    recipe = PRESETS["guide"].changed(content=(("relu4_1", 1.0),))
    targets = [StyleTarget(style_grams(network, recipe, picture(3, 64, 64, torch.float64)))]
    content, x = picture(0, 72, 150, torch.float64), picture(1, 72, 150, torch.float64)
    gradients = []
    for tile in (None, 48):
        leaf = x.clone().requires_grad_()
        Objective(network, recipe, content, targets, tile=tile).backward(leaf)
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    assert torch.allclose(*gradients, rtol=1e-6, atol=1e-9 * float(gradients[0].abs().max()))


def test_outside_its_mask_a_style_has_no_gradient() -> None:
    """Beyond the mask and the network's reach."""
    guide = torch.zeros(1, 1, 24, 48)
    guide[..., :8] = 1
    o = objective(replace(RECIPE, content_weight=0.0, tv=0.0), shares=(1.0,), guides=(guide,), size=(24, 48))
    x = picture(1, 24, 48).requires_grad_()
    o.backward(x)
    assert x.grad is not None
    assert x.grad[..., :8].abs().max() > 0
    _, reach = o.network.geometry("conv3")
    assert x.grad[..., 8 + reach + 1 :].abs().max() == 0


def test_shares_of_paintings() -> None:
    x = picture(1)
    alone = [float(objective(shares=(a, b))(x)["style"]) for a, b in ((1.0, 0.0), (0.0, 1.0))]
    both = float(objective(shares=(3.0, 1.0))(x)["style"])
    assert both == pytest.approx(0.75 * alone[0] + 0.25 * alone[1], rel=1e-5)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(InputError, match="no place"):
        objective(guides=(torch.zeros(1, 1, 24, 28), None))
