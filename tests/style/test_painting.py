"""Pictures whose style is taken: of every kind, each read sensibly or refused with the reason."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from realtime.errors import InputError
from realtime.style.painting import SIDE, is_picture, read_painting
from realtime.transnet.hypernetwork import PICTURE_SIDE
from tests.helpers.clips import scene

RED, BLUE = (230, 20, 30), (20, 40, 220)


def halves(width: int = 400, height: int = 300) -> np.ndarray:
    """(H, W, 3) uint8: red on the left, blue on the right."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:, : width // 2], rgb[:, width // 2 :] = RED, BLUE
    return rgb


def saved(path: Path, picture: object = None, **options: Any) -> Path:
    """A picture file, made by Pillow."""
    given: Any = halves() if picture is None else picture
    image = given if isinstance(given, Image.Image) else Image.fromarray(given)
    image.save(path, **options)
    return path


def left_and_right(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean colours of both halves."""
    middle = rgb.shape[1] // 2
    return rgb[:, : middle - 4].mean((0, 1)), rgb[:, middle + 4 :].mean((0, 1))


def assert_halves(rgb: np.ndarray, tolerance: float = 4) -> None:
    left, right = left_and_right(rgb)
    np.testing.assert_allclose(left, RED, atol=tolerance)
    np.testing.assert_allclose(right, BLUE, atol=tolerance)


def png_header(width: int, height: int) -> bytes:
    """A PNG file of this size, of which hardly anything is there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_the_size_is_the_networks() -> None:
    assert SIDE == PICTURE_SIDE


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp", ".tif", ".gif", ".ppm", ".avif", ".jp2"])
def test_formats(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / f"a{ending}")
    assert is_picture(path)
    rgb = read_painting(path)
    assert rgb.shape == (256, 341, 3) and rgb.dtype == np.uint8
    assert_halves(rgb, 12 if ending == ".avif" else 6)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png").rename(tmp_path / "a.txt")
    assert is_picture(path)
    assert_halves(read_painting(path))


def test_a_large_jpeg_is_the_same_picture(tmp_path: Path) -> None:
    whole = scene(1, 3200, 2400)
    large = saved(tmp_path / "a.jpg", whole, quality=95)
    expected = cv2.resize(whole, (341, 256), interpolation=cv2.INTER_AREA)
    difference = np.abs(read_painting(large).astype(int) - expected)
    assert difference.mean() < 2


def test_gray(tmp_path: Path) -> None:
    rgb = read_painting(saved(tmp_path / "a.png", halves()[..., 0]))
    assert (rgb == rgb[..., :1]).all()
    assert rgb[:, :100].mean() == pytest.approx(RED[0], abs=1) and rgb[:, -100:].mean() == pytest.approx(BLUE[0], abs=1)
    black_and_white = Image.fromarray(halves()[..., 0] > 100)
    assert set(np.unique(read_painting(saved(tmp_path / "b.png", black_and_white))[:, :100])) == {255}


def test_one_colour(tmp_path: Path) -> None:
    rgb = read_painting(saved(tmp_path / "a.png", np.full((50, 40, 3), RED, np.uint8)))
    assert rgb.shape == (320, 256, 3) and (rgb == RED).all()


def test_palette(tmp_path: Path) -> None:
    assert_halves(read_painting(saved(tmp_path / "a.png", Image.fromarray(halves()).quantize(4))))


def test_sixteen_bits(tmp_path: Path) -> None:
    wide = halves()[..., ::-1].astype(np.uint16) * 257
    for name in ("a.png", "a.tif"):
        assert cv2.imwrite(str(tmp_path / name), wide)
        assert_halves(read_painting(tmp_path / name))
    gray = saved(tmp_path / "gray.png", Image.fromarray(halves()[..., 0].astype(np.uint16) * 257))
    assert read_painting(gray)[:, :100].mean() == pytest.approx(RED[0], abs=1)


def test_cmyk(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.tif"):
        left, right = left_and_right(read_painting(saved(tmp_path / name, Image.fromarray(halves()).convert("CMYK"))))
        assert left[0] > left[2] + 100 and right[2] > right[0] + 100


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    rgba = np.dstack([halves(), np.full((300, 400), 255, np.uint8)])
    rgba[:, 200:, 3] = 0
    for path in (saved(tmp_path / "a.png", rgba), saved(tmp_path / "a.webp", rgba, lossless=True)):
        left, right = left_and_right(read_painting(path))
        np.testing.assert_allclose(left, RED, atol=3)
        assert right.min() > 254
    rgba[..., 3] = 128
    half = left_and_right(read_painting(saved(tmp_path / "half.png", rgba)))[0]
    np.testing.assert_allclose(half, (np.array(RED) + 255) / 2, atol=2)
    keyed = Image.fromarray(halves()).quantize(4)
    path = saved(tmp_path / "palette.gif", keyed, transparency=int(np.asarray(keyed)[0, 399]))
    assert left_and_right(read_painting(path))[1].min() > 250


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    others = [Image.fromarray(np.full((300, 400, 3), n, np.uint8)) for n in (0, 255)]
    for name in ("a.gif", "a.webp", "a.png"):
        assert_halves(read_painting(saved(tmp_path / name, save_all=True, append_images=others, duration=100)), 8)


@pytest.mark.parametrize(("orientation", "shape"), [(1, (256, 341)), (3, (256, 341)), (6, (341, 256)), (8, (341, 256))])
def test_rotation_by_exif(tmp_path: Path, orientation: int, shape: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = read_painting(saved(tmp_path / "a.jpg", exif=exif, quality=95))
    assert rgb.shape[:2] == shape
    upright = {1: rgb, 3: rgb[::-1, ::-1], 6: np.rot90(rgb), 8: np.rot90(rgb, -1)}[orientation]
    assert_halves(upright)


def test_a_colour_profile_is_followed(tmp_path: Path) -> None:
    """A profile that exchanges red and blue would be seen; one that cannot be used changes nothing."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_halves(read_painting(saved(tmp_path / "a.png", icc_profile=lab)))
    swapped = lab.replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")
    left, right = left_and_right(read_painting(saved(tmp_path / "b.png", icc_profile=swapped)))
    assert left[2] > left[0] + 100 and right[0] > right[2] + 100
    damaged = lab[:200] + bytes(len(lab) - 200)
    assert_halves(read_painting(saved(tmp_path / "c.png", icc_profile=damaged)))


def test_the_middle_of_a_long_picture_is_taken(tmp_path: Path) -> None:
    rgb = np.zeros((20, 200, 3), np.uint8)
    rgb[:, 80:120] = 255
    assert read_painting(saved(tmp_path / "a.png", rgb)).shape == (256, 512, 3)
    assert read_painting(tmp_path / "a.png").min() == 255
    assert read_painting(saved(tmp_path / "b.png", np.swapaxes(rgb, 0, 1))).shape == (512, 256, 3)
    assert read_painting(saved(tmp_path / "c.png", rgb[:, :101].repeat(3, 0))).shape == (256, 431, 3)


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_painting(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_too_small_pictures_are_refused(tmp_path: Path) -> None:
    for size in ((1, 1), (15, 300), (300, 3)):
        refused(saved(tmp_path / "a.png", halves(*size)), f"{size[0]}x{size[1]} pixels are too few")
    assert read_painting(saved(tmp_path / "b.png", halves(16, 16))).shape == (256, 256, 3)


def test_wholly_transparent_pictures_are_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path / "a.png", np.zeros((30, 30, 4), np.uint8)), "wholly transparent")


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(100_000, 100_000))
    assert is_picture(path)
    refused(path, "too large")


def test_a_file_of_a_picture_has_a_largest_size(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    with path.open("r+b") as file:
        file.truncate(600 * 2**20)  # takes no room on the disk
    refused(path, "600 MiB is too large")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", "No such file")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty")
    (tmp_path / "words.png").write_text("words")
    refused(tmp_path / "words.png", "not an image")
    # Pillow would start another program for it.
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n")
    for name in ("none.png", "empty.png", "words.png", "a.eps", ""):
        assert not is_picture(tmp_path / name)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif", ".gif", ".bmp"])
def test_truncated_pictures_are_refused(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / f"a{ending}", scene(0, 400, 300))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "damaged")


@settings(max_examples=60)
@given(st.sampled_from([".png", ".jpg", ".webp", ".tif", ".gif"]), st.integers(0, 2**32 - 1))
def test_damaged_pictures_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, ending: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = saved(tmp_path_factory.mktemp("damaged") / f"a{ending}", scene(seed % 3, 60, 40))
    data = bytearray(path.read_bytes())
    for at in rng.integers(0, len(data), rng.integers(1, 20)):
        data[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    is_picture(path)
    with suppress(InputError):  # any other error fails
        assert min(read_painting(path).shape[:2]) == SIDE
