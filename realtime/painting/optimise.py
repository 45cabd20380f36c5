"""The loop: a picture is optimised by gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from realtime.errors import RestyleError
from realtime.painting.objective import Objective
from realtime.painting.recipes import Recipe

LBFGS_BLOCK = 10
"""Iterations of L-BFGS between two reports; each block begins with one evaluation more."""

LBFGS_HISTORY = 20


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The state after a step.

    Attributes:
        step, steps: done, and of this scale.
        losses: by name, unweighted, and their weighted "total", before the last step.
        picture: returns the current picture, (1, 3, H, W) in 0..1.
    """

    step: int
    steps: int
    losses: dict[str, float]
    picture: Callable[[], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """The result of a run.

    Attributes:
        picture: (1, 3, H, W) in 0..1.
        first, last: losses before the first step and after the last one.
        steps: done; L-BFGS may end early where it finds no lower loss.
    """

    picture: Tensor
    first: dict[str, float]
    last: dict[str, float]
    steps: int


class Canvas:
    """The values that are optimised, and the picture that they make under a mask.

    Args:
        start: (1, 3, H, W).
        behind: the photograph, (1, 3, H, W), which shows where `cover` is below 1.
        cover: (1, 1, H, W) in 0..1, the opacity of the painting; None: 1 everywhere.
    """

    def __init__(self, start: Tensor, behind: Tensor | None = None, cover: Tensor | None = None) -> None:
        # Row-major, because L-BFGS flattens it. The network gets a channels-last copy.
        self.values = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        self._behind, self._cover = behind, cover

    def shown(self) -> Tensor:
        """The picture, without a gradient."""
        values = self.values.detach()
        if self._cover is None or self._behind is None:
            return values
        return self._behind + self._cover * (values - self._behind)

    def evaluate(self, objective: Objective) -> dict[str, float]:
        """Losses of the picture; sets the gradient of `values`."""
        leaf = self.shown().clone(memory_format=torch.channels_last).requires_grad_()
        losses = objective.backward(leaf)
        assert leaf.grad is not None
        gradient = leaf.grad if self._cover is None else leaf.grad * self._cover
        self.values.grad = gradient.contiguous()
        return losses

    def picture(self) -> Tensor:
        """The picture, clamped to 0..1."""
        return self.shown().clamp(0, 1)


def optimise(
    objective: Objective,
    canvas: Canvas,
    recipe: Recipe,
    *,
    steps: int | None = None,
    report: Callable[[Step], None] | None = None,
) -> Painted:
    """Paint.

    Args:
        objective: the loss.
        canvas: the picture; is changed.
        recipe: the optimiser and its settings.
        steps: other than the recipe's.
        report: called after each step of Adam, and each block of steps of L-BFGS. What it raises ends the loop.

    Raises:
        RestyleError: the loss is no longer finite.
    """
    count = steps or recipe.steps
    run = _lbfgs if recipe.optimizer == "lbfgs" else _adam
    first, done = run(objective, canvas, recipe, count, report)
    picture = canvas.picture()
    with torch.no_grad():
        last = {name: float(value) for name, value in objective(picture).items()}
    return Painted(picture, first, last, done)


def _checked(losses: dict[str, float], step: int) -> dict[str, float]:
    total = losses["total"]
    if total != total or total in (float("inf"), float("-inf")):
        raise RestyleError(f"painting: the loss is not finite at step {step}; try a smaller learning rate or weights")
    return losses


def _adam(
    objective: Objective, canvas: Canvas, recipe: Recipe, steps: int, report: Callable[[Step], None] | None
) -> tuple[dict[str, float], int]:
    optimizer = torch.optim.Adam(
        [canvas.values], lr=recipe.learning_rate, betas=(recipe.beta1, recipe.beta2), eps=recipe.epsilon
    )
    first: dict[str, float] = {}
    for step in range(1, steps + 1):
        losses = _checked(canvas.evaluate(objective), step)
        first = first or losses
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_([canvas.values], recipe.clip)
        optimizer.step()
        if recipe.clamp:
            canvas.values.data.clamp_(0, 1)
        if report:
            report(Step(step, steps, losses, canvas.picture))
    return first, steps


def _lbfgs(
    objective: Objective, canvas: Canvas, recipe: Recipe, steps: int, report: Callable[[Step], None] | None
) -> tuple[dict[str, float], int]:
    # No tolerances: normalised losses have small gradients far from the minimum, too.
    optimizer = torch.optim.LBFGS(
        [canvas.values],
        lr=recipe.learning_rate,
        history_size=LBFGS_HISTORY,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    first: dict[str, float] = {}
    losses: dict[str, float] = {}
    done = 0

    def closure() -> Tensor:
        nonlocal first, losses
        losses = _checked(canvas.evaluate(objective), done + 1)
        first = first or losses
        return canvas.values.new_tensor(losses["total"])

    while done < steps:
        optimizer.param_groups[0]["max_iter"] = min(LBFGS_BLOCK, steps - done)
        optimizer.step(closure)
        now = int(optimizer.state[canvas.values]["n_iter"])
        if now == done:
            break
        done = now
        if recipe.clamp:
            canvas.values.data.clamp_(0, 1)
        if report:
            report(Step(done, steps, losses, canvas.picture))
    return first, done
