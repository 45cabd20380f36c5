"""Distillation: a student learns from a larger network's pictures and from their features in the loss network.

The idea is from Hinton et al. 2015 (arXiv 1503.02531). Features are compared as well as pixels, so that the student may
place a stroke slightly differently than its teacher.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realtime.perception.features import LossNetwork
from realtime.perception.losses import content_error
from realtime.transnet.network import TransNet


class Teacher:
    """A trained network whose pictures are the target.

    Args:
        network: is not changed.
        loss_network: for the features of both networks' pictures.
    """

    def __init__(self, network: TransNet, loss_network: LossNetwork) -> None:
        self.network = network.requires_grad_(False).eval()
        self.loss_network = loss_network

    def error(self, shown: Tensor, taps: list[Tensor], target: Tensor) -> Tensor:
        """The student's error for each picture.

        Args:
            shown: (N, 3, H, W) in 0..1, the student's pictures.
            taps: their features in the loss network.
            target: (N, 3, H, W) in 0..1, the teacher's pictures.

        Returns:
            (N,) fp32: the mean of the four taps' normalised errors, plus the error of the pictures.
        """
        with torch.no_grad():
            wanted = self.loss_network(target)
        of_features = torch.stack([content_error(f, t) for f, t in zip(taps, wanted, strict=True)]).mean(0)
        return of_features + content_error(shown, target)
