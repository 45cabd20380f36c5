"""Image files, and pictures in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.jobs.pictures import paint_pictures, restyle_pictures
from realtime.media.files.stills import read_image, write_image
from realtime.options import ImageOptions
from realtime.results import Progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, and a file that is none."""
    path = tmp_path / "in"
    path.mkdir()
    for name in ("a.png", "b.png"):
        write_image(path / name, np.full((20, 30, 3), 90, np.uint8))
    (path / "c.png").write_text("no picture")
    return path


def test_a_folder(same_painter: FramePainter, folder: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    summary = restyle_pictures(same_painter, [folder], tmp_path / "out", progress=seen.append)
    assert (summary.images, summary.failed, summary.style) == (2, 1, "identity")
    assert [(now.frames, now.total) for now in seen] == [(1, 3), (2, 3), (3, 3)]
    assert len(summary.warnings) == 1 and "c.png" in summary.warnings[0]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    assert np.array_equal(read_image(tmp_path / "out" / "a.png"), read_image(folder / "a.png"))


def test_one_file_and_its_size(same_painter: FramePainter, folder: Path, tmp_path: Path) -> None:
    restyle_pictures(same_painter, [folder / "a.png"], tmp_path / "one.png", ImageOptions(size=40))
    assert read_image(tmp_path / "one.png").shape == (40, 60, 3)
    with pytest.raises(InputError, match="exists"):
        restyle_pictures(same_painter, [folder / "a.png"], tmp_path / "one.png")
    restyle_pictures(same_painter, [folder / "a.png"], tmp_path / "one.png", ImageOptions(overwrite=True))
    assert read_image(tmp_path / "one.png").shape == (20, 30, 3)


def test_wrong_outputs(same_painter: FramePainter, folder: Path, tmp_path: Path) -> None:
    overwrite = ImageOptions(overwrite=True)
    with pytest.raises(InputError, match="folder"):
        restyle_pictures(same_painter, [folder / "a.png", folder / "b.png"], tmp_path / "two.png")
    with pytest.raises(InputError, match="is the source itself"):
        restyle_pictures(same_painter, [folder / "a.png"], folder, overwrite)
    (folder / "deeper").mkdir()
    write_image(folder / "deeper" / "a.png", np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(InputError, match="two of the pictures"):
        restyle_pictures(same_painter, [folder / "a.png", folder / "deeper"], tmp_path / "out", overwrite)
    with pytest.raises(InputError, match="does not exist"):
        restyle_pictures(same_painter, [folder], tmp_path / "no" / "out")


def test_no_readable_picture(same_painter: FramePainter, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"c\.png"):
        restyle_pictures(same_painter, [folder / "c.png"], tmp_path / "c2.png")
    (folder / "d.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of the 2 pictures"):
        restyle_pictures(same_painter, [folder / "c.png", folder / "d.png"], tmp_path / "out")


def test_pictures_in_memory_of_several_sizes(same_painter: FramePainter) -> None:
    rng = np.random.default_rng(0)
    shapes = ((31, 50), (31, 50), (16, 16), (31, 50))
    flat = [np.full((*shape, 3), rng.integers(0, 256, 3), np.uint8) for shape in shapes]
    asked: list[int] = []

    def given():  # type: ignore[no-untyped-def]
        for number, picture in enumerate(flat):
            asked.append(number)
            yield picture

    styled = paint_pictures(same_painter, given())
    assert asked == []  # lazily
    for a, b in zip(flat, styled, strict=True):
        assert a.shape == b.shape
        assert np.abs(a.astype(int) - b).max() <= 3  # full-range 4:2:0 there and back


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=lambda p: str(p.shape),
)
def test_arrays_of_another_shape_or_type(same_painter: FramePainter, picture: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8 RGB"):
        list(paint_pictures(same_painter, [picture]))
