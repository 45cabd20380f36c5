"""TransNet on a CPU with oneDNN's fused convolutions: ReLU and the residual sum cost no pass of their own.

PyTorch's eager convolution lays its weights out anew at every call and knows no fusion. The operators that its compiler
(inductor) uses for that are there without a compiler too; this module calls them, after `fusing_works` has tried them
out.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.transnet.folding import FoldedBlock, FoldedTransNet


class FusedConv(nn.Module):
    """A convolution padded by replication, with ReLU or a sum in the same pass.

    Its weights are laid out for each size of input when that size first comes; several threads may run it at once.
    """

    def __init__(self, conv: nn.Conv2d, *, relu: bool = False) -> None:
        super().__init__()
        assert isinstance(conv.padding, tuple)
        self.conv, self.post = conv, "relu" if relu else "none"
        self.pad = int(conv.padding[0])
        self.laid_out: dict[torch.Size, Tensor] = {}

    def _prepare(self, x: Tensor) -> tuple[Tensor, Tensor, Any]:
        """The padded input, the weights for its size, and the convolution's geometry."""
        if self.pad:
            x = F.pad(x, (self.pad,) * 4, mode="replicate")
        c = self.conv
        geometry = ([0, 0], list(c.stride), list(c.dilation), c.groups)
        weight = self.laid_out.get(x.shape)
        if weight is None:
            weight = torch.ops.mkldnn._reorder_convolution_weight(c.weight, *geometry, list(x.shape))
            if len(self.laid_out) >= 8:
                self.laid_out = {}  # sizes come and go in a live filter that adapts
            self.laid_out[x.shape] = weight
        return x, weight, geometry

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) channels_last -> (N, O, H', W')."""
        stride = self.conv.stride[1]
        # oneDNN's kernels for AMX are wrong where a strided convolution's output is one column wide (PyTorch 2.15):
        # they get a second one to compute. Plain bf16 convolutions are as wrong there, and are left so: they run in
        # training, whose crops are wider, and where this module's operators are missing.
        narrow = 1 < stride >= x.shape[3]
        if narrow:
            x = F.pad(x, (0, stride, 0, 0), mode="replicate")
        x, weight, geometry = self._prepare(x)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, self.conv.bias, *geometry, self.post, [], ""
        )
        return result[..., :1].contiguous(memory_format=torch.channels_last) if narrow else result

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of `x` to `total`, in place."""
        x, weight, geometry = self._prepare(x)
        return cast(
            Tensor,
            torch.ops.mkldnn._convolution_pointwise_.binary(
                total, x, weight, self.conv.bias, *geometry, "add", 1.0, None, [], None
            ),
        )


class FusedBlock(nn.Module):
    """A `FoldedBlock`, the sum in the pass of its last convolution."""

    def __init__(self, block: FoldedBlock) -> None:
        super().__init__()
        *before, last = block.second if isinstance(block.second, nn.Sequential) else (block.second,)
        self.first = _fuse(nn.Sequential(block.first, block.norm))
        self.between = nn.Sequential(*(FusedConv(cast(nn.Conv2d, conv)) for conv in before))
        self.second = FusedConv(cast(nn.Conv2d, last))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, in the same memory."""
        return self.second.add_to(x, self.between(self.first(x)))


class FusedTransNet(nn.Module):
    """A `FoldedTransNet` in bf16 channels_last, run by fused convolutions."""

    def __init__(self, folded: FoldedTransNet) -> None:
        super().__init__()
        self.stem = _fuse(folded.stem)
        self.down = _fuse(folded.down)
        self.contours = folded.contours
        self.mix = None if folded.mix is None else FusedConv(cast(nn.Conv2d, folded.mix))
        self.blocks = nn.Sequential(*(FusedBlock(cast(FoldedBlock, block)) for block in folded.blocks))
        self.up = _fuse(folded.up)
        self.refine = _fuse(folded.refine)
        assert isinstance(folded.out, nn.Conv2d)
        self.out = FusedConv(folded.out)
        self.shuffle, self.mix_shuffle = folded.shuffle, folded.mix_shuffle

    def forward(self, planes: Tensor) -> Tensor:
        """See `FoldedTransNet.forward`."""
        x = self.down(self.stem(planes))
        if self.mix is not None and self.contours is not None:
            waves = self.contours(planes)
            if self.mix_shuffle == 1:
                x = self.mix.add_to(x, waves)
            else:
                x = x.add_(F.pixel_shuffle(self.mix(waves), self.mix_shuffle))
        x = self.blocks(x)
        return cast(Tensor, self.out(self.refine(F.pixel_shuffle(self.up(x), self.shuffle))))


def _fuse(part: nn.Module) -> nn.Module:
    """A convolution (or a depthwise one and its 1x1), with the norm that may follow it, and a ReLU."""
    if isinstance(part, nn.Sequential):
        conv, then = part
        if isinstance(conv, nn.Sequential):
            depthwise, pointwise = conv
            return nn.Sequential(FusedConv(cast(nn.Conv2d, depthwise)), _fuse(nn.Sequential(pointwise, then)))
        assert isinstance(conv, nn.Conv2d)
        if not isinstance(then, nn.Identity):
            return nn.Sequential(FusedConv(conv), then, nn.ReLU(inplace=True))
        part = conv
    assert isinstance(part, nn.Conv2d)
    return FusedConv(part, relu=True)


@cache
def fusing_works() -> bool:
    """Whether this PyTorch has the operators, and they give what plain convolutions give."""
    try:
        with torch.inference_mode():
            conv = (
                nn.Conv2d(16, 16, 3, padding=1, padding_mode="replicate")
                .bfloat16()
                .to(memory_format=torch.channels_last)
            )
            x = torch.randn(1, 16, 8, 8).bfloat16().to(memory_format=torch.channels_last)
            fused = FusedConv(conv, relu=True)
            plain = conv(x)
            close = torch.allclose(fused(x).float(), F.relu(plain).float(), atol=0.05)
            added = FusedConv(conv).add_to(x.clone(), x)
            return bool(close and torch.allclose(added.float(), (plain + x).float(), atol=0.1))
    except (AttributeError, RuntimeError, TypeError):
        return False
