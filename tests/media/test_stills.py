"""Stills: RGB to planes and back in every matrix and range, and image files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.errors import InputError, MediaError
from realtime.frames import Matrix, Range
from realtime.media.stills import frame_from_rgb, read_image, rgb_from_frame, write_image
from tests.clips import psnr, scene

MATRICES: tuple[Matrix, ...] = ("bt601", "bt709", "bt2020")
RANGES: tuple[Range, ...] = ("full", "limited")


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("value_range", RANGES)
def test_round_trip(matrix: Matrix, value_range: Range) -> None:
    rgb = scene(3, 160, 96)
    frame = frame_from_rgb(rgb, matrix=matrix, value_range=value_range)
    assert (frame.color.matrix, frame.color.range) == (matrix, value_range)
    # The mark in the corner has hard edges, which chroma at half size cannot follow.
    assert psnr(rgb_from_frame(frame)[30:], rgb[30:]) > 40


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("value_range", RANGES)
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (30, 140, 200)])
def test_flat_colours(matrix: Matrix, value_range: Range, color: tuple[int, int, int]) -> None:
    rgb = np.full((8, 8, 3), color, np.uint8)
    frame = frame_from_rgb(rgb, matrix=matrix, value_range=value_range)
    assert np.abs(rgb_from_frame(frame).astype(int) - rgb).max() <= 3
    if color[0] == color[1] == color[2]:
        assert (frame.u == 128).all()
        assert (frame.v == 128).all()
        low, high = (0, 255) if value_range == "full" else (16, 235)
        assert set(frame.y.reshape(-1).tolist()) == {high if color[0] else low}


def test_greys_lose_nothing() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    np.testing.assert_array_equal(rgb_from_frame(frame_from_rgb(ramp)), ramp)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 5), (33, 64)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    rgb = scene(0, size[1], size[0])
    frame = frame_from_rgb(rgb)
    assert frame.u.shape == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    assert rgb_from_frame(frame).shape == rgb.shape


def test_wrong_arrays() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="uint8"):
            frame_from_rgb(wrong)


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
