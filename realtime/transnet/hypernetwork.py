"""The network that takes any painting: it looks at the painting once and gives the weights of a TransNet.

    painting -> VGG-19 features -> statistics -> code -> weights of a TransNet -> every engine
                                                  ^
                            how much paint, how large the strokes

A hypernetwork emits weights (Ha et al. 2016, arXiv 1609.09106; for style transfer Shen et al. 2018, arXiv 1709.04111).
Each convolution is a sum of shared kernels, weighted by the code (a mixture of kernels: Yang et al. 2019, arXiv
1904.04971), and each instance norm gets its scale and shift. How much paint and how large the strokes are inputs that
are drawn at random in training (Dosovitskiy & Djolonga 2020; Babaeizadeh & Ghiasi 2018, arXiv 1811.08560).

What comes out is an ordinary checkpoint. So a frame costs what the plain network costs, and int8, ONNX, tiles and
export need nothing of their own.

In training, many paintings are emitted at once, and `EmittedTransNet` runs them side by side: it is a TransNet whose
modules are exchanged for ones that have a set of weights for each painting. Its forward is that of `TransNet`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from realtime.errors import StyleError
from realtime.transnet.checkpoint import check_fit, read_tensors, write_atomically
from realtime.transnet.network import (
    FLOOR,
    Architecture,
    Block,
    Conv,
    PhaseConv,
    TransNet,
    equalise_phases,
    residual_blocks,
)

EMITTED = Architecture(
    width=40, body=48, dilations=(1, 2, 2, 1), norm="blocks", contours=(), skip=True, fine=(1, 2), texture=True
)
"""The network that is emitted."""

KERNELS = 12
"""Kernels that each convolution is mixed of, beside the one that all paintings share."""

CONTENT_WEIGHTS = (0.5, 0.04)
"""Weight of the content in the loss for which the network is trained: with paint 0 and with paint 1."""

PAINT, STROKE = 0.5, 1.0
"""How much paint and how large the strokes are if nobody says."""

STROKES = (0.5, 2.0)
"""Smallest and largest size of the strokes."""

PICTURE_SIDE = 256
"""Short side in pixels at which the painting is looked at."""

FORMAT, ENCODER_FORMAT, VERSION = "restyle-any-painting", "restyle-encoder", 1

_GALLERY = "gallery."
"""How the names of the tensors with the gallery's statistics begin."""

_LAYERS = (
    "conv1_1",
    "conv1_2",
    "",
    "conv2_1",
    "conv2_2",
    "",
    "conv3_1",
    "conv3_2",
    "conv3_3",
    "conv3_4",
    "",
    "conv4_1",
)
_TAPS = {"conv1_1": 64, "conv2_1": 128, "conv3_1": 256, "conv4_1": 512}
_PROJECTED = 32


def content_weight(paint: Tensor) -> Tensor:
    """The content weight that an amount of paint in 0..1 stands for: evenly spaced in its logarithm."""
    least, most = (math.log(weight) for weight in CONTENT_WEIGHTS)
    return torch.exp(least + (most - least) * paint)


