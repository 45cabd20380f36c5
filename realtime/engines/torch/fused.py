"""TransNet on a CPU with oneDNN's fused convolutions: ReLU and the residual sum take no pass of their own.

PyTorch's eager convolution reorders its weights at every call and has no fusion. The operators that its compiler
(inductor) uses for both can be called without a compiler. This module calls them, after `fusing_works` has tried them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.transnet.folding import FoldedTransNet
from realtime.transnet.network import Conv, residual_blocks

_SIZES = 8
"""Sizes of input for which a convolution keeps reordered weights."""


class FusedConv(Conv):
    """A convolution padded by replication, with ReLU or a sum in the same pass. Several threads may run it at once."""

    def __init__(self, conv: Conv, *, relu: bool = False) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size[0],
            stride=conv.stride[0],
            dilation=conv.dilation[0],
            device=torch.device("meta"),
        )
        self.weight, self.bias = conv.weight, conv.bias
        self._post = "relu" if relu else "none"
        self._pad = int(conv.padding[0])
        self._reordered: dict[torch.Size, Tensor] = {}

    def _prepare(self, x: Tensor) -> tuple[Tensor, Tensor, Any]:
        """The padded input, the weights for its size, and the convolution's geometry."""
        if self._pad:
            x = F.pad(x, (self._pad,) * 4, mode="replicate")
        geometry = ([0, 0], list(self.stride), list(self.dilation), self.groups)
        weight = self._reordered.get(x.shape)
        if weight is None:
            weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *geometry, list(x.shape))
            if len(self._reordered) >= _SIZES:
                self._reordered = {}  # a live filter that changes its size meets many
            self._reordered[x.shape] = weight
        return x, weight, geometry

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) channels_last -> (N, O, H', W')."""
        stride = self.stride[1]
        # oneDNN's kernels for AMX are wrong where the output of a strided convolution is one column wide (PyTorch
        # 2.15); so they compute a second one. Plain bf16 convolutions have the same error. They are used in training,
        # on wider crops, and where these operators are missing.
        narrow = 1 < stride >= x.shape[3]
        if narrow:
            x = F.pad(x, (0, stride, 0, 0), mode="replicate")
        x, weight, geometry = self._prepare(x)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, self.bias, *geometry, self._post, [], "")
        return result[..., :1].contiguous(memory_format=torch.channels_last) if narrow else result

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of `x` to `total`, in place."""
        x, weight, geometry = self._prepare(x)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            total, x, weight, self.bias, *geometry, "add", 1.0, None, [], None
        )
        return result


def fuse(network: FoldedTransNet) -> FoldedTransNet:
    """Exchange the convolutions of a network, in bf16 and channels_last, for fused ones. Changes its argument."""
    for name in ("stem", "down", "up", "refine"):
        conv = getattr(network, name)
        if conv is None:
            continue
        relu = name != "up" or not network.architecture.skip  # else the ReLU comes after the sum
        setattr(network, name, FusedConv(conv, relu=relu))
        if relu:
            setattr(network, f"{name}_relu", nn.Identity())
    if network.mix is not None:
        network.mix = FusedConv(network.mix)
    for block in residual_blocks(network):
        plain = isinstance(block.norm, nn.Identity)  # else the ReLU comes after the norm
        block.first = FusedConv(block.first, relu=plain)
        if plain:
            block.relu = nn.Identity()
        block.second = FusedConv(block.second)
    network.out = FusedConv(network.out)
    return network


@cache
def fusing_works() -> bool:
    """Whether this PyTorch has the operators, and they give what plain convolutions give."""
    try:
        with torch.inference_mode():
            conv = Conv(16, 16).bfloat16().to(memory_format=torch.channels_last)
            x = torch.randn(1, 16, 8, 8).bfloat16().to(memory_format=torch.channels_last)
            plain, fused = conv(x), FusedConv(conv, relu=True)
            close = torch.allclose(fused(x).float(), F.relu(plain).float(), atol=0.05)
            added = FusedConv(conv).add_to(x.clone(), x)
            return bool(close and torch.allclose(added.float(), (plain + x).float(), atol=0.1))
    except (AttributeError, RuntimeError, TypeError):
        return False
