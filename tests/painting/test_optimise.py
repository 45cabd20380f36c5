"""The loop reduces the loss with either optimiser, with the settings of the recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from realtime.errors import RestyleError
from realtime.painting.objective import Objective
from realtime.painting.optimise import Canvas, Step, optimise
from realtime.painting.recipes import Recipe
from tests.helpers.objective import RECIPE, objective, picture

STEPS = 12


def run(recipe: Recipe, start: Tensor | None = None, o: Objective | None = None) -> tuple[list[Step], Tensor, dict]:
    steps: list[Step] = []
    o = o or objective(recipe)
    painted = optimise(o, Canvas(picture(0) if start is None else start), recipe, report=steps.append)
    return steps, painted.picture, {"first": painted.first, "last": painted.last, "steps": painted.steps}


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("start", [picture(0), picture(9)])
def test_losses_fall(optimizer: str, start: Tensor) -> None:
    recipe = RECIPE.changed(optimizer=optimizer, steps=STEPS, learning_rate=0.02 if optimizer == "adam" else None)
    steps, result, found = run(recipe, start)
    assert found["last"]["total"] < 0.7 * found["first"]["total"]
    assert (found["steps"], steps[-1].step, steps[-1].steps) == (STEPS, STEPS, STEPS)
    assert result.min() >= 0 and result.max() <= 1
    assert torch.equal(steps[-1].picture(), result)


def test_lbfgs_goes_further_than_adam() -> None:
    adam = run(RECIPE.changed(steps=STEPS))[2]["last"]["total"]
    lbfgs = run(RECIPE.changed(steps=STEPS, optimizer="lbfgs"))[2]["last"]["total"]
    assert lbfgs < adam


def test_tiles_paint_the_same_picture() -> None:
    recipe = RECIPE.changed(steps=4)
    whole = run(recipe)[1]
    tiled = run(recipe, o=objective(recipe, tile=8))[1]
    assert torch.allclose(whole, tiled, atol=2e-3)


def test_clamping_each_step() -> None:
    """Values are clamped after each step, not only at the end."""
    wild = RECIPE.changed(steps=6, learning_rate=0.5)
    canvases = {}
    for clamp in (True, False):
        canvas = Canvas(picture(0))
        optimise(objective(wild), canvas, replace(wild, clamp=clamp))
        canvases[clamp] = canvas.values.detach()
    assert canvases[True].min() >= 0 and canvases[True].max() <= 1
    assert canvases[False].min() < 0 or canvases[False].max() > 1


def test_the_gradient_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.Adam.step

    def watched(self: torch.optim.Adam) -> None:
        norms.append(float(self.param_groups[0]["params"][0].grad.norm()))
        step(self)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    run(RECIPE.changed(steps=3, style_weight=1e6, clip=0.25))
    run(RECIPE.changed(steps=1, style_weight=1e6))
    assert norms[:3] == pytest.approx([0.25] * 3, rel=1e-3)
    assert norms[3] > 1


def test_adam_has_the_recipes_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict = {}
    plain = torch.optim.Adam

    def made(parameters: list[Tensor], **options: object) -> torch.optim.Adam:
        seen.update(options)
        return plain(parameters, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim, "Adam", made)
    run(RECIPE.changed(steps=1, learning_rate=0.02, beta1=0.99, beta2=0.9, epsilon=0.1))
    assert seen == {"lr": 0.02, "betas": (0.99, 0.9), "eps": 0.1}


def test_the_photograph_shows_where_the_cover_is_black() -> None:
    cover = torch.zeros(1, 1, 24, 28)
    cover[..., :14] = 1
    photograph = picture(0)
    canvas = Canvas(picture(9), photograph, cover)
    painted = optimise(objective(), canvas, RECIPE.changed(steps=5, learning_rate=0.05))
    assert torch.equal(painted.picture[..., 14:], photograph[..., 14:])
    assert not torch.allclose(painted.picture[..., :14], picture(9)[..., :14], atol=0.01)
    assert painted.last["total"] < painted.first["total"]


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    broken = picture(0)
    broken[0, 0, 0, 0] = float("nan")
    with pytest.raises(RestyleError, match="not finite at step 1"):
        run(RECIPE.changed(steps=2), broken)


def test_what_the_report_raises_ends_the_run() -> None:
    def stop(step: Step) -> None:
        if step.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise(objective(), Canvas(picture(0)), RECIPE.changed(steps=5), report=stop)
