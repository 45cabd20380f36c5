from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.engines.painter import FramePainter
from realtime.media.synthetic.demo import write_demo_clip
from tests.helpers.transnets import CPU


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second with sound: 30 frames of 160x90 pixels."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_demo_clip(path, seconds=1, size=(160, 90))
    return path


@pytest.fixture(scope="module")
def same_painter(identity: Path) -> Iterator[FramePainter]:
    """Changes nothing."""
    with FramePainter(identity, CPU) as painter:
        yield painter


@pytest.fixture(scope="module")
def random_painter(random_style: Path) -> Iterator[FramePainter]:
    """Paints with random weights."""
    with FramePainter(random_style, CPU) as painter:
        yield painter