class Encoder(nn.Module):
    """The first layers of VGG-19 (Simonyan & Zisserman 2014, arXiv 1409.1556), scaled to a mean activation of 1.

    Args:
        weights: "conv1_1.weight", "conv1_1.bias", ... to conv4_1.
    """

    mean: Tensor

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        for name in filter(None, _LAYERS):
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            conv.weight, conv.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())
            self.layers[name] = conv
        self.register_buffer("mean", torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """(N, 3, H, W) RGB in 0..1 -> relu1_1, relu2_1, relu3_1 and relu4_1, each (N, C, h, w)."""
        conv = self.layers["conv1_1"]
        assert isinstance(conv, nn.Conv2d)
        x = (rgb.flip(1) * 255 - self.mean).to(conv.weight.dtype).contiguous(memory_format=torch.channels_last)
        taps = []
        for name in _LAYERS:
            x = F.relu(self.layers[name](x)) if name else F.max_pool2d(x, 2, ceil_mode=True)
            if name in _TAPS:
                taps.append(x)
        return taps


@dataclass(frozen=True, slots=True)
class AnyPaintingCard:
    """What the file says of the network.

    Attributes:
        architecture: of the networks that are emitted.
        kernels: see `KERNELS`.
        version: names these weights; goes into the cache's keys.
        recipe: how it was trained.
        gallery: statistics of the gallery's paintings by the names of their styles, (`statistics_count()`,) fp32 each,
            as `HyperNetwork.statistics` gives them with these very weights. They serve blends with gallery styles.
    """

    architecture: Architecture = EMITTED
    kernels: int = KERNELS
    version: str = ""
    recipe: dict[str, Any] = field(default_factory=dict, repr=False)
    gallery: Mapping[str, Tensor] = field(default_factory=dict, repr=False)


class HyperNetwork(nn.Module):
    """From statistics of paintings to the weights of a TransNet for each.

    Args:
        architecture: of the networks that are emitted.
        kernels: see `KERNELS`.
        code: numbers in the code.
        hidden: width of the layer before it.
        random: draw the weights, which takes a while (on the device "meta", too); else they are undefined, for weights
            that are loaded.
    """

    def __init__(
        self,
        architecture: Architecture = EMITTED,
        kernels: int = KERNELS,
        *,
        code: int = 256,
        hidden: int = 512,
        random: bool = True,
    ) -> None:
        super().__init__()
        self.architecture, self.kernels = architecture, kernels
        self.projections = nn.ParameterList(_parameter((c, _PROJECTED), c**-0.5, random) for c in _TAPS.values())
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(c), requires_grad=False) for c in _TAPS.values())
        self.register_buffer("pairs", torch.triu_indices(_PROJECTED, _PROJECTED, device="cpu"), persistent=False)
        count = statistics_count()
        self.norm_in = nn.LayerNorm(count)
        self.first, self.condition = nn.Linear(count, hidden), nn.Linear(2, hidden)
        self.second = nn.Linear(hidden, code)
        self.norm_code = nn.LayerNorm(code)
        self.emitted = nn.ModuleDict()
        self._slots: dict[str, slice] = {}
        total = 0
        skeleton = TransNet(architecture)
        for name, module in skeleton.named_modules():
            if isinstance(module, Conv):
                mixture = KernelMixture(
                    module, kernels, zero=name.endswith("second"), last=name == "out", random=random
                )
                self.emitted[name.replace(".", "_")] = mixture
                scaled = name.endswith("first") or name in ("stem", "down", "refine")
                size = kernels + 2 * module.out_channels * scaled
                self._slots[name] = slice(total, total + size)
                total += size
        self.head = nn.Linear(code, total)
        with torch.no_grad():
            for place in self._slots.values():
                affine = slice(place.start + kernels, place.stop)
                self.head.weight[affine] *= 0.1
                self.head.bias[affine] = 0

    pairs: Tensor

    def statistics(self, taps: list[Tensor]) -> Tensor:
        """Mean and covariance of each layer's projected features: what style losses compare.

        Args:
            taps: of `Encoder`, of P paintings.

        Returns:
            (P, `statistics_count()`) fp32.
        """
        parts = []
        for features, projection, scale in zip(taps, self.projections, self.scales, strict=True):
            values = features.flatten(2).transpose(1, 2).float() / scale
            values = values @ projection
            mean = values.mean(1)
            values = values - mean[:, None]
            covariance = values.transpose(1, 2) @ values / values.shape[1]
            parts += [mean, covariance[:, self.pairs[0], self.pairs[1]]]
        return torch.cat(parts, 1)

    def statistics_of(self, means: list[Tensor], covariances: list[Tensor]) -> Tensor:
        """`statistics`, from what is known of the features before they are projected.

        Training looks at a painting once and projects it many times.

        Args:
            means: of each layer's features, (P, C) fp32.
            covariances: of each layer's features, (P, C, C) fp32.

        Returns:
            (P, `statistics_count()`) fp32.
        """
        parts = []
        for mean, covariance, projection, scale in zip(means, covariances, self.projections, self.scales, strict=True):
            scaled = projection / scale[:, None]
            projected = scaled.T @ covariance @ scaled
            parts += [mean @ scaled, projected[:, self.pairs[0], self.pairs[1]]]
        return torch.cat(parts, 1)

    def code(self, statistics: Tensor, paint: Tensor, stroke: Tensor) -> Tensor:
        """What is known of each painting, and how it is to be painted with.

        Args:
            statistics: (P, n), see `statistics`.
            paint: (P,), 0..1.
            stroke: (P,), `STROKES`.

        Returns:
            (P, 256).
        """
        x = statistics * torch.rsqrt(statistics.abs() + 0.1)
        condition = torch.stack([(content_weight(paint) / 0.1).log(), stroke.log2()], 1)
        x = F.gelu(self.first(self.norm_in(x)) + self.condition(condition))
        code: Tensor = self.norm_code(self.second(x))
        return code

    def weights(self, code: Tensor) -> dict[str, Tensor]:
        """The weights of P TransNets, by their names in its state, each with P in front."""
        mixed = self.head(code)
        state: dict[str, Tensor] = {}
        for name, place in self._slots.items():
            mixture = self.emitted[name.replace(".", "_")]
            assert isinstance(mixture, KernelMixture)
            shares, affine = mixed[:, place].split([self.kernels, place.stop - place.start - self.kernels], 1)
            weight, bias = mixture(shares)
            if affine.shape[1]:
                gain, shift = affine.chunk(2, 1)
                if name.endswith("first"):  # an instance norm follows, which takes any scale away
                    block = name.removesuffix("first")
                    state[f"{block}norm.weight"], state[f"{block}norm.bias"] = 1 + gain, shift
                else:
                    weight, bias = weight * (1 + gain)[..., None, None, None], bias * (1 + gain) + shift
            state[f"{name}.weight"], state[f"{name}.bias"] = weight, bias
        return state

    @torch.no_grad()
    def emit(self, statistics: Tensor, paint: float = PAINT, stroke: float = STROKE) -> TransNet:
        """The network for one painting.

        Args:
            statistics: (n,) of `statistics`.
            paint: how much the painting overrules the photograph's forms, 0..1.
            stroke: size of the strokes, 0.5..2.

        Returns:
            in its training form, in eval mode.
        """
        code = self.code(statistics[None], torch.tensor([paint]), torch.tensor([stroke]))
        network = TransNet(self.architecture)
        state = {name: value[0] for name, value in self.weights(code).items()}
        missing = network.load_state_dict(state, strict=False)
        assert not missing.unexpected_keys
        return network.requires_grad_(True).eval()


