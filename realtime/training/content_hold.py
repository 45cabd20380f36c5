"""Holds the content's error at that of a reference network, so that a polish changes the style alone.

The content's weight is the multiplier of that constraint, and follows it by dual ascent (Platt & Barr 1987,
"Constrained differential optimization"): it grows while the trained network keeps less of the picture than the
reference does on the same crops, and falls while it keeps more.
"""

from __future__ import annotations

import copy
import math

from torch import Tensor

from realtime.transnet.network import TransNet

EVERY = 4
"""Steps from one comparison to the next: each costs a fifth of a step."""

RATE = 1.0
"""By how much the weight's logarithm changes for a relative error of 1."""

TARGET = 0.98
"""The error that is aimed at, relative to the reference's: a little below it, since generated pictures stand for the
user's own."""

MOST = math.log(16)
"""Bound of the weight's logarithm, to both sides."""


class ContentHold:
    """The constraint of one run.

    Args:
        network: the reference as it is now.

    Attributes:
        reference: a copy of it, which does not change.
        log_factor: logarithm of what the content's weight is multiplied by.
    """

    def __init__(self, network: TransNet) -> None:
        self.reference = copy.deepcopy(network).requires_grad_(False).eval()
        self.log_factor = 0.0

    @property
    def factor(self) -> float:
        """What the content's weight is multiplied by."""
        return math.exp(self.log_factor)

    def due(self, step: int) -> bool:
        """Whether the networks are compared in a step."""
        return step % EVERY == 0

    def follow(self, error: Tensor, of_reference: Tensor) -> None:
        """Take the content's errors of one batch into account, scalars; what is not finite changes nothing."""
        ratio = float(error.detach()) / max(1e-6, float(of_reference))
        if math.isfinite(ratio):
            change = RATE * max(-1.0, min(1.0, ratio - TARGET))
            self.log_factor = max(-MOST, min(MOST, self.log_factor + change))
