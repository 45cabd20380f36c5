"""Instance norm with the statistics of one picture as constants.

Instance norm needs the statistics of the whole picture in every block. A picture that is too large for that is painted
in tiles, by a network whose norms have become constants: the statistics of crops spread over the picture, taken
together.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from realtime.frames import Matrix, Range
from realtime.transnet.folding import PictureNorm, fold
from realtime.transnet.network import FLOOR, Block, InstanceNorm, TransNet, residual_blocks


class _JointNorm(nn.Module):
    """A `PictureNorm` over all pictures of a batch together. Keeps the statistics: (1, C, 1, 1)."""

    variance: Tensor
    mean: Tensor

    def __init__(self, norm: PictureNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        self.variance, self.mean = torch.var_mean(x.float(), (0, 2, 3), keepdim=True, unbiased=False)
        return self.norm.scaled(x, self.variance, self.mean)


@torch.inference_mode()
def freeze_statistics(network: TransNet, cells: Tensor, matrix: Matrix, range: Range) -> TransNet:
    """The network for one picture: its instance norms as batch norms with the picture's own statistics.

    Args:
        network: with instance norm, in its training form; it stays as it is.
        cells: (N, 24, h, w) codes - 128, as a folded network takes them, 28 channels with a texture plane: crops of
            the picture, or all of it.
        matrix, range: meaning of the codes.

    Returns:
        a network of norm "batch" that paints this picture as `network` does, as far as the crops represent it.
    """
    folded = fold(network, matrix, range)
    norms = []
    for block in residual_blocks(folded):
        assert isinstance(block, Block) and isinstance(block.norm, PictureNorm)
        block.norm = _JointNorm(block.norm)
        norms.append(block.norm)
    folded(cells.float())
    frozen = TransNet(replace(network.architecture, norm="batch")).to(cells.device)
    frozen.load_state_dict(network.state_dict(), strict=False)
    for norm in (frozen.stem_norm, frozen.down_norm, frozen.refine_norm):
        if network.architecture.norm == "blocks" and isinstance(norm, nn.BatchNorm2d):
            assert norm.running_var is not None
            norm.running_var.fill_(1 - norm.eps)  # there is no norm outside the blocks
    for before, seen, after in zip(residual_blocks(network), norms, residual_blocks(frozen), strict=True):
        assert isinstance(before, Block) and isinstance(after, Block)
        usual, constant = before.norm, after.norm
        assert isinstance(usual, InstanceNorm) and isinstance(constant, nn.BatchNorm2d)
        assert usual.running_mean is not None and usual.running_var is not None
        variance = usual.running_var + usual.eps
        constant.running_mean = usual.running_mean + seen.mean.flatten() * variance.sqrt()
        constant.running_var = (seen.variance.flatten() + FLOOR) * variance - constant.eps
    return frozen.eval()