def statistics_count() -> int:
    """Numbers in the statistics of one painting."""
    return len(_TAPS) * (_PROJECTED + _PROJECTED * (_PROJECTED + 1) // 2)


def _parameter(shape: Sequence[int], deviation: float, random: bool) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) * deviation if random else torch.empty(*shape))


class KernelMixture(nn.Module):
    """Weight and bias of one convolution: shared ones and a mixture.

    Args:
        conv: gives the shape.
        kernels: of the mixture.
        zero: the shared kernel starts at zero.
        last: it is the network's last convolution, which starts smaller.
        random: draw the weights; else they are undefined.
    """

    def __init__(self, conv: Conv, kernels: int, *, zero: bool, last: bool, random: bool = True) -> None:
        super().__init__()
        shape = conv.weight.shape
        deviation = math.sqrt(2 / shape[1:].numel())
        shared = 0 if zero else 0.3 * deviation if last else deviation
        self.weight = _parameter(shape, shared, random)
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.weights = _parameter((kernels, *shape), deviation * (0.03 if zero else 0.15), random)
        self.biases = _parameter((kernels, shape[0]), 0.02, random)

    def forward(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """(P, kernels) -> (P, O, I, k, k) and (P, O)."""
        weight = (shares @ self.weights.flatten(1)).unflatten(1, self.weight.shape)
        return self.weight + weight, self.bias + shares @ self.biases


class EmittedConv(Conv):
    """A convolution with weights of its own for each painting. Pictures come painting by painting.

    `paintings_weight` is (P, O, I, k, k), `paintings_bias` (P, O).
    """

    def __init__(self, conv: Conv) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size[0],
            stride=conv.stride[0],
            dilation=conv.dilation[0],
            device=torch.device("meta"),
        )
        self.groups_of_phases = conv.groups_of_phases if isinstance(conv, PhaseConv) and conv.phases == "equal" else ()
        self.paintings_weight, self.paintings_bias = torch.empty(0), torch.empty(0)

    def take(self, weight: Tensor, bias: Tensor) -> None:
        """Set the weights."""
        if self.groups_of_phases:
            both = [equalise_phases(w, b, self.groups_of_phases) for w, b in zip(weight, bias, strict=True)]
            weight, bias = (torch.stack(values) for values in zip(*both, strict=True))
        self.paintings_weight, self.paintings_bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """(P * M, I, h, w) -> (P * M, O, h', w'), channels_last."""
        weight, bias = self.paintings_weight.to(x.dtype), self.paintings_bias.to(x.dtype)
        pad, stride, dilation = int(self.padding[0]), self.stride[0], self.dilation[0]
        count = x.shape[0] // weight.shape[0]
        if not x.is_cuda:
            if pad:
                x = F.pad(x, (pad,) * 4, mode="replicate")
            last = torch.channels_last
            parts = zip(x.split(count), weight, bias, strict=True)
            painted = [
                F.conv2d(part.contiguous(memory_format=last), w.contiguous(memory_format=last), b, stride, 0, dilation)
                for part, w, b in parts
            ]
            return torch.cat(painted)
        # Padding by concatenation, and one batched product over the nine shifted views: the backward of replication
        # padding, and that of grouped convolutions, cost several times as much.
        x = x.permute(0, 2, 3, 1)
        if pad:
            x = torch.cat([x[:, :1]] * pad + [x] + [x[:, -1:]] * pad, 1)
            x = torch.cat([x[:, :, :1]] * pad + [x] + [x[:, :, -1:]] * pad, 2)
        n, h, w = x.shape[0], x.shape[1] - 2 * pad, x.shape[2] - 2 * pad
        side = self.kernel_size[0]
        shifts = [(dilation * row, dilation * column) for row in range(side) for column in range(side)]
        x = torch.cat([x[:, a : a + h : stride, b : b + w : stride] for a, b in shifts], 3)
        h, w = x.shape[1:3]
        kernel = weight.permute(0, 3, 4, 2, 1).flatten(1, 3)
        product = torch.baddbmm(bias[:, None], x.reshape(len(weight), count * h * w, -1), kernel)
        return product.view(n, h, w, -1).permute(0, 3, 1, 2)


