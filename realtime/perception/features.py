"""Loss networks: trained on ImageNet, frozen; any layer can be read.

The methods of style transfer were developed with VGG-19 (Simonyan & Zisserman 2014, arXiv 1409.1556). MobileNetV2
(Sandler et al. 2018, arXiv 1801.04381) and SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360) cost a small part of
it and distinguish styles less well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from realtime.errors import InputError
from realtime.options import LossNetworkName

_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def _vgg19_layers() -> tuple[str, ...]:
    names: list[str] = []
    for block, (convolutions, _) in enumerate(_BLOCKS, 1):
        for n in range(1, convolutions + 1):
            names += [f"conv{block}_{n}", f"relu{block}_{n}"]
        names.append(f"pool{block}")
    return tuple(names)


VGG19_LAYERS = _vgg19_layers()
"""Every layer of VGG-19 before its classifier, in order; index i is torchvision's `features[i]`."""

VGG19_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""The layers of training's losses and of the scores: at the full size, 1/2, 1/4 and 1/8 of it."""

MOBILENET_TAPS = ("block1", "block3", "block6", "block13")
"""Outputs of the last inverted residual blocks before a stride: 16, 24, 32 and 96 channels at 1/2, 1/4, 1/8 and 1/16 of
the size. They are linear, so that their Gram matrices lose nothing to a ReLU."""

SQUEEZENET_TAPS = ("relu1", "fire3", "fire5", "fire9")
"""The last layer of each size: 64 channels at 1/2 of the size, 128, 256 and 512 at 1/4, 1/8 and 1/16."""


def to_tensor(rgb: np.ndarray, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 as (1, 3, H, W) fp32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None].float() / 255


