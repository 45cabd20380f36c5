"""`restyle styles --sheet`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from realtime.jobs.contact_sheet import GAP
from tests.cli.conftest import Restyle


def test_the_sheet(restyle: Restyle, tmp_path: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "sheet.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 128, 3), dtype=np.uint8)).save(source)
    done = restyle("styles", "--sheet", target, "--input", source, "--width", "64", "--columns", "4", "--json")
    assert done.code == 0, done.err
    assert done.json["sheet"] == str(target)
    with Image.open(target) as sheet:
        assert sheet.width == 4 * (64 + GAP) + GAP
    again = restyle("styles", "--sheet", target, "--input", source)
    assert again.code == 2 and "exists" in again.error
    lonely = restyle("styles", "--sheet", target)
    assert lonely.code == 2 and "belong together" in lonely.err
