"""Pictures and loss networks for tests, made here and small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

_SHAPES = {"conv1_1": (64, 3), "conv1_2": (64, 64), "conv2_1": (128, 64), "conv2_2": (128, 128), "conv3_1": (256, 128)}
_SHAPES |= dict.fromkeys(("conv3_2", "conv3_3", "conv3_4"), (256, 256)) | {"conv4_1": (512, 256)}
_SHAPES |= dict.fromkeys(("conv4_2", "conv4_3", "conv4_4", "conv5_1", "conv5_2", "conv5_3", "conv5_4"), (512, 512))


def paint(path: Path, seed: int, size: tuple[int, int] = (96, 80)) -> Path:
    """A soft random picture."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 6, 7, generator=generator)
    big = torch.nn.functional.interpolate(small, size=size[::-1], mode="bicubic").clamp(0, 1)
    Image.fromarray((big[0].permute(1, 2, 0) * 255).byte().numpy()).save(path)
    return path


def soft(seed: int, height: int = 192, width: int = 200) -> np.ndarray:
    """A soft random picture with some noise."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 6, 7, generator=generator)
    big = torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic")[0].permute(1, 2, 0)
    big += 0.02 * torch.randn(big.shape, generator=generator)
    picture: np.ndarray = (big.clamp(0, 1) * 255).byte().numpy()
    return picture


def random_vgg(path: Path, last: str = "conv4_1") -> Path:
    """VGG-19 to a layer, with weights of the right shapes: random, but they keep the size of activations, as trained
    ones do.
    """
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, (o, i) in _SHAPES.items():
        weights[f"{name}.weight"] = (torch.randn(o, i, 3, 3, generator=generator) * (2 / (9 * i)) ** 0.5).half()
        weights[f"{name}.bias"] = torch.zeros(o).half()
        if name == last:
            break
    weights["conv1_1.weight"] /= 64  # the input is in 0..255
    save_file(weights, path)
    return path


def torchvision_weights(path: Path, model: str, *, features_only: bool = False) -> Path:
    """Random weights of a model, under torchvision's names."""
    import torchvision

    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    if features_only:  # the classifier of VGG-19 is six times as large
        network = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"])
        values = {f"features.{k}": v.contiguous() for k, v in network.state_dict().items()}
    else:
        values = {k: v.contiguous() for k, v in getattr(torchvision.models, model)(weights=None).state_dict().items()}
    torch.random.set_rng_state(state)
    save_file(values, path)
    return path
