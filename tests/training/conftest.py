"""A painting, a folder of photographs, and a small run on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.options import TrainOptions
from realtime.training.run import TrainingRun
from tests.helpers.pictures import paint


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


@pytest.fixture
def small(tmp_path: Path, painting: Path, photographs: Path, vgg: Path) -> TrainingRun:
    options = TrainOptions(
        features=vgg,
        width=8,
        body=16,
        dilations=(1,),
        norm="batch",
        contours=(4, 8, 16, 32),
        cell=8,
        steps=6,
        batch=2,
        size=64,
        margin=8,
        style_size=64,
        warmup=2,
        variants=2,
        temporal=1.0,
        tv=0.1,
        precision="fp32",
        device="cpu",
        save_every=2,
        preview_every=4,
        title="A Painting",
        artist="A. Painter",
        year=1900,
    )
    return TrainingRun.new(painting, photographs, tmp_path / "style.safetensors", options)