class LossNetwork(nn.Module):
    """A chain of layers whose features can be read anywhere. Frozen, in evaluation mode.

    Args:
        name: for messages.
        layers: name and module, in the order in which they run; none may change its input in place.
        taps: the layers that are returned where none are named.
        mean, std: (3,), of the input in the order and scale of `bgr255`.
        bgr255: the weights are for BGR in 0..255 (the Caffe originals and those scaled from them), not for RGB in 0..1.

    Attributes:
        name, taps: as given.
        layer_names: all layers, in order.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        layers: Mapping[str, nn.Module],
        taps: Sequence[str],
        mean: Tensor,
        std: Tensor,
        *,
        bgr255: bool = False,
    ) -> None:
        super().__init__()
        self.name, self.taps, self.bgr255 = name, tuple(taps), bgr255
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))
        self.layers = nn.ModuleDict(layers)
        self.layer_names = tuple(layers)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, path: Path | None = None, name: LossNetworkName = "vgg19") -> LossNetwork:
        """A loss network with weights from a safetensors file, or torchvision's own where `path` is None.

        A file holds either normalised VGG-19 weights (`convI_J.weight` (O, I, 3, 3) and `convI_J.bias` (O,), for BGR in
        0..255 minus the Caffe mean, with reflection padding; the last layer may be any from conv4_1 on), or
        torchvision's weights under torchvision's names (`features.0.weight`, ...).

        Raises:
            InputError: the file is missing, damaged, or not such a network; or torchvision's weights cannot be loaded.
        """
        if path is None:
            return _build(name, _torchvision_weights(name))
        try:
            weights = {k: v.float() for k, v in load_file(path).items()}
            if name == "vgg19" and not any(k.startswith("features.") for k in weights):
                mean = torch.tensor([103.939, 116.779, 123.68])
                layers = _vgg19(weights, padding="reflect")
                return cls("VGG-19", layers, VGG19_TAPS, mean, torch.ones(3), bgr255=True)
            return _build(name, weights)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file (weights of the loss network)") from None
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: not the weights of a {name} loss network: {error}") from None

    def forward(self, rgb: Tensor, layers: Sequence[str] | None = None, *, recompute: bool = False) -> list[Tensor]:
        """Features of pictures.

        Args:
            rgb: (N, 3, H, W) in 0..1, of any float type; computed in the type of the network's weights.
            layers: the layers to return; None takes `taps`. Layers after the last of them are not computed.
            recompute: keep only the input of each segment between two of these layers, and compute the rest again in
                the backward pass (Chen et al. 2016, arXiv 1604.06174).

        Returns:
            for each of `layers` (N, C, h, w). VGG-19's taps: relu1_1 (N, 64, H, W), relu2_1 (N, 128, H/2, W/2),
            relu3_1 (N, 256, H/4, W/4), relu4_1 (N, 512, H/8, W/8); sizes rounded up.

        Raises:
            InputError: the network lacks a layer.
        """
        wanted = self.taps if layers is None else tuple(layers)
        self.require(wanted)
        x = rgb.flip(1) * 255 if self.bgr255 else rgb
        x = ((x - self.mean) / self.std).to(next(self.parameters()).dtype)
        found: dict[str, Tensor] = {}
        for segment in self._segments(frozenset(wanted)):
            if recompute and torch.is_grad_enabled():
                x = checkpoint(self._run, x, segment, use_reentrant=False)
            else:
                x = self._run(x, segment)
            found[segment[-1]] = x
        return [found[name] for name in wanted]

    def require(self, layers: Sequence[str]) -> None:
        """Check that the network has these layers.

        Raises:
            InputError: the message names those that are missing.
        """
        missing = [name for name in dict.fromkeys(layers) if name not in self.layer_names]
        if missing:
            raise InputError(
                f"the loss network ({self.name}) ends at {self.layer_names[-1]} and lacks {', '.join(missing)}; give"
                f" --features FILE with deeper weights, or choose among its layers"
            )

    def geometry(self, layer: str) -> tuple[int, int]:
        """Position of a layer's features in the picture.

        Returns:
            (stride, reach) in pixels: feature i depends on pixels from i * stride - reach to i * stride + reach.
        """
        stride, before, after = 1, 0, 0
        for name in self.layer_names[: self.layer_names.index(layer) + 1]:
            for module in self.layers[name].modules():
                if isinstance(module, nn.Conv2d | nn.MaxPool2d):
                    kernel, step, padding = (
                        int(v[0] if isinstance(v, tuple) else v)
                        for v in (module.kernel_size, module.stride, module.padding)
                    )
                    before += padding * stride
                    after += (kernel - 1 - padding) * stride
                    stride *= step
        return stride, max(before, after)

    def _segments(self, wanted: frozenset[str]) -> list[tuple[str, ...]]:
        """The layers up to the last wanted one, split after each wanted one."""
        segments: list[tuple[str, ...]] = []
        begun: list[str] = []
        for name in self.layer_names:
            begun.append(name)
            if name in wanted:
                segments.append(tuple(begun))
                begun = []
        return segments

    def _run(self, x: Tensor, names: tuple[str, ...]) -> Tensor:
        for name in names:
            x = self.layers[name](x)
        return x


def _vgg19(weights: Mapping[str, Tensor], padding: Literal["reflect", "zeros"]) -> dict[str, nn.Module]:
    """The layers of VGG-19 for which there are weights, up to relu4_1 at least.

    Args:
        weights: `convI_J.weight` and `convI_J.bias`.
        padding: with which the weights were trained.

    Raises:
        ValueError: something is missing before the end, or has another shape.
    """
    known = {key.partition(".")[0] for key in weights}
    last = max([i for i, name in enumerate(VGG19_LAYERS) if name in known], default=0)
    last = max(last, VGG19_LAYERS.index("conv4_1")) + 1
    layers: dict[str, nn.Module] = {}
    inputs = 3
    for name in VGG19_LAYERS[: last + 1]:
        if name.startswith("relu"):
            layers[name] = nn.ReLU()
        elif name.startswith("pool"):
            layers[name] = nn.MaxPool2d(2, ceil_mode=True)
        else:
            outputs = _BLOCKS[int(name[4]) - 1][1]
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode=padding)
            for part in ("weight", "bias"):
                value, parameter = weights.get(f"{name}.{part}"), getattr(conv, part)
                if value is None or value.shape != parameter.shape:
                    found = "nothing" if value is None else tuple(value.shape)
                    raise ValueError(f"{name}.{part} should be {tuple(parameter.shape)}, found {found}")
                parameter.data.copy_(value)
            layers[name] = conv
            inputs = outputs
    if last == VGG19_LAYERS.index("relu5_4"):
        layers["pool5"] = nn.MaxPool2d(2, ceil_mode=True)
    return layers


def _torchvision_weights(name: LossNetworkName) -> dict[str, Tensor]:
    """torchvision's weights by its own loader, which downloads them once. Only these may be pickled.

    Raises:
        InputError: they are not in the cache and cannot be downloaded.
    """
    from torchvision import models

    known = {
        "vgg19": models.VGG19_Weights.IMAGENET1K_V1,
        "mobilenet": models.MobileNet_V2_Weights.IMAGENET1K_V2,
        "squeezenet": models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
    }
    try:
        weights: dict[str, Tensor] = known[name].get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"torchvision's weights of {name} cannot be loaded ({error}); give --features FILE, or put the weights into"
            f" {torch.hub.get_dir()}/checkpoints"
        ) from None
    return weights


def _build(name: LossNetworkName, weights: Mapping[str, Tensor]) -> LossNetwork:
    """A loss network from torchvision's state dictionary.

    Raises:
        ValueError: weights are missing, or have another shape.
    """
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    if name == "vgg19":
        renamed = {}
        for index, layer in enumerate(VGG19_LAYERS):
            for part in ("weight", "bias"):
                if (value := weights.get(f"features.{index}.{part}")) is not None:
                    renamed[f"{layer}.{part}"] = value
        return LossNetwork("VGG-19", _vgg19(renamed, "zeros"), VGG19_TAPS, mean, std)
    from torchvision import models

    model = models.mobilenet_v2(weights=None) if name == "mobilenet" else models.squeezenet1_1(weights=None)
    given = {k.removeprefix("features."): v for k, v in weights.items() if k.startswith("features.")}
    try:
        model.features.load_state_dict(given)
    except RuntimeError as error:  # says which are missing, or have another shape
        raise ValueError(str(error)) from None
    for module in model.features.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.inplace = False  # features that are returned must not change
    if name == "mobilenet":
        layers = {f"block{i}": module for i, module in enumerate(model.features)}
        return LossNetwork("MobileNetV2", layers, MOBILENET_TAPS, mean, std)
    return LossNetwork("SqueezeNet 1.1", _squeezenet_names(model.features), SQUEEZENET_TAPS, mean, std)


def _squeezenet_names(features: nn.Sequential) -> dict[str, nn.Module]:
    """The layers by the names of the paper: conv1, relu1, pool1, fire2 to fire9, with pool3 and pool5 between them."""
    layers: dict[str, nn.Module] = {}
    fire = 1
    for module in features:
        if isinstance(module, nn.Conv2d | nn.ReLU):
            layers["conv1" if isinstance(module, nn.Conv2d) else "relu1"] = module
        elif isinstance(module, nn.MaxPool2d):
            layers[f"pool{fire}"] = module
        else:
            fire += 1
            layers[f"fire{fire}"] = module
    return layers
