"""The styles of a live run: the named ones are ready at once, the others are opened in the background."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.engines.fidelity import picture_frames
from realtime.engines.painter import FramePainter
from realtime.errors import StyleError
from realtime.jobs.live.styles import LiveStyles
from realtime.media.files.stills import write_image
from realtime.options import EngineOptions, PaintOptions, StyleOptions
from tests.helpers.networks import mean_difference
from tests.helpers.planes import flat, same
from tests.helpers.waiting import wait_for

OPTIONS = EngineOptions(backend="torch", device="cpu", precision="fp32", threads=1)
SAMPLE = flat(48, 64, 90)
(PICTURE,) = picture_frames(1, size=(96, 64))


def engine_threads() -> int:
    return sum(thread.name.startswith("torch-worker") for thread in threading.enumerate())


def test_the_others_become_ready_in_the_background(identity: Path, gray: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no network")
    before = engine_threads()
    with LiveStyles([identity], [damaged, gray], OPTIONS) as styles:
        assert [style.ready for style in styles.all] == [True, False, False]
        assert styles.all[0].name == "identity"
        styles.open_others(SAMPLE)
        wait_for(lambda: all(style.ready or style.problem for style in styles.all), "opened styles")
        assert [style.ready for style in styles.all] == [True, False, True]
        assert "damaged.safetensors" in styles.all[1].problem
        assert styles.all[2].name == "gray" and styles.all[2].problem == ""
        assert styles.all[2].paint(SAMPLE, PaintOptions()).y[0, 0] == pytest.approx(200, abs=1)
    assert engine_threads() == before


def test_which_styles_take_the_texture_plane(identity: Path, textured: Path) -> None:
    """Of a style that is not open yet it is not known."""
    with LiveStyles([identity], [textured], OPTIONS) as styles:
        assert [style.takes_texture for style in styles.all] == [False, False]
        styles.open_others(SAMPLE)
        wait_for(lambda: styles.all[1].ready, "an opened style")
        assert [style.takes_texture for style in styles.all] == [False, True]


def test_closing_waits_for_the_style_that_is_being_opened(identity: Path, gray: Path) -> None:
    before = threading.active_count()
    with LiveStyles([identity], [gray] * 20, OPTIONS) as styles:
        styles.open_others(SAMPLE)
    assert threading.active_count() == before
    assert not all(style.ready for style in styles.all)


def test_a_named_style_that_fails_closes_those_before_it(identity: Path) -> None:
    before = threading.active_count()
    with pytest.raises(StyleError, match="none"):
        LiveStyles([identity, "none"], [], OPTIONS)
    assert threading.active_count() == before


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture whose style is taken."""
    path = tmp_path_factory.mktemp("painting") / "painting.png"
    colours = np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    write_image(path, np.ascontiguousarray(colours.repeat(16, 0).repeat(16, 1)))
    return path


@pytest.mark.parametrize(("backend", "precision"), [("torch", "fp32"), ("onnx", "int8")])
def test_another_amount_of_paint_is_painted_after_a_while(painting: Path, backend: Any, precision: Any) -> None:
    options = OPTIONS.replace(backend=backend, precision=precision)
    wanted = StyleOptions(paint=0.9, stroke=1.5)
    with FramePainter(painting, options, wanted) as painter:
        goal = painter.paint([PICTURE])[0]
    before = threading.active_count()
    with LiveStyles([painting], [], options) as styles:
        (style,) = styles.all
        assert style.knobs == {"paint", "stroke", "texture"}
        first = style.paint(PICTURE, PaintOptions())
        style.adjust(StyleOptions(), PICTURE)
        assert not style.adjusting  # nothing else is wished
        style.adjust(StyleOptions(paint=0.2), PICTURE)
        style.adjust(wanted, PICTURE)
        wait_for(lambda: not style.adjusting, "the network")
        now = style.paint(PICTURE, PaintOptions())
        assert mean_difference(now, goal) < 0.5 * mean_difference(first, goal)
        assert style.notice == ""
        if precision == "fp32":
            assert same(now, goal)
        else:
            wait_for(lambda: same(style.paint(PICTURE, PaintOptions()), goal), "its own calibration")
    assert threading.active_count() == before


def test_what_a_style_from_the_gallery_has(identity: Path) -> None:
    with LiveStyles([identity], [identity], OPTIONS) as styles:
        assert [style.knobs for style in styles.all] == [frozenset(), frozenset()]
        styles.all[0].adjust(StyleOptions(paint=0.9), SAMPLE)
        assert not styles.all[0].adjusting


def test_a_painting_that_is_gone_is_said(painting: Path, tmp_path: Path) -> None:
    copy = tmp_path / "gone.png"
    copy.write_bytes(painting.read_bytes())
    with LiveStyles([copy], [], OPTIONS) as styles:
        (style,) = styles.all
        copy.unlink()
        style.adjust(StyleOptions(paint=0.3), PICTURE)
        wait_for(lambda: bool(style.notice), "notice")
        assert "gone.png" in style.notice
        style.paint(PICTURE, PaintOptions())
