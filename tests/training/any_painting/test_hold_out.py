"""Paintings that are held out are found again in other scans, and nothing else is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from realtime.training.any_painting.hold_out import HeldOut
from realtime.training.any_painting.pictures import read_pictures

WORKS = 6


def work(seed: int) -> Image.Image:
    """A picture with large and small forms, unlike all others."""
    random = np.random.default_rng(seed)
    layers = []
    for cells in (4, 9, 20, 50):
        small = Image.fromarray(random.integers(0, 256, (cells, cells, 3), np.uint8))
        layers.append(np.asarray(small.resize((420, 300), Image.Resampling.BICUBIC), np.float32))
    mixed = sum(share * layer for share, layer in zip((0.4, 0.3, 0.2, 0.1), layers, strict=True))
    return Image.fromarray(np.asarray(mixed).clip(0, 255).astype(np.uint8))


def recompressed(image: Image.Image) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=20)
    return Image.open(data).convert("RGB")


def faded(image: Image.Image) -> Image.Image:
    return Image.blend(ImageEnhance.Contrast(image).enhance(0.6), Image.new("RGB", image.size, "orange"), 0.2)


def framed(image: Image.Image) -> Image.Image:
    frame = Image.new("RGB", (470, 335), "white")
    frame.paste(image, (25, 18))
    return frame


COPIES = {
    "rescaled": lambda image: image.resize((160, 114), Image.Resampling.BICUBIC),
    "recompressed": recompressed,
    "faded and warm": faded,
    "margins cut": lambda image: image.crop((25, 10, 400, 285)),
    "a part": lambda image: image.crop((60, 30, 380, 260)),
    "with margins": framed,
}


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("works")
    for seed in range(WORKS):
        work(seed).save(folder / f"{seed}.png")
    return folder


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_left_out(works: Path, tmp_path: Path, kind: str) -> None:
    held_out = HeldOut([works])
    paths = []
    for seed in (1, 4):
        paths.append(tmp_path / f"copy-{seed}.png")
        COPIES[kind](work(seed)).save(paths[-1])
    assert list(held_out.filter(read_pictures(paths, 64))) == []
    assert held_out.found == [("copy-1.png", "1.png"), ("copy-4.png", "4.png")]


def test_other_works_stay(works: Path, tmp_path: Path) -> None:
    paths = []
    for seed in range(100, 120):
        paths.append(tmp_path / f"{seed}.png")
        work(seed).save(paths[-1])
    held_out = HeldOut([works])
    assert [read.path for read in held_out.filter(read_pictures(paths, 64))] == paths
    assert held_out.found == []


def test_without_folders_everything_stays(works: Path) -> None:
    paths = sorted(works.iterdir())
    assert len(list(HeldOut([]).filter(read_pictures(paths, 64)))) == WORKS


def test_a_plain_picture_is_like_nothing(works: Path, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "plain.png")
    (read,) = HeldOut([works]).filter(read_pictures([tmp_path / "plain.png"], 64))
    assert read.path.name == "plain.png"
