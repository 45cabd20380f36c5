"""Image files: pixel formats, metadata, and messages."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from realtime.errors import InputError, MediaError
from realtime.media.files.stills import Picture, read_image, read_picture, resize_picture, write_image, write_picture
from tests.helpers.clips import psnr, scene


def test_files(tmp_path: Path) -> None:
    rgb = scene(1, 50, 31)
    write_image(tmp_path / "ü a.png", rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "ü a.png"), rgb)
    with pytest.raises(InputError, match="--overwrite"):
        write_image(tmp_path / "ü a.png", rgb)
    write_image(tmp_path / "ü a.png", rgb[::-1], overwrite=True)
    write_image(tmp_path / "b.jpg", rgb)
    assert psnr(read_image(tmp_path / "b.jpg"), rgb) > 30
    with pytest.raises(InputError, match=r"\.png"):
        write_image(tmp_path / "b.mp4", rgb)
    with pytest.raises(InputError, match="does not exist"):
        write_image(tmp_path / "no" / "b.png", rgb)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.jpg", "ü a.png"]


def test_read_messages(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("words")
    (tmp_path / "empty.png").touch()
    for name, words in (
        ("none.png", "no such file"),
        ("text.png", "not an image"),
        ("empty.png", "empty"),
        ("", "folder"),
    ):
        with pytest.raises(MediaError, match=words):
            read_image(tmp_path / name)


def test_exif_orientation(tmp_path: Path) -> None:
    """Orientation 6: the picture is stored lying and shown turned clockwise."""
    rgb = np.zeros((16, 32, 3), np.uint8)
    rgb[:, :16] = 255
    done, data = cv2.imencode(".jpg", rgb)
    assert done
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    raw = data.tobytes()
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    (tmp_path / "a.jpg").write_bytes(raw[:2] + segment + raw[2:])
    shown = read_image(tmp_path / "a.jpg")
    assert shown.shape == (32, 16, 3)
    assert shown[:16].mean() > 250
    assert shown[16:].mean() < 5


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_rounded(tmp_path: Path, name: str) -> None:
    codes = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    Image.fromarray(codes).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.rgb[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert (picture.rgb == picture.rgb[..., :1]).all()
    assert picture.notes == ("16 bits were rounded to 8",)


def test_sixteen_bit_colours(tmp_path: Path) -> None:
    rgb = scene(0, 20, 10)
    assert cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1].astype(np.uint16) * 257)
    assert cv2.imwrite(str(tmp_path / "a.tif"), rgb[..., ::-1].astype(np.uint16) * 257)
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name), rgb)


def test_gray_palette_and_cmyk(tmp_path: Path) -> None:
    rgb = np.full((16, 16, 3), (204, 51, 102), np.uint8)
    Image.fromarray(rgb).convert("P").save(tmp_path / "p.png")
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    Image.fromarray(rgb[..., 0]).save(tmp_path / "l.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), rgb)  # a colour of the web's palette
    cmyk = read_picture(tmp_path / "c.jpg")
    assert np.abs(cmyk.rgb.astype(int) - rgb).max() <= 6
    assert cmyk.notes == ("CMYK was converted to RGB",)
    assert (read_image(tmp_path / "l.png") == 204).all()


def test_floating_point_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(MediaError, match="floating-point"):
        read_image(tmp_path / "f.tif")


@pytest.mark.parametrize("name", ["b.png", "b.webp", "b.tif"])
def test_transparency_is_kept(tmp_path: Path, name: str) -> None:
    rgba = np.dstack([scene(0, 12, 9), np.arange(108, dtype=np.uint8).reshape(9, 12) + 100])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert write_picture(tmp_path / name, picture) == []
    again = read_picture(tmp_path / name)
    np.testing.assert_array_equal(again.rgb, rgba[..., :3])
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, rgba[..., 3])
    smaller = resize_picture(again, (6, 5))
    assert smaller.alpha is not None and smaller.alpha.shape == smaller.rgb.shape[:2] == (5, 6)


def test_what_a_format_cannot_hold_is_reported(tmp_path: Path) -> None:
    picture = Picture(scene(0, 12, 9), alpha=np.full((9, 12), 7, np.uint8), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    assert write_picture(tmp_path / "a.jpg", picture) == ["transparency was left out: .jpg cannot hold it"]
    assert len(write_picture(tmp_path / "a.bmp", picture)) == 2


@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("target", ["b.jpg", "b.png", "b.webp", "b.tif"])
def test_exif_and_profile_are_kept(tmp_path: Path, source: str, target: str) -> None:
    """All but the orientation, which has been applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(scene(0, 32, 16))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, "A Maker"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    image.save(tmp_path / source, exif=exif.tobytes(), icc_profile=profile)
    picture = read_picture(tmp_path / source)
    assert picture.rgb.shape == (32, 16, 3)
    assert write_picture(tmp_path / target, picture) == []
    with Image.open(tmp_path / target) as written:
        assert written.size == (16, 32)
        kept = written.getexif()
        assert kept[0x010F] == "A Maker"
        assert kept.get_ifd(0x8769)[0x9003] == "2026:01:02 03:04:05"
        assert kept.get(0x0112, 1) == 1
        assert written.info["icc_profile"] == profile


def test_a_profile_for_other_colours_is_left_out(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(scene(0, 8, 8)).save(tmp_path / "a.png", icc_profile=lab)
    assert read_picture(tmp_path / "a.png").icc is None


def test_a_profile_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "c.jpg"
    Image.new("CMYK", (8, 8), (10, 20, 30, 0)).save(path, icc_profile=b"no profile at all" * 20)
    notes = read_picture(path).notes
    assert notes == ("CMYK was converted to RGB", "its colour profile cannot be used: the colours are approximate")


def test_pictures_may_be_larger_than_pillows_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_picture(path).rgb.shape == (40, 40, 3)
    with pytest.raises(MediaError, match="too large"):
        read_picture(path, longest_side=16)
