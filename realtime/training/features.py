"""The loss network: VGG-19 (Simonyan & Zisserman 2014, arXiv 1409.1556) up to relu4_1, frozen."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from realtime.errors import InputError

_POOL = "pool"
_SCALES = (
    ("conv1_1",),
    ("conv1_2", _POOL, "conv2_1"),
    ("conv2_2", _POOL, "conv3_1"),
    ("conv3_2", "conv3_3", "conv3_4", _POOL, "conv4_1"),
)
_LAYERS = tuple(name for scale in _SCALES for name in scale)
_CHANNELS = {"conv1": 64, "conv2": 128, "conv3": 256, "conv4": 512}
_TAPS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")


class LossNetwork(nn.Module):
    """VGG-19 with taps at relu1_1, relu2_1, relu3_1 and relu4_1.

    Args:
        weights: `convI_J.weight` (O, I, 3, 3) and `convI_J.bias` (O,) for every layer to conv4_1.
        mean, std: (3,) of the input, in the order and scale that `bgr255` tells.
        bgr255: the weights want BGR in 0..255 (the Caffe originals and those scaled from them), not RGB in 0..1.
        padding: "reflect" or "zeros", what the weights were made with.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: dict[str, Tensor], mean: Tensor, std: Tensor, *, bgr255: bool, padding: str) -> None:
        super().__init__()
        self.bgr255, self.padding = bgr255, padding
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))
        inputs = 3
        self.convs = nn.ModuleDict()
        for name in _LAYERS:
            if name == _POOL:
                continue
            outputs = _CHANNELS[name[:5]]
            conv = nn.Conv2d(inputs, outputs, 3)
            for part in ("weight", "bias"):
                value = weights.get(f"{name}.{part}")
                parameter = getattr(conv, part)
                if value is None or value.shape != parameter.shape:
                    found = "nothing" if value is None else tuple(value.shape)
                    raise ValueError(f"{name}.{part} should be {tuple(parameter.shape)}, found {found}")
                parameter.data.copy_(value)
            self.convs[name] = conv
            inputs = outputs
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, path: Path | None = None) -> LossNetwork:
        """VGG-19 from a safetensors file of normalised weights, or torchvision's own where `path` is None.

        Raises:
            InputError: the file is missing, damaged, or not such a network; or torchvision's weights cannot be had.
        """
        if path is None:
            return cls._from_torchvision()
        try:
            weights = {k: v.float() for k, v in load_file(path).items()}
            mean = torch.tensor([103.939, 116.779, 123.68])
            return cls(weights, mean, torch.ones(3), bgr255=True, padding="reflect")
        except FileNotFoundError:
            raise InputError(f"{path}: no such file (weights of the loss network)") from None
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: not the weights of a VGG-19 loss network: {error}") from None

    @classmethod
    def _from_torchvision(cls) -> LossNetwork:
        from torchvision.models import VGG19_Weights, vgg19

        try:
            layers = vgg19(weights=VGG19_Weights.IMAGENET1K_V1).features
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"torchvision's VGG-19 weights cannot be had ({error}); give --features FILE, or put the weights into"
                f" {torch.hub.get_dir()}/checkpoints"
            ) from None
        convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
        weights = {}
        for name, conv in zip((n for n in _LAYERS if n != _POOL), convs, strict=False):
            assert conv.bias is not None
            weights[f"{name}.weight"], weights[f"{name}.bias"] = conv.weight.data, conv.bias.data
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return cls(weights, mean, std, bgr255=False, padding="zeros")

    def forward(self, rgb: Tensor, *, recompute: bool = False) -> list[Tensor]:
        """Features of pictures.

        Args:
            rgb: (N, 3, H, W) in 0..1, of any float type; computed in the type of the network's weights.
            recompute: keep nothing for the backward pass but what enters each scale; the rest is computed again there
                (Chen et al. 2016, arXiv 1604.06174).

        Returns:
            relu1_1 (N, 64, H, W), relu2_1 (N, 128, H/2, W/2), relu3_1 (N, 256, H/4, W/4), relu4_1 (N, 512, H/8, W/8);
            sizes rounded up.
        """
        x = rgb.flip(1) * 255 if self.bgr255 else rgb
        x = ((x - self.mean) / self.std).to(next(self.parameters()).dtype)
        taps = []
        for names in _SCALES:
            if recompute and torch.is_grad_enabled():
                x, tap = checkpoint(self._scale, x, names, use_reentrant=False)
            else:
                x, tap = self._scale(x, names)
            taps.append(tap)
        return taps

    def _scale(self, x: Tensor, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """The layers of one scale: what goes on to the next, and the tap."""
        taps = []
        for name in names:
            if name == _POOL:
                x = F.max_pool2d(x, 2, ceil_mode=True)
                continue
            conv = self.convs[name]
            assert isinstance(conv, nn.Conv2d)
            if self.padding == "reflect":
                x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias))
            else:
                x = F.relu(F.conv2d(x, conv.weight, conv.bias, padding=1))
            if name in _TAPS:
                taps.append(x)
        (tap,) = taps
        return x, tap


class ContentFeatures:
    """Features of the content crops, kept in memory in bf16 up to a bound (they cost as much as a third of a step).

    Args:
        network: the loss network.
        layers: which of its taps are wanted.
        gigabytes: the bound.
    """

    def __init__(self, network: LossNetwork, layers: tuple[int, ...], gigabytes: float) -> None:
        self.network, self.layers, self.room = network, layers, gigabytes * 2**30
        self.kept: dict[int, list[Tensor]] = {}

    @torch.no_grad()
    def __call__(self, indices: list[int], rgb: Tensor) -> list[Tensor]:
        """Features of crops `rgb` (N, 3, H, W) that have these indices in the data set: for each of `layers` one
        (N, C, h, w).
        """
        taken = []
        for n, index in enumerate(indices):
            features = self.kept.get(index)
            if features is None:
                # one by one and rounded at once: what comes out does not depend on what was kept, so that a resumed
                # run, whose memory is empty, goes on with the very same numbers
                taps = self.network(rgb[n : n + 1])
                features = [taps[layer][0].to(torch.bfloat16).cpu() for layer in self.layers]
                size = sum(f.numel() * 2 for f in features)
                if self.room >= size:
                    self.kept[index] = features
                    self.room -= size
            taken.append([f.to(rgb.device) for f in features])
        return [torch.stack(layer) for layer in zip(*taken, strict=True)]
