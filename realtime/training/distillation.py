"""Distillation: a student learns from a larger network's pictures, and from what the loss network sees in them.

Hinton et al. 2015 (arXiv 1503.02531) for the idea; matching the teacher's features and not its pixels alone lets the
student lay a stroke a little elsewhere than its teacher did.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realtime.perception.features import LossNetwork
from realtime.perception.losses import content_error
from realtime.transnet.network import TransNet


class Teacher:
    """A trained network whose pictures are to be learned.

    Args:
        network: it stays as it is.
        loss_network: sees the pictures of both.
    """

    def __init__(self, network: TransNet, loss_network: LossNetwork) -> None:
        self.network = network.requires_grad_(False).eval()
        self.loss_network = loss_network

    def error(self, shown: Tensor, taps: list[Tensor], target: Tensor) -> Tensor:
        """How far a student is from its teacher, for each picture.

        Args:
            shown: (N, 3, H, W) in 0..1, the student's pictures.
            taps: the loss network's features of them.
            target: (N, 3, H, W) in 0..1, the teacher's pictures of the same.

        Returns:
            (N,) fp32: the mean over the four taps of the features' normalised errors, and the pictures' own.
        """
        with torch.no_grad():
            wanted = self.loss_network(target)
        of_features = torch.stack([content_error(f, t) for f, t in zip(taps, wanted, strict=True)]).mean(0)
        return of_features + content_error(shown, target)
