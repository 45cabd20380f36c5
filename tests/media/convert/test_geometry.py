"""Rotation, mirroring and pixel aspect: stored where the container can, else applied to the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.media.convert.geometry import shape
from realtime.media.files.probe import probe
from tests.helpers.clips import Clip, decoded, psnr, scene
from tests.helpers.media import faults, identity


def upright(path: Path, index: int = 0) -> np.ndarray:
    """A picture as a player shows it: (H, W, 3) RGB, turned and mirrored by the file's display matrix."""
    rgb = decoded(path)[index].to_ndarray(format="rgb24")
    matrix = probe(path).display_matrix or (1, 0, 0, 0, 1, 0, 0, 0, 1)
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    height, width = rgb.shape[:2]
    # Shown at (a x + c y, b x + d y), moved so that the picture begins at 0.
    sign = np.sign
    y, x = np.mgrid[0:height, 0:width]
    to_x, to_y = sign(a) * x + sign(c) * y, sign(b) * x + sign(d) * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    out = np.empty((to_y.max() + 1, to_x.max() + 1, 3), np.uint8)
    out[to_y, to_x] = rgb
    return out


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm", "avi", "ts"])
@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_what_a_player_shows(tmp_path: Path, degrees: int, hflip: bool, extension: str) -> None:
    def setup(_: Any, video: Any) -> None:
        video.set_display_rotation(degrees, hflip=hflip)

    source = Clip(tmp_path / "a.mp4", frames=2, setup=setup, color=(1, 5, 5, 6)).make()
    target = tmp_path / f"b.{extension}"
    summary = identity(source, target, quality=8)
    wanted, shown = upright(source), upright(target)
    assert shown.shape == wanted.shape
    assert psnr(shown, wanted) > 28
    if extension in ("avi", "ts") and (degrees or hflip):
        assert any("upright" in note for note in summary.notes)
    if (degrees, hflip) == (0, False):
        assert psnr(shown, scene(0, 96, 64)) > 28


@pytest.mark.parametrize("extension", ["mp4", "mkv", "ts", "webm"])
@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(8, 9)])
def test_pixel_aspect(tmp_path: Path, aspect: Fraction, extension: str) -> None:
    def setup(_: Any, video: Any) -> None:
        video.codec_context.sample_aspect_ratio = aspect

    source = Clip(tmp_path / "a.mp4", frames=3, setup=setup).make()
    target = tmp_path / f"b.{extension}"
    summary = identity(source, target, quality=8)
    info = probe(target)
    assert info.width * (info.sample_aspect_ratio or 1) / info.height == pytest.approx(
        float(96 * aspect / 64), rel=0.02
    )
    if extension == "webm":
        assert (info.width, info.height) == ((192, 64) if aspect == 2 else (96, 72))
        assert any("pixel aspect" in note for note in summary.notes)
    else:
        assert faults(source, target, same_audio=False) == []


def test_rotation_together_with_pixel_aspect() -> None:
    quarter = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 1 << 30)
    free = {"suffix": ".ts", "keeps_rotation": False, "keeps_mirroring": False}
    made = shape(96, 64, Fraction(2), quarter, keeps_aspect=True, **free)  # type: ignore[arg-type]
    assert (made.width, made.height, made.aspect, made.matrix) == (64, 96, Fraction(1, 2), None)
    made = shape(96, 64, Fraction(2), quarter, keeps_aspect=False, **free)  # type: ignore[arg-type]
    assert (made.width, made.height, made.aspect) == (64, 192, None)
    oblique = (0xB504, 0xB504, 0, -0xB504, 0xB504, 0, 0, 0, 1 << 30)
    made = shape(96, 64, None, oblique, keeps_aspect=True, **free)  # type: ignore[arg-type]
    assert (made.width, made.height) == (96, 64)
    assert "left out" in made.notes[0]
