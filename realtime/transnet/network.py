"""TransNet: a feed-forward style network that works on the codec's own planes.

Planes in, planes out. Y is unshuffled by 4 and U, V by 2, so that a 4:2:0 picture becomes 24 channels at a quarter of
its size: half the numbers of RGB and no colour conversion. Most of the work is done by residual 3x3 convolutions at an
eighth of the size, where the receptive field is wide and the cost small. The idea of one trained network per style is
Johnson et al. 2016 (arXiv 1603.08155); sub-pixel output is Shi et al. 2016 (arXiv 1609.05158).

Two properties hold by construction, and tests hold them:

* No statistics over the picture, unless the network asks for them (norm "instance"): other normalisation is folded into
  the convolutions for inference or works on one position alone. So what a pixel becomes depends on its neighbourhood
  only; nothing flickers when the far side of the scene changes.
* No grid: every sub-pixel convolution is *phase-equalised*. The taps of the channels that become neighbouring pixels
  sum to the same value, so that a flat input gives a flat output and no pattern of the unshuffling can form there.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["none", "batch", "layer", "instance"]
Phases = Literal["equal", "free"]
Convolution = Literal["plain", "depthwise"]
Cell = Literal[4, 8]

PLANE_CHANNELS = 24
"""16 luma phases, 4 of U, 4 of V."""

CENTER = 128.0
"""The code that becomes 0 in the network."""

SCALE = 64.0
"""Codes per unit in the network: a power of two, so that folding it into weights loses nothing."""

MOMENTUM = 0.02
"""What one batch counts for in the running statistics of a norm."""

MULTIPLE = 8
"""Width and height the network takes are multiples of this many luma pixels."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a TransNet is made of; stored in every checkpoint.

    Attributes:
        width: channels at 1/4 size.
        body: channels of the body.
        dilations: one residual block of two 3x3 convolutions for each entry; the entry dilates the second.
        norm: "batch" is folded to constants for inference, "layer" normalises over the channels of each position (in
            the body only), "instance" over the picture (in the residual blocks; "batch" elsewhere; see `InstanceNorm`).
        contours: periods, in codes, of the contour planes that go into the body (see `Contours`); none without them.
        convolution: of the residual blocks. "depthwise" splits each 3x3 into one a channel and a 1x1 (Howard et al.
            2017, arXiv 1704.04861).
        cell: the body works at 1/8 or at 1/4 of the size.
        phases: "equal" phase-equalises the sub-pixel convolutions, "free" leaves them as they are (`identity_network`).
    """

    width: int = 32
    body: int = 64
    dilations: tuple[int, ...] = (1, 2, 2, 1)
    norm: Norm = "batch"
    contours: tuple[int, ...] = (4, 8, 16, 32)
    convolution: Convolution = "plain"
    cell: Cell = 8
    phases: Phases = "equal"

    def __post_init__(self) -> None:
        if self.width < 1 or self.body < 1:
            raise ValueError(f"width and body must be positive, not {self.width} and {self.body}")
        if any(d < 1 for d in self.dilations):
            raise ValueError(f"dilations must be positive, not {self.dilations}")
        if any(p < 1 for p in self.contours):
            raise ValueError(f"contours must be positive, not {self.contours}")
        choices = {"norm": Norm, "phases": Phases, "convolution": Convolution, "cell": Cell}
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                allowed = ", ".join(str(value) for value in get_args(kind))
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict[str, Any]:
        """The architecture as plain JSON values."""
        return {**asdict(self), "dilations": list(self.dilations), "contours": list(self.contours)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """The inverse of `to_dict`.

        Raises:
            ValueError: a key is unknown or a value is out of range.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        numbers = {k: tuple(int(n) for n in values.get(k, ())) for k in ("dilations", "contours")}
        return cls(**{**values, **numbers})

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for one luma pixel, convolutions only."""
        quarter = 9 * (2 * PLANE_CHANNELS * self.width + self.width**2) / 16  # stem, out, refine
        phases = self.cell**2 // 16
        planes = 3 * len(self.contours)
        body = 9 * self.width * self.body + self.body * phases * self.width  # down and up
        one = 9 * self.body**2 if self.convolution == "plain" else self.body * (9 + self.body)
        contours = (4 * PLANE_CHANNELS * planes + 9 * 2 * planes * self.body * self.contour_phases) / MULTIPLE**2
        return quarter + contours + (body + len(self.dilations) * 2 * one) / self.cell**2

    @property
    def contour_phases(self) -> int:
        """Cells of the body that lie in one of the contours' cells, which are 8 pixels wide whatever the body's are."""
        return (MULTIPLE // self.cell) ** 2

    @property
    def reach(self) -> int:
        """Luma pixels that a pixel of the output can depend on, at most, in each direction."""
        quarter_cells = 4  # stem, down, refine, out
        body_cells = sum(1 + d for d in self.dilations)
        mix = MULTIPLE * bool(self.contours)
        # and both may lie at the far ends of their cells
        return 4 * quarter_cells + self.cell * body_cells + mix + MULTIPLE


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position (Ba et al. 2016), blind to local contrast."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        x = x.permute(0, 2, 3, 1)
        w, b = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x, (x.shape[-1],), w, b, 1e-3).permute(0, 3, 1, 2)


FLOOR = 0.02
"""Part of a channel's usual variance that `InstanceNorm` adds to a picture's: what is all but flat is not blown up."""


class InstanceNorm(nn.BatchNorm2d):
    """Instance normalisation (Ulyanov et al. 2016, arXiv 1607.08022): each channel over each picture by itself.

    Every photograph comes to the body with the same statistics, so that a dim one gets the painting's full strokes. The
    running statistics, gathered as batch norm does, serve as a measure only: a picture without anything in it, a black
    one with the sensor's noise, is not stretched to full contrast (see `FLOOR`).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same. Statistics are taken in fp32 whatever the rest is."""
        assert self.running_mean is not None and self.running_var is not None
        with torch.autocast(x.device.type, enabled=False):
            wide = x.float()
            variance, mean = torch.var_mean(wide, (2, 3), keepdim=True, unbiased=False)
            if self.training:
                with torch.no_grad():
                    self.running_mean.lerp_(mean.mean((0, 2, 3)), MOMENTUM)
                    self.running_var.lerp_(variance.mean((0, 2, 3)), MOMENTUM)
            floor = FLOOR * (self.running_var + self.eps)
            gain = self.weight[:, None, None] * torch.rsqrt(variance + floor[:, None, None])
            return ((wide - mean) * gain + self.bias[:, None, None]).to(x.dtype)


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels, momentum=MOMENTUM)
    if kind == "instance":
        return InstanceNorm(channels)
    if kind == "layer":
        return ChannelNorm(channels)
    return nn.Identity()


