"""Folders of pictures, and a small run on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.options import AnyTrainOptions
from realtime.training.any_painting.features import load_features
from realtime.training.any_painting.run import AnyTrainRun
from realtime.transnet.hypernetwork import Encoder
from tests.helpers.pictures import paint

SMALL: dict[str, Any] = {"width": 8, "body": 8, "dilations": (1,), "size": 80, "paintings": 2, "contents": 1}
SMALL |= {"reuse": 2, "pool": 2, "steps": 4, "warmup": 1, "precision": "fp32", "device": "cpu", "threads": 1}
"""Options of a run that is as small as runs can be."""


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("any") / "paintings"
    (folder / "deeper").mkdir(parents=True)
    for i in range(3):
        paint(folder / f"{i}.png", i, (120, 100))
    paint(folder / "deeper" / "long.JPG", 3, (200, 90))
    return folder


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("any") / "photographs"
    folder.mkdir()
    for i in range(4):
        paint(folder / f"{i}.png", 10 + i)
    return folder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The one that comes along, in fp32."""
    return load_features(None, torch.device("cpu"), torch.float32)


def small_run(folder: Path, paintings: Path, photographs: Path) -> AnyTrainRun:
    options: Any = AnyTrainOptions(**SMALL)
    return AnyTrainRun.new((paintings,), photographs, folder / "any.safetensors", options)


@pytest.fixture
def small(tmp_path: Path, paintings: Path, photographs: Path) -> AnyTrainRun:
    return small_run(tmp_path, paintings, photographs)
