"""Folding: a trained TransNet with plain convolutions, ready for an engine and for a source's colours.

Everything linear around the convolutions goes into their weights once, at load time: batch norm, phase equalisation,
the scale of the codes, and the conversion between the source's Y'CbCr (matrix and range) and the one that networks are
trained in. With chroma taken as nearest-upsampled, that conversion is linear in the 24 plane channels, so it costs
nothing per frame. The forward stays that of `TransNet`; its modules are exchanged.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.frames import Matrix, Range
from realtime.transnet.color import codes_to_codes
from realtime.transnet.network import (
    CENTER,
    FLOOR,
    PLANE_CHANNELS,
    SCALE,
    Block,
    Contours,
    Conv,
    InstanceNorm,
    PhaseConv,
    TransNet,
    residual_blocks,
)
from realtime.transnet.texture import TEXTURE_SCALE

TRAINED_IN: tuple[Matrix, Range] = ("bt709", "limited")
"""Matrix and range that every TransNet is trained with."""


class FoldedTransNet(TransNet):
    """What engines run; made by `fold`, never trained. Takes and gives codes - 128 of the source, not rounded.

    The texture plane comes as codes - 128, too: see `realtime.transnet.texture`.
    """

    blocks: nn.Sequential
    up: Conv  # type: ignore[assignment]  # equalised already
    out: Conv  # type: ignore[assignment]

    def cast(self, device: torch.device, dtype: torch.dtype) -> FoldedTransNet:
        """Move this network to a device and a type, channels_last. The contours' phases stay fp32."""
        exact = None if self.contours is None else (self.contours.weight, self.contours.bias)
        self.to(device, dtype).to(memory_format=torch.channels_last)
        if self.contours is not None and exact is not None:
            self.contours.weight, self.contours.bias = (value.to(device) for value in exact)
        return self

    def _sum(self, x: Tensor, y: Tensor) -> Tensor:
        return x.add_(y)  # no gradients need x


class PictureNorm(nn.Module):
    """What is left of an `InstanceNorm` when the usual mean and variance are folded away: here they are 0 and 1."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        if x.device.type == "cpu":
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            # The kernel for channels_last adds up in a way that is exact enough for bf16 only: for a large picture it
            # has four correct digits.
            turned = x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
            normed = F.group_norm(x.contiguous() if turned else x, x.shape[1], weight, bias, FLOOR)
            return normed.contiguous(memory_format=torch.channels_last) if turned else normed
        # CUDA has no group norm for channels_last: it would reorder the whole picture twice.
        return self.scaled(x, *torch.var_mean(x, (2, 3), keepdim=True, unbiased=False))

    def scaled(self, x: Tensor, variance: Tensor, mean: Tensor) -> Tensor:
        """Normalised by given statistics, (N or 1, C, 1, 1)."""
        gain = self.weight[:, None, None].float() * torch.rsqrt(variance.float() + FLOOR)
        shift = self.bias[:, None, None].float() - mean.float() * gain
        return torch.addcmul(shift.to(x.dtype), x, gain.to(x.dtype))


def fold(network: TransNet, matrix: Matrix = "bt709", range: Range = "limited") -> FoldedTransNet:
    """The network for inference on a source's own codes.

    Args:
        network: in its training form; it stays as it is.
        matrix, range: meaning of the source's codes.

    Returns:
        plain convolutions, fp32, in eval mode, without gradients.
    """
    into, into_shift, back, back_shift = _conversions(matrix, range)
    with torch.device("meta"):  # every module with parameters is exchanged below
        folded = FoldedTransNet(network.architecture)
    weight, bias, _ = _with_norm(network.stem, network.stem_norm)
    weight, texture = weight.tensor_split((PLANE_CHANNELS,), 1)
    bias = bias + torch.einsum("oihw,i->o", weight, into_shift)
    weight = torch.cat([torch.einsum("ochw,ci->oihw", weight, into), texture / TEXTURE_SCALE], 1)
    folded.stem = _conv(weight, bias, network.stem)
    folded.down = _conv(*_with_norm(network.down, network.down_norm)[:2], network.down)
    if network.contours is not None and network.mix is not None:
        folded.contours = Contours(network.architecture.contours)
        weight = folded.contours.weight.double()
        folded.contours.bias = torch.einsum("oihw,i->o", weight, into_shift).float()
        folded.contours.weight = torch.einsum("ochw,ci->oihw", weight, into).float()
        folded.mix = _conv(*_weight_and_bias(network.mix), network.mix)
    for block, made in zip(residual_blocks(network), residual_blocks(folded), strict=True):
        assert isinstance(block, Block) and isinstance(made, Block)
        weight, bias, made.norm = _with_norm(block.first, block.norm)
        made.first = _conv(weight, bias, block.first)
        made.second = _conv(*_weight_and_bias(block.second), block.second)
        made.relu = nn.ReLU(inplace=True)
    folded.up = _conv(*_weight_and_bias(network.up), network.up)
    if network.refine is not None:
        folded.refine = _conv(*_with_norm(network.refine, network.refine_norm)[:2], network.refine)
    weight, bias = _weight_and_bias(network.out)
    folded.out = _conv(torch.einsum("po,oihw->pihw", back, weight), back @ bias + back_shift, network.out)
    for name in ("stem", "down", "refine"):
        setattr(folded, f"{name}_norm", nn.Identity())
    for name in ("stem", "down", "up", "refine"):
        setattr(folded, f"{name}_relu", nn.ReLU(inplace=True))
    return folded.requires_grad_(False).eval()


def _conversions(matrix: Matrix, range: Range) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The affine maps of the 24 channels from source codes - 128 to the network's input, and from its output back."""
    source: tuple[Matrix, Range] = (matrix, range)
    into, into_shift = plane_matrix(*codes_to_codes(source, TRAINED_IN))
    back, back_shift = plane_matrix(*codes_to_codes(TRAINED_IN, source))
    into_shift = (into.sum(1) * CENTER + into_shift - CENTER) / SCALE
    back_shift = back.sum(1) * CENTER + back_shift - CENTER
    return into / SCALE, into_shift, back * SCALE, back_shift


