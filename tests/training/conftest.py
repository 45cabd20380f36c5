"""A painting, a folder of photographs and a loss network, all made here and small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

_SHAPES = {"conv1_1": (64, 3), "conv1_2": (64, 64), "conv2_1": (128, 64), "conv2_2": (128, 128), "conv3_1": (256, 128)}
_SHAPES |= dict.fromkeys(("conv3_2", "conv3_3", "conv3_4"), (256, 256)) | {"conv4_1": (512, 256)}


def paint(path: Path, seed: int, size: tuple[int, int] = (96, 80)) -> Path:
    """A soft random picture."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 6, 7, generator=generator)
    big = torch.nn.functional.interpolate(small, size=size[::-1], mode="bicubic").clamp(0, 1)
    Image.fromarray((big[0].permute(1, 2, 0) * 255).byte().numpy()).save(path)
    return path


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the right shapes: random, but they keep the size of activations, as trained ones do."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, (o, i) in _SHAPES.items():
        weights[f"{name}.weight"] = (torch.randn(o, i, 3, 3, generator=generator) * (2 / (9 * i)) ** 0.5).half()
        weights[f"{name}.bias"] = torch.zeros(o).half()
    weights["conv1_1.weight"] /= 64  # the input is in 0..255
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(weights, path)
    return path


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return paint(tmp_path / "painting.png", 7, (120, 100))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    (folder / "deeper").mkdir(parents=True)
    for i in range(3):
        paint(folder / f"{i}.png", i)
    paint(folder / "deeper" / "3.JPG", 3)
    return folder
