"""TransNet on CUDA with cuDNN's fused convolutions: bias and ReLU cost no pass of their own.

PyTorch's eager convolution adds its bias in a second pass, and ReLU is a third. `cudnn_problem` tries the fused one out
before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.engines.cuda.device import first_line
from realtime.transnet.folding import FoldedBlock, FoldedTransNet

ConvRelu = Callable[[Tensor, Tensor, Tensor | None, Sequence[int], Sequence[int], Sequence[int], int], Tensor]
"""(input, weight, bias, stride, padding, dilation, groups) -> ReLU of the convolution."""


def _cudnn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    result: Tensor = torch.ops.aten.cudnn_convolution_relu(x, weight, bias, stride, padding, dilation, groups)
    return result


class ConvReluModule(nn.Module):
    """A convolution padded by replication, and its ReLU, in one kernel beside the padding."""

    def __init__(self, conv: nn.Conv2d, fused: ConvRelu) -> None:
        super().__init__()
        assert isinstance(conv.padding, tuple)
        self.conv, self.fused, self.pad = conv, fused, int(conv.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) channels_last -> (N, O, H', W')."""
        c = self.conv
        if self.pad:
            x = F.pad(x, (self.pad,) * 4, mode="replicate")
        return self.fused(x, c.weight, c.bias, list(c.stride), [0, 0], list(c.dilation), c.groups)


class CudnnTransNet(nn.Module):
    """A `FoldedTransNet` whose convolutions and ReLUs are one, where nothing lies between them.

    Args:
        folded: on its device and in its type.
        fused: the fused convolution.
    """

    def __init__(self, folded: FoldedTransNet, fused: ConvRelu = _cudnn) -> None:
        super().__init__()
        self.stem, self.down = _then_relu(folded.stem, fused), _then_relu(folded.down, fused)
        self.contours, self.mix = folded.contours, folded.mix
        self.firsts, self.seconds = nn.ModuleList(), nn.ModuleList()
        for block in folded.blocks:
            assert isinstance(block, FoldedBlock)
            self.firsts.append(_then_relu(nn.Sequential(block.first, block.norm), fused))
            self.seconds.append(block.second)
        self.up, self.refine = _then_relu(folded.up, fused), _then_relu(folded.refine, fused)
        self.out, self.shuffle, self.mix_shuffle = folded.out, folded.shuffle, folded.mix_shuffle

    def forward(self, planes: Tensor) -> Tensor:
        """See `FoldedTransNet.forward`."""
        x = self.down(self.stem(planes))
        if self.mix is not None and self.contours is not None:
            mixed = self.mix(self.contours(planes))
            x = x + (F.pixel_shuffle(mixed, self.mix_shuffle) if self.mix_shuffle > 1 else mixed)
        for first, second in zip(self.firsts, self.seconds, strict=True):
            x = second(first(x)).add_(x)
        return cast(Tensor, self.out(self.refine(F.pixel_shuffle(self.up(x), self.shuffle))))


def _then_relu(part: nn.Module, fused: ConvRelu) -> nn.Module:
    """A convolution (or a depthwise one and its 1x1), with the norm that may follow it, and a ReLU."""
    if isinstance(part, nn.Conv2d):
        return ConvReluModule(part, fused)
    assert isinstance(part, nn.Sequential)
    *before, last = part
    if isinstance(last, nn.Identity):
        return _then_relu(nn.Sequential(*before) if len(before) > 1 else before[0], fused)
    if isinstance(last, nn.Conv2d):  # the 1x1 of a depthwise convolution
        return nn.Sequential(*before, ConvReluModule(last, fused))
    return nn.Sequential(*before, last, nn.ReLU(inplace=True))


@cache
def cudnn_problem(where: torch.device, dtype: torch.dtype) -> str:
    """Why cuDNN's fused convolution is not to be used on a device; empty where it gives what the plain one gives."""
    if where.type != "cuda":
        return "cuDNN is for CUDA devices"
    try:
        with torch.inference_mode():
            for stride, dilation in ((1, 1), (2, 1), (1, 2)):
                conv = nn.Conv2d(32, 32, 3, stride, padding=dilation, dilation=dilation, padding_mode="replicate")
                conv = conv.to(where, dtype).to(memory_format=torch.channels_last)
                x = torch.randn(2, 32, 12, 20, device=where).to(dtype).to(memory_format=torch.channels_last)
                fused, plain = ConvReluModule(conv, _cudnn)(x).float(), F.relu(conv(x)).float()
                if not torch.allclose(fused, plain, atol=0.02, rtol=0.02):
                    return "it gives other numbers than PyTorch's plain convolution"
    except Exception as error:  # a library of its own, with errors of its own
        return first_line(error)
    return ""
