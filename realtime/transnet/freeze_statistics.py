"""A network that looks at the whole picture, settled for one picture: from then on it looks no further than its reach.

Instance norm asks for the statistics of the whole picture in every block. A picture too large for that is painted in
tiles, by a network whose norms have become constants: the statistics of crops spread over the picture, taken together.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from realtime.frames import Matrix, Range
from realtime.transnet.folding import FoldedBlock, PictureNorm, fold
from realtime.transnet.network import FLOOR, Block, InstanceNorm, TransNet


@torch.inference_mode()
def freeze_statistics(network: TransNet, cells: Tensor, matrix: Matrix, range: Range) -> TransNet:
    """The network for one picture, its instance norms as batch norms with the picture's own statistics.

    Args:
        network: of norm "instance", in its training form; it stays as it is.
        cells: (N, 24, h, w) codes - 128 as a folded network takes them: crops of the picture, or all of it as one.
        matrix, range: what the codes mean.

    Returns:
        a network of norm "batch" that paints this picture as `network` does, as far as the crops stand for it.
    """
    folded = fold(network, matrix, range)
    for module in folded.modules():
        if isinstance(module, PictureNorm):
            module.joint = True
    folded(cells.float())
    settled = TransNet(replace(network.architecture, norm="batch")).to(cells.device)
    settled.load_state_dict(network.state_dict())
    for old, seen, new in zip(network.blocks, folded.blocks, settled.blocks, strict=True):
        assert isinstance(old, Block) and isinstance(seen, FoldedBlock) and isinstance(new, Block)
        before, left, after = old.norm, seen.norm, new.norm
        assert isinstance(before, InstanceNorm) and isinstance(left, PictureNorm) and isinstance(after, nn.BatchNorm2d)
        assert before.running_mean is not None and before.running_var is not None and left.found is not None
        mean, variance = left.found
        usual = before.running_var + before.eps
        after.running_mean = before.running_mean + mean * usual.sqrt()
        after.running_var = (variance + FLOOR) * usual - after.eps
    return settled.eval()
