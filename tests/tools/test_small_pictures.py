"""Pictures made small for training elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.small_pictures import copy_small


def test_pictures_are_reduced_and_never_enlarged(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deeper").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("wide.png", (300, 200)), ("deeper/tiny.png", (90, 70))):
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(source / name)
    written = copy_small(source, tmp_path / "out", 100, 80)
    files = sorted((tmp_path / "out").iterdir())
    assert sorted(Image.open(file).size for file in files) == [(90, 70), (150, 100)]
    assert written == sum(file.stat().st_size for file in files)
    with pytest.raises(FileExistsError):
        copy_small(source, tmp_path / "out", 100, 80)
