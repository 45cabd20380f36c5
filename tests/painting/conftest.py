"""Small scores, and shallow options: what is tested here does not depend on depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime.options import PaintingOptions
from realtime.perception import scores as scoring

SHALLOW: dict[str, Any] = {
    "preset": "guide",
    "content_layers": "relu2_1",
    "style_layers": "relu1_1,relu2_1",
    "scales": "none",
    "learning_rate": 0.05,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(autouse=True)
def small_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "STYLE_SCALES", (64, 96))


@pytest.fixture
def shallow(vgg: Path) -> PaintingOptions:
    return PaintingOptions(features=vgg, **SHALLOW)
