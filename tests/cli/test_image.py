"""`restyle image`: many pictures of every kind, broken ones among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.commands import Restyle

ENGINE = ["--backend", "torch", "--device", "cpu"]


def mixed(folder: Path, number: int) -> None:
    """One of seven kinds of picture."""
    gray = np.full((16 + number % 5, 24), 60 + number % 128, np.uint8)
    rgb = np.repeat(gray[..., None], 3, 2)
    kind = number % 7
    name = folder / f"{number:03}"
    match kind:
        case 0:
            Image.fromarray(rgb).save(f"{name}.jpg")
        case 1:
            Image.fromarray(rgb).save(f"{name}.png")
        case 2:
            Image.fromarray(np.dstack([rgb, gray])).save(f"{name}.webp", lossless=True)
        case 3:
            Image.fromarray(rgb).save(f"{name}.tif")
        case 4:
            Image.fromarray(gray.astype(np.uint16) * 257).save(f"{name}.png")
        case 5:
            Image.fromarray(rgb).convert("CMYK").save(f"{name}.jpg")
        case 6:
            Image.fromarray(gray).save(f"{name}.png")


def test_messages_and_json(restyle: Restyle, tmp_path: Path, gray: Path) -> None:
    for number in range(2):
        mixed(tmp_path, number)
    done = restyle("image", tmp_path, tmp_path / "out", "--style", gray, *ENGINE, "--size", "20", "--json")
    assert done.code == 0, done.err
    assert (done.json["images"], done.json["failed"], done.json["style"]) == (2, 0, "gray")
    lines = done.err.splitlines()
    assert lines[0].startswith("gray: torch on cpu") and lines[1].startswith(f"{tmp_path / 'out'}: 2 pictures in ")
    one = restyle("image", tmp_path / "000.jpg", tmp_path / "one.png", "--style", gray, *ENGINE)
    assert one.out == "" and ": 1 picture in " in one.err
    assert "at least one image" in restyle("image", tmp_path / "000.jpg", "--style", gray).error


def test_broken_pictures_among_many(restyle: Restyle, tmp_path: Path, identity: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(200):
        mixed(folder, number)
    files = sorted(folder.iterdir())
    broken = files[7::20]
    assert len(files) == 200 and len(broken) == 10
    for number, path in enumerate(broken):
        data = path.read_bytes()
        path.write_bytes((b"", b"words", data[:40], data[: len(data) // 2], b"\0" * 99)[number % 5])
    done = restyle("image", folder, tmp_path / "out", "--style", identity, *ENGINE, "--json")
    assert done.code == 1
    assert (done.json["images"], done.json["failed"]) == (190, 10)
    for path in broken:
        assert sum(path.name in line for line in done.err.splitlines() if line.startswith("warning: ")) == 1
    assert {p.name for p in (tmp_path / "out").iterdir()} == {p.name for p in files} - {p.name for p in broken}
    good = next(p for p in files if p.suffix == ".webp" and p not in broken)
    with Image.open(good) as before, Image.open(tmp_path / "out" / good.name) as after:
        assert after.mode == "RGBA"
        assert np.array_equal(np.asarray(before)[..., 3], np.asarray(after)[..., 3])
        assert np.abs(np.asarray(before).astype(int) - np.asarray(after)).max() <= 2


def test_one_broken_picture_is_bad_input(restyle: Restyle, tmp_path: Path, identity: Path) -> None:
    (tmp_path / "a.png").write_text("words")
    done = restyle("image", tmp_path / "a.png", tmp_path / "b.png", "--style", identity, *ENGINE, "--quiet")
    assert done.code == 2
    assert "a.png" in done.error and "not an image" in done.error
    assert not (tmp_path / "b.png").exists()
