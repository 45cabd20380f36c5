from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.cli.common import BackendName, PrecisionName, clock, parse_time, print_json, progress_bar, progress_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("12.5", 12.5), (".5", 0.5), ("90", 90), ("1:30", 90), ("01:02:03.5", 3723.5), ("100:00:00", 360000)],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "-1", "1:60", "1:75:00", "1:2:3:4", "soon", "1e3", "nan", "inf", "1:", ":30", "1,5"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="MM:SS"):
        parse_time(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59999))
def test_every_time_of_day_is_read_back(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
    assert parse_time(text) == pytest.approx(hours * 3600 + minutes * 60 + milliseconds / 1000)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def now(**values: Any) -> Any:
    return SimpleNamespace(**{"frames": 30, "total": 120, "seconds": 3.0, "fps": 10.0, **values})


def test_progress_says_what_is_left_or_what_is_gone() -> None:
    assert progress_text(now()) == "30/120 frames  10.0 fps  0:09 left"
    assert progress_text(now(total=None)) == "30 frames  10.0 fps  0:03 gone"
    assert progress_text(now(frames=0, fps=0.0)) == "0/120 frames  0.0 fps  -:-- left"
    assert progress_text(now(frames=130)).endswith("0:00 left")  # the container's count was too low


def test_the_bar_draws_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress_bar(show=True) as update:
        assert update is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_bar(show=False) as update:
        assert update is None
    with progress_bar(show=True) as update:
        assert update is not None
        update(now())
        update(now(total=None))


@dataclass
class Card:
    name: str
    path: Path


def test_json_is_one_line_of_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"card": Card("näme\n", Path("a.mp4")), "size": (1, 2)})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"card": {"name": "näme\n", "path": "a.mp4"}, "size": [1, 2]}


def test_the_names_of_engines_are_those_of_the_engines() -> None:
    base = pytest.importorskip("realtime.engines.base")
    assert BackendName == base.Backend
    assert PrecisionName == base.Precision
