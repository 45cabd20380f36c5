"""What is declared of the options: complete, consistent, and with the rules that hold between them."""

from __future__ import annotations

import re
from dataclasses import MISSING
from pathlib import Path

import pytest

from realtime.option_fields import OptionError, Options
from realtime.options import DemoOptions, EngineOptions, LiveOptions, PaintOptions, StylesOptions, VideoOptions
from tests.helpers.options import CLASSES


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_option_is_declared_in_full(kind: type[Options]) -> None:
    for field in kind.fields():
        info = field.info
        assert re.fullmatch(r"\S.*\.", info.help), field.name  # one sentence or more
        assert info.group, field.name
        if field.default is not MISSING and not info.read:
            assert field.checked(field.default) == field.default, field.name
    assert kind.__doc__


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_option_that_is_empty_by_default_says_what_happens_then(kind: type[Options]) -> None:
    for field in kind.fields():
        if field.default is None and not field.info.shown_default:
            # What the help text itself tells: the option asks for something more.
            assert field.type in (Path | None, str | None), f"{kind.__name__}.{field.name}"


def test_ranges() -> None:
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(OptionError, match="strength"):
            PaintOptions(strength=strength)
    with pytest.raises(OptionError, match="batch"):
        EngineOptions(batch=0)
    with pytest.raises(OptionError, match="backend: 'tensor' is not one of auto, torch"):
        EngineOptions(backend="tensor")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="hold"):
        LiveOptions(hold=17)
    with pytest.raises(OptionError, match="seconds"):
        DemoOptions(seconds=0)
    assert VideoOptions(start="1:30", size="640x360") == VideoOptions(start=90.0, size=(640, 360))  # type: ignore[arg-type]


def test_camera_options_are_pairs() -> None:
    assert LiveOptions(camera_option=("framerate=60",)).camera_option == ("framerate=60",)
    for pair in ("framerate", "=60", "framerate="):
        with pytest.raises(OptionError, match="KEY=VALUE"):
            LiveOptions(camera_option=(pair,))


def test_a_sheet_needs_a_picture() -> None:
    assert StylesOptions(sheet=Path("a.png"), input=Path("b.png")).width == 480
    for values in ({"sheet": Path("a.png")}, {"input": Path("a.png")}):
        with pytest.raises(OptionError, match="belong together"):
            StylesOptions(**values)  # type: ignore[arg-type]