def plane_matrix(m: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """An affine map of (Y, U, V) codes as one of the 24 plane channels, chroma taken as nearest-upsampled.

    Args:
        m: (3, 3). Between Y'CbCr variants gray stays gray, so chroma never depends on luma; that is relied on.
        t: (3,).

    Returns:
        (24, 24) and (24,) of the same type.
    """
    full = m.new_zeros(PLANE_CHANNELS, PLANE_CHANNELS)
    luma = torch.arange(16)
    chroma_of = luma // 8 * 2 + luma % 4 // 2  # the chroma phase (2x2) that covers each luma phase (4x4)
    full[luma, luma] = m[0, 0]
    full[luma, 16 + chroma_of] = m[0, 1]
    full[luma, 20 + chroma_of] = m[0, 2]
    phase = torch.arange(4)
    for row in (1, 2):
        for column in (1, 2):
            full[12 + 4 * row + phase, 12 + 4 * column + phase] = m[row, column]
    return full, torch.cat([t[0].expand(16), t[1].expand(4), t[2].expand(4)])


def _conv(weight: Tensor, bias: Tensor, like: Conv) -> Conv:
    """A plain convolution with the geometry of another one."""
    conv = Conv(
        like.in_channels,
        like.out_channels,
        like.kernel_size[0],
        stride=like.stride[0],
        dilation=like.dilation[0],
        device=torch.device("meta"),
    )
    conv.weight, conv.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())
    return conv


def _weight_and_bias(conv: Conv) -> tuple[Tensor, Tensor]:
    """As they are used, fp64."""
    weight, bias = conv.equalised() if isinstance(conv, PhaseConv) else (conv.weight, conv.bias)
    return weight.detach().double(), bias.detach().double()


def _with_norm(conv: Conv, norm: nn.Module) -> tuple[Tensor, Tensor, nn.Module]:
    """Weight and bias with a norm's running statistics folded in, and what is left of the norm."""
    weight, bias = _weight_and_bias(conv)
    if not isinstance(norm, nn.BatchNorm2d):
        return weight, bias, norm
    assert norm.running_mean is not None and norm.running_var is not None
    gain, shift = (norm.running_var.double() + norm.eps).rsqrt(), norm.bias.new_zeros((), dtype=torch.float64)
    left: nn.Module = nn.Identity()
    if isinstance(norm, InstanceNorm):
        left = PictureNorm(norm.weight.detach(), norm.bias.detach())
    else:
        gain, shift = gain * norm.weight.detach().double(), norm.bias.detach().double()
    return weight * gain[:, None, None, None], (bias - norm.running_mean.double()) * gain + shift, left
