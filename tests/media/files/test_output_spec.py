"""What is to be written is decided before anything is written."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from realtime.errors import InputError
from realtime.frames import ColorTags
from realtime.media.files.output_spec import OutputSpec, SourceVideo

SOURCE = SourceVideo(
    path=Path("source"), width=96, height=64, time_base=Fraction(1, 12800), color=ColorTags(), color_range=1
)


@pytest.mark.parametrize(
    ("suffix", "format", "encoder"),
    [
        ("mp4", "mp4", "libx264"), ("m4v", "ipod", "libx264"), ("mov", "mov", "libx264"),
        ("mkv", "matroska", "libx264"), ("webm", "webm", "libvpx-vp9"), ("avi", "avi", "mpeg4"),
        ("ts", "mpegts", "libx264"), ("gif", "gif", "gif"), ("mpg", "mpeg", "mpeg2video"),
        ("wmv", "asf", "msmpeg4"), ("3gp", "3gp", "libx264"),
    ],
)  # fmt: skip
def test_each_container_gets_an_encoder(tmp_path: Path, suffix: str, format: str, encoder: str) -> None:
    spec = OutputSpec(tmp_path / f"b.{suffix}", SOURCE)
    assert (spec.format, spec.encoder) == (format, encoder)
    assert list(tmp_path.iterdir()) == []


def test_clocks(tmp_path: Path) -> None:
    """The source's time base is kept where the container can store it."""
    source = replace(SOURCE, rate=Fraction(25), finest_rate=Fraction(50), first_time=Fraction(2), bit_depth=10)
    plain, avi, gif = (OutputSpec(tmp_path / f"b.{suffix}", source) for suffix in ("mp4", "avi", "gif"))
    assert (plain.time_base, plain.step, plain.shift) == (Fraction(1, 12800), 512, 0)
    assert (avi.time_base, avi.step, avi.shift) == (Fraction(1, 50), 1, 2)
    assert (gif.time_base, gif.step) == (Fraction(1, 100), 4)
    assert plain.notes == ["the source's 10 bits a sample become 8"]
    assert "one frame rate" in avi.notes[0]


def test_a_growing_file_needs_a_container_that_can_grow(tmp_path: Path) -> None:
    spec = OutputSpec(tmp_path / "b.mkv", SOURCE, growing=True)
    assert spec.muxer_options["cluster_time_limit"] == "500"
    with pytest.raises(InputError, match=r"b\.avi: \.avi cannot be played before it is complete"):
        OutputSpec(tmp_path / "b.avi", SOURCE, growing=True)
