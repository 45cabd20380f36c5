"""From frames to the pictures that an encoder takes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.errors import RestyleError
from realtime.frames import ColorTags
from realtime.media.files.output_spec import OutputSpec, SourceVideo
from realtime.media.files.video_encoder import PictureMaker
from tests.helpers.planes import noise


def maker(path: Path, encoder: str = "auto", size: tuple[int, int] = (114, 64)) -> PictureMaker:
    """For frames of a size (width, height)."""
    source = SourceVideo(
        path=path, width=size[0], height=size[1], time_base=Fraction(1, 25), color=ColorTags(), color_range=1
    )
    return PictureMaker(OutputSpec(path, source, encoder=encoder))


@pytest.mark.parametrize(
    ("name", "encoder", "format"),
    [("b.mp4", "auto", "yuv420p"), ("b.mov", "prores_ks", "yuv422p10le"), ("b.gif", "auto", "bgra")],
)
def test_pictures_have_the_encoder_s_format(tmp_path: Path, name: str, encoder: str, format: str) -> None:
    """Then nothing converts them in several threads, which does not always give the same."""
    make, frame = maker(tmp_path / name, encoder), noise(64, 114)
    pictures = [make(frame, number) for number in range(300)]
    assert {picture.format.name for picture in pictures} == {format}
    assert [picture.pts for picture in pictures] == list(range(300))
    assert len({b"".join(bytes(plane) for plane in _visible(picture)) for picture in pictures}) == 1


def _visible(picture: Any) -> list[np.ndarray]:
    """The planes without the padding at the end of each line."""
    planes = []
    for plane in picture.planes:
        lines = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(np.ascontiguousarray(lines[:, : plane.width]))
    return planes


def test_odd_sizes_get_chroma_of_full_size(tmp_path: Path) -> None:
    make, frame = maker(tmp_path / "b.mp4", size=(33, 17)), noise(17, 33)
    y, u, _ = _visible(make(frame, 0))
    assert np.array_equal(y, frame.y)
    assert u.shape == (17, 33) and np.array_equal(u[::2, ::2], frame.u)


def test_other_chroma_is_refused(tmp_path: Path) -> None:
    make, frame = maker(tmp_path / "b.mp4"), noise(64, 114)
    with pytest.raises(RestyleError, match="chroma planes"):
        make(frame.with_planes(frame.y, frame.u[:5], frame.v), 0)