def equalise_phases(weight: Tensor, bias: Tensor, groups: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Make neighbouring sub-pixels answer a flat input alike.

    Args:
        weight: (O, I, kh, kw). Output channels that are phases of one plane stand together.
        bias: (O,).
        groups: how many phases each plane has, in order; they add up to O.

    Returns:
        weight and bias of the same shapes, where within each group the taps of every input channel sum to the same
        value and the biases are equal.
    """
    taps = weight.shape[2] * weight.shape[3]
    sums = weight.sum((2, 3))  # O x I
    wanted = torch.cat([s.mean(0, keepdim=True).expand_as(s) for s in sums.split(list(groups))])
    equal_bias = torch.cat([b.mean().expand_as(b) for b in bias.split(list(groups))])
    return weight + ((wanted - sums) / taps)[:, :, None, None], equal_bias


class PhaseConv(nn.Conv2d):
    """A convolution whose output channels are sub-pixels of `groups` planes; see `equalise_phases`."""

    def __init__(self, inputs: int, groups: tuple[int, ...], side: int, phases: Phases) -> None:
        super().__init__(inputs, sum(groups), side, padding=side // 2, padding_mode="replicate")
        self.groups_of_phases, self.phases = groups, phases

    def equalised(self) -> tuple[Tensor, Tensor]:
        """Weight and bias as they are used."""
        assert self.bias is not None
        if self.phases == "free":
            return self.weight, self.bias
        return equalise_phases(self.weight, self.bias, self.groups_of_phases)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) -> (N, O, H, W)."""
        return cast(Tensor, self._conv_forward(x, *self.equalised()))


def conv3x3(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution padded by replication.

    Zeros would tell the network where the border is, and the style loss rewards painting a frame there.
    """
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, padding_mode="replicate")


def separable(channels: int, *, dilation: int = 1) -> nn.Sequential:
    """A depthwise 3x3 convolution, padded by replication, and a 1x1 one."""
    depthwise = nn.Conv2d(
        channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, padding_mode="replicate"
    )
    return nn.Sequential(depthwise, nn.Conv2d(channels, channels, 1))


class Contours(nn.Module):
    """Contour lines of brightness and colour: sine and cosine of each 8x8 cell's mean Y, U and V, at several periods.

    A convolution answers a sky with next to nothing, for there is next to nothing in it; what a painter puts there are
    strokes along its gradient. The sine of a smooth ramp is such lines: of full contrast however faint the ramp, tied
    to the content and not to the screen, and each cell's own affair. The mean over a cell keeps the sensor's noise out.
    Nothing here is trained, and nothing is stored.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, periods: tuple[int, ...]) -> None:
        super().__init__()
        weight = torch.zeros(3 * len(periods), PLANE_CHANNELS, 2, 2)
        for row, (plane, period) in enumerate((p, n) for p in range(3) for n in periods):
            channels = (slice(0, 16), slice(16, 20), slice(20, 24))[plane]
            taps = 4 * (16 if plane == 0 else 4)
            weight[row, channels] = 2 * math.pi * SCALE / period / taps
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", torch.zeros(len(weight)), persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        """(N, 24, h, w) of any float type -> (N, 6 * periods, h/2, w/2) of the same.

        The phases are many turns wide: they are computed in fp32 whatever the rest is.
        """
        with torch.autocast(planes.device.type, enabled=False):
            phases = F.conv2d(planes.float(), self.weight, self.bias, stride=2)
            return torch.cat([torch.sin(phases), torch.cos(phases)], 1).to(planes.dtype)


class Block(nn.Module):
    """Residual block: conv, norm, ReLU, conv. The last convolution starts at zero, so that a deep body starts calm."""

    def __init__(self, channels: int, dilation: int, norm: Norm, convolution: Convolution = "plain") -> None:
        super().__init__()
        self.first: nn.Module
        self.second: nn.Module
        if convolution == "plain":
            self.first = conv3x3(channels, channels)
            last = self.second = conv3x3(channels, channels, dilation=dilation)
        else:
            self.first = separable(channels)
            self.second = separable(channels, dilation=dilation)
            last = cast(nn.Conv2d, self.second[1])
        self.norm = _norm(norm, channels)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return x + cast(Tensor, self.second(F.relu(self.norm(self.first(x)))))


class TransNet(nn.Module):
    """The network in its training form. `fold` (realtime.transnet.folding) makes the form that engines run."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.stem = conv3x3(PLANE_CHANNELS, a.width)
        # at 1/4 size a norm must fold away: one that stays costs more there than the convolution itself
        outside: Norm = "batch" if a.norm == "instance" else a.norm
        quarter_norm: Norm = "none" if a.norm == "layer" else outside
        self.stem_norm = _norm(quarter_norm, a.width)
        self.down = conv3x3(a.width, a.body, stride=a.cell // 4)
        self.down_norm = _norm(outside, a.body)
        if a.contours:
            self.contours = Contours(a.contours)
            waves, phases = 6 * len(a.contours), a.contour_phases
            self.mix = conv3x3(waves, a.body) if phases == 1 else PhaseConv(waves, (phases,) * a.body, 3, a.phases)
            nn.init.zeros_(self.mix.weight)
            assert self.mix.bias is not None
            nn.init.zeros_(self.mix.bias)
        self.blocks = nn.Sequential(*(Block(a.body, d, a.norm, a.convolution) for d in a.dilations))
        self.up = PhaseConv(a.body, (a.cell**2 // 16,) * a.width, 1, a.phases)
        self.refine = conv3x3(a.width, a.width)
        self.refine_norm = _norm(quarter_norm, a.width)
        self.out = PhaseConv(a.width, (16, 4, 4), 3, a.phases)

    def forward(self, planes: Tensor) -> Tensor:
        """Stylise.

        Args:
            planes: (N, 24, H/4, W/4) float, as `pack_planes` gives them: bt709 limited range, (code - 128) / 64.

        Returns:
            the same shape and meaning.
        """
        x = F.relu(self.stem_norm(self.stem(planes)))
        x = F.relu(self.down_norm(self.down(x)))
        if self.architecture.contours:
            x = x + F.pixel_shuffle(self.mix(self.contours(planes)), MULTIPLE // self.architecture.cell)
        x = F.relu(F.pixel_shuffle(self.up(self.blocks(x)), self.architecture.cell // 4))
        x = F.relu(self.refine_norm(self.refine(x)))
        return cast(Tensor, self.out(x))

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(p.numel() for p in self.parameters())


def pack_planes(y: Tensor, uv: Tensor) -> Tensor:
    """Planes to network input.

    Args:
        y: (N, 1, H, W), codes 0..255 as float, H and W multiples of 4.
        uv: (N, 2, H/2, W/2), codes 0..255 as float.

    Returns:
        (N, 24, H/4, W/4): (code - 128) / 64.
    """
    return (torch.cat([F.pixel_unshuffle(y, 4), F.pixel_unshuffle(uv, 2)], 1) - CENTER) / SCALE


def unpack_planes(packed: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_planes`: (N, 24, h, w) -> y (N, 1, 4h, 4w) and uv (N, 2, 2h, 2w), not rounded or clamped."""
    codes = packed * SCALE + CENTER
    return F.pixel_shuffle(codes[:, :16], 4), F.pixel_shuffle(codes[:, 16:], 2)


def identity_network() -> TransNet:
    """A TransNet that gives back what it gets, exactly: for checking everything around the network.

    In bf16, too: codes are small whole numbers, and every weight is a power of two.
    """
    c = PLANE_CHANNELS
    network = TransNet(Architecture(width=c, body=4 * c, dilations=(), norm="none", contours=(), phases="free")).eval()
    network.requires_grad_(False)
    for conv in (network.stem, network.down, network.up, network.refine, network.out):
        assert conv.bias is not None
        conv.weight.zero_()
        conv.bias.zero_()
    channel = torch.arange(c)
    lift = CENTER / SCALE  # above zero, where ReLU changes nothing
    network.stem.weight[channel, channel, 1, 1] = 1
    assert network.stem.bias is not None
    assert network.out.bias is not None
    network.stem.bias.add_(lift)
    for phase in range(4):
        network.down.weight[4 * channel + phase, channel, 1 + phase // 2, 1 + phase % 2] = 1
    both = torch.arange(4 * c)
    network.up.weight[both, both, 0, 0] = 1
    network.refine.weight[channel, channel, 1, 1] = 1
    network.out.weight[channel, channel, 1, 1] = 1
    network.out.bias.sub_(lift)
    return network