class EmittedNorm(nn.Module):
    """An instance norm with scale and shift of its own for each painting, (P, C); see `InstanceNorm`."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self._floor = FLOOR * (1 + eps)
        self.weight, self.bias = torch.empty(0), torch.empty(0)

    def take(self, weight: Tensor, bias: Tensor) -> None:
        """Set scale and shift."""
        self.weight, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """(P * M, C, h, w) -> the same."""
        wide = x.float()
        variance, mean = torch.var_mean(wide, (2, 3), keepdim=True, unbiased=False)
        count = x.shape[0] // self.weight.shape[0]
        gain, shift = (v.repeat_interleave(count, 0)[..., None, None] for v in (self.weight, self.bias))
        return ((wide - mean) * (gain * torch.rsqrt(variance + self._floor)) + shift).to(x.dtype)


class EmittedTransNet(TransNet):
    """TransNets of one architecture side by side, with the weights that `HyperNetwork.weights` gives.

    It has no parameters of its own; `take` sets its weights, and gradients go back through them.
    """

    def __init__(self, architecture: Architecture) -> None:
        if architecture.norm != "blocks":
            raise ValueError(f"emitted networks have norm 'blocks', not {architecture.norm!r}")
        with torch.device("meta"):
            super().__init__(architecture)
        for block in residual_blocks(self):
            assert isinstance(block, Block) and isinstance(block.norm, nn.BatchNorm2d)
            block.norm = EmittedNorm(block.norm.eps)
        convolutions = [(name, module) for name, module in self.named_modules() if isinstance(module, Conv)]
        for name, conv in convolutions:
            self.set_submodule(name, EmittedConv(conv))

    def take(self, weights: Mapping[str, Tensor]) -> EmittedTransNet:
        """Use these weights from now on."""
        for name, module in self.named_modules():
            if isinstance(module, EmittedConv | EmittedNorm):
                module.take(weights[f"{name}.weight"], weights[f"{name}.bias"])
        return self


def save_any_painting(path: Path, network: HyperNetwork, card: AnyPaintingCard) -> None:
    """Write a network in fp16.

    Raises:
        RestyleError: the file cannot be written; an earlier file stays as it was.
    """
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "version": card.version,
        "architecture": json.dumps(network.architecture.to_dict()),
        "kernels": str(network.kernels),
        "recipe": json.dumps(card.recipe),
    }
    tensors = {**network.state_dict(), **{_GALLERY + name: value for name, value in card.gallery.items()}}
    halves = {name: value.detach().half().contiguous().cpu() for name, value in tensors.items()}
    write_atomically(path, save(halves, metadata))


def load_any_painting(path: Path) -> tuple[HyperNetwork, AnyPaintingCard]:
    """A network in fp32 and eval mode, and its card.

    Raises:
        StyleError: the file is missing, damaged, or something else.
    """
    metadata, stored = read_tensors(path, FORMAT, "the network that takes any painting")
    tensors = {name: value for name, value in stored.items() if not name.startswith(_GALLERY)}
    gallery = {n.removeprefix(_GALLERY): value.float() for n, value in stored.items() if n.startswith(_GALLERY)}
    try:
        if int(metadata["format_version"]) > VERSION:
            raise StyleError(f"{path}: made by a newer restyle")
        card = AnyPaintingCard(
            Architecture.from_dict(json.loads(metadata["architecture"])),
            int(metadata["kernels"]),
            metadata["version"],
            json.loads(metadata["recipe"]),
            gallery,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise StyleError(f"{path}: damaged metadata: {error}") from None
    network = check_fit(path, tensors, lambda: HyperNetwork(card.architecture, card.kernels, random=False))
    if not all(
        value.shape == (statistics_count(),) and bool(torch.isfinite(value).all()) for value in gallery.values()
    ):
        raise StyleError(f"{path}: damaged: the statistics of the gallery's paintings are none")
    network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    return network.eval(), card


def save_encoder(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write the encoder's weights in fp16.

    Raises:
        RestyleError: the file cannot be written.
    """
    names = [f"{name}.{kind}" for name in filter(None, _LAYERS) for kind in ("weight", "bias")]
    write_atomically(path, save({name: weights[name].half() for name in names}, {"format": ENCODER_FORMAT}))


def load_encoder(path: Path) -> Encoder:
    """The encoder in fp32.

    Raises:
        StyleError: the file is missing, damaged, or something else.
    """
    _, tensors = read_tensors(path, ENCODER_FORMAT, "the encoder of paintings")
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if found != _encoder_shapes() or not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise StyleError(f"{path}: damaged: these are not the weights of the encoder")
    return Encoder(tensors).eval()


def _encoder_shapes() -> dict[str, tuple[int, ...]]:
    """Of the encoder's weights, by their names."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for name in filter(None, _LAYERS):
        outputs = _TAPS[f"{name[:5]}_1"]
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs, 3, 3), (outputs,)
        inputs = outputs
    return shapes
