"""Folding: a trained TransNet as plain convolutions, ready for an engine and for a source's colours.

Everything linear around the convolutions goes into their weights once, at load time: batch norm, phase equalisation,
the scale of the codes, and the conversion between the source's Y'CbCr (matrix and range) and the one the network was
trained in. With chroma taken as nearest-upsampled that conversion is linear in the 24 plane channels, so it costs
nothing per frame.
"""

from __future__ import annotations

from copy import deepcopy
from typing import cast

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
    ChannelNorm,
    Contours,
    InstanceNorm,
    PhaseConv,
    TransNet,
)

TRAINED_IN: tuple[Matrix, Range] = ("bt709", "limited")
"""The meaning of the numbers that every TransNet is trained with."""


class PictureNorm(nn.Module):
    """What is left of an `InstanceNorm` when the usual mean and variance are folded away: they are 0 and 1 here.

    Attributes:
        joint: take the statistics over all the pictures of a batch together: they are crops of one.
        found: mean and variance (C,) of the last such batch.
    """

    joint = False
    found: tuple[Tensor, Tensor] | None = None

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        if self.joint:
            variance, mean = torch.var_mean(x.float(), (0, 2, 3), keepdim=True, unbiased=False)
            self.found = mean.flatten(), variance.flatten()
            return self._scaled(x, mean, variance)
        if x.device.type == "cpu":
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            # The kernel for channels_last adds up too carelessly for more than bf16: four digits of a large picture.
            turned = x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
            told = F.group_norm(x.contiguous() if turned else x, x.shape[1], weight, bias, FLOOR)
            return told.contiguous(memory_format=torch.channels_last) if turned else told
        # CUDA's kernel for groups knows no channels_last: it would turn the whole picture over, twice.
        variance, mean = torch.var_mean(x, (2, 3), keepdim=True, unbiased=False)
        return self._scaled(x, mean, variance)

    def _scaled(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        gain = self.weight[:, None, None].float() * torch.rsqrt(variance.float() + FLOOR)
        shift = self.bias[:, None, None].float() - mean.float() * gain
        return torch.addcmul(shift.to(x.dtype), x, gain.to(x.dtype))


class FoldedBlock(nn.Module):
    """Residual block without anything but convolutions (and the norm, where the network has one that stays)."""

    def __init__(self, first: nn.Module, norm: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.norm, self.second = first, norm, second

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return cast(Tensor, self.second(F.relu_(self.norm(self.first(x)))).add_(x))


class FoldedTransNet(nn.Module):
    """What engines run. Made by `fold`, never trained."""

    def __init__(
        self,
        stem: nn.Module,
        down: nn.Module,
        contours: Contours | None,
        mix: nn.Module | None,
        blocks: nn.Sequential,
        up: nn.Module,
        refine: nn.Module,
        out: nn.Module,
        shuffle: int,
    ) -> None:
        super().__init__()
        self.shuffle, self.mix_shuffle = shuffle, 1 if mix is None else 2 // shuffle
        self.stem, self.down, self.contours, self.mix = stem, down, contours, mix
        self.blocks, self.up, self.refine, self.out = blocks, up, refine, out

    def cast(self, device: torch.device, dtype: torch.dtype) -> FoldedTransNet:
        """Move this network to a device and a type, channels_last. The phases of the contours stay fp32."""
        exact = None if self.contours is None else deepcopy(self.contours)
        self.to(device, dtype).to(memory_format=torch.channels_last)
        self.contours = None if exact is None else exact.to(device)
        return self

    def forward(self, planes: Tensor) -> Tensor:
        """Stylise.

        Args:
            planes: (N, 24, H/4, W/4) float: the source's codes - 128; H and W multiples of 8.

        Returns:
            (N, 24, H/4, W/4): codes - 128 in the source's own meaning, not rounded, not clamped.
        """
        x = F.relu_(self.stem(planes))
        x = F.relu_(self.down(x))
        if self.mix is not None and self.contours is not None:
            mixed = self.mix(self.contours(planes))
            x = x + (F.pixel_shuffle(mixed, self.mix_shuffle) if self.mix_shuffle > 1 else mixed)
        x = self.blocks(x)
        x = F.pixel_shuffle(F.relu_(self.up(x)), self.shuffle)
        x = F.relu_(self.refine(x))
        return cast(Tensor, self.out(x))


def _conv(weight: Tensor, bias: Tensor, like: nn.Conv2d) -> nn.Conv2d:
    outputs, inputs, side, _ = weight.shape
    conv = nn.Conv2d(
        inputs * like.groups,
        outputs,
        side,
        stride=like.stride[0],
        padding=like.dilation[0] * (side // 2),
        dilation=like.dilation[0],
        groups=like.groups,
        padding_mode="replicate",
    )
    assert conv.bias is not None
    conv.weight.data, conv.bias.data = weight.float(), bias.float()
    return conv


def _parts(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    if isinstance(conv, PhaseConv):
        weight, bias = conv.equalised()
    else:
        assert conv.bias is not None
        weight, bias = conv.weight, conv.bias
    return weight.detach().double(), bias.detach().double()


def _with_norm(conv: nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor, nn.Module]:
    """Weight and bias with a norm's running statistics folded in, and what is left of the norm."""
    weight, bias = _parts(conv)
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


def _fold_part(part: nn.Module, norm: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A convolution of a block, plain or depthwise and 1x1, with a norm folded in; and what is left of the norm."""
    if isinstance(part, nn.Sequential):
        depthwise, pointwise = part
        assert isinstance(depthwise, nn.Conv2d)
        folded, left = _fold_part(pointwise, norm)
        return nn.Sequential(_conv(*_parts(depthwise), depthwise), folded), left
    assert isinstance(part, nn.Conv2d)
    weight, bias, left = _with_norm(part, norm)
    return _conv(weight, bias, part), left


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


def fold(network: TransNet, matrix: Matrix = "bt709", range: Range = "limited") -> FoldedTransNet:
    """Plain convolutions that take and give a source's own codes.

    Args:
        network: a trained network; it stays as it is.
        matrix, range: what the source's numbers mean.

    Returns:
        the network for inference, fp32, eval mode, without gradients.
    """
    source: tuple[Matrix, Range] = (matrix, range)
    into, into_t = plane_matrix(*codes_to_codes(source, TRAINED_IN))
    back, back_t = plane_matrix(*codes_to_codes(TRAINED_IN, source))
    # source codes - 128 -> (trained codes - 128) / 64
    into_t = (into.sum(1) * CENTER + into_t - CENTER) / SCALE
    into = into / SCALE
    # (trained codes - 128) / 64 -> source codes - 128
    back_t = back.sum(1) * CENTER + back_t - CENTER
    back = back * SCALE

    weight, bias, _ = _with_norm(network.stem, network.stem_norm)
    bias = bias + torch.einsum("oihw,i->o", weight, into_t)
    stem = _conv(torch.einsum("ochw,ci->oihw", weight, into), bias, network.stem)

    weight, bias, down_norm = _with_norm(network.down, network.down_norm)
    down = _conv(weight, bias, network.down)

    a = network.architecture
    contours = mix = None
    if a.contours:
        contours = Contours(a.contours)
        weight = contours.weight.double()
        contours.bias = torch.einsum("oihw,i->o", weight, into_t).float()
        contours.weight = torch.einsum("ochw,ci->oihw", weight, into).float()
        mix = _conv(*_parts(network.mix), network.mix)

    blocks = []
    for block in network.blocks:
        assert isinstance(block, Block)
        first, left = _fold_part(block.first, block.norm)
        blocks.append(FoldedBlock(first, left, _fold_part(block.second, nn.Identity())[0]))

    up = _conv(*_parts(network.up), network.up)

    weight, bias, _ = _with_norm(network.refine, network.refine_norm)
    refine = _conv(weight, bias, network.refine)

    weight, bias = _parts(network.out)
    out = _conv(torch.einsum("po,oihw->pihw", back, weight), back @ bias + back_t, network.out)

    def then(conv: nn.Module, norm: nn.Module) -> nn.Module:
        return nn.Sequential(conv, norm) if isinstance(norm, ChannelNorm) else conv

    folded = FoldedTransNet(
        stem, then(down, down_norm), contours, mix, nn.Sequential(*blocks), up, refine, out, a.cell // 4
    )
    return folded.requires_grad_(False).eval()
