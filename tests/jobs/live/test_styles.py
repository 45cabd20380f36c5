"""The styles of a live run: the named ones are ready at once, the others are opened in the background."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from realtime.errors import StyleError
from realtime.jobs.live.styles import LiveStyles
from realtime.options import EngineOptions, PaintOptions
from tests.helpers.planes import flat
from tests.helpers.waiting import wait_for

OPTIONS = EngineOptions(backend="torch", device="cpu", precision="fp32", threads=1)
SAMPLE = flat(48, 64, 90)


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
