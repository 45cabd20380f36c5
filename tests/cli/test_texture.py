"""`--texture`: for networks with a texture plane; others refuse it before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from tests.helpers.clips import Clip
from tests.helpers.commands import Restyle
from tests.helpers.textured import TEXTURED, textured_network

ENGINE = ["--backend", "torch", "--device", "cpu", "--precision", "fp32", "--threads", "1"]


@pytest.fixture(scope="module")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style with a texture plane."""
    path = tmp_path_factory.mktemp("styles") / "textured.safetensors"
    save_checkpoint(path, textured_network(), StyleCard("textured", architecture=TEXTURED))
    return path


def test_an_image_has_as_much_texture_as_is_asked_for(restyle: Restyle, tmp_path: Path, textured: Path) -> None:
    Image.fromarray(np.full((96, 128, 3), 128, np.uint8)).save(tmp_path / "wall.png")

    def spread(*options: str) -> float:
        out = tmp_path / "out.png"
        done = restyle("image", tmp_path / "wall.png", out, "--style", textured, *ENGINE, "--overwrite", *options)
        assert done.code == 0, done.err
        return float(np.asarray(Image.open(out)).std((0, 1)).max())

    none, some, all_of_it = (spread("--texture", amount) for amount in ("0", "0.5", "1"))
    assert none < 1 < some < all_of_it == spread()


@pytest.mark.parametrize("command", ["image", "video", "webcam"])
def test_other_networks_refuse_it(restyle: Restyle, tmp_path: Path, identity: Path, command: str) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    if command == "image":
        source, target = tmp_path / "in.png", tmp_path / "out.png"
        Image.new("RGB", (32, 24)).save(source)
    elif command == "video":
        Clip(source).make()
    files = ["-c", "lavfi:testsrc2=size=64x48:rate=60", "--headless", "--record", target]
    given = files if command == "webcam" else [source, target]
    done = restyle(command, *given, "--style", identity, *ENGINE, "--texture", "0.5")
    assert done.code == 2
    assert "--texture 0.5 with identity: its network has no texture plane" in done.err
    assert not target.exists() and not list(tmp_path.glob("*.part*"))
