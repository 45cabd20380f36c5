"""Messages, the progress bar and the JSON line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from realtime.cli.common import clock, print_json, progress_bar, progress_text, say_notes, say_summary, warn
from realtime.results import Progress, StageSummary, VideoSummary

SUMMARY = VideoSummary(
    input="in.mp4",
    output="out.mp4",
    style="x",
    frames=120,
    seconds=4.0,
    fps=30.0,
    encoder="libx264",
    stages={name: StageSummary(1.25, 96.0) for name in ("decode", "infer", "encode")},
    notes=("no compiler here:\na slower path runs",),
    converted=("audio 1 (vorbis) to aac",),
    dropped=("video 3 (h264)",),
    warnings=("2 damaged frames\nwere left out",),
)


def test_a_summary_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    say_summary(SUMMARY)
    warn(SUMMARY)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "out.mp4: 120 frames in 4.0 s, 30.0 fps (busy: decode 1.2 s, infer 1.2 s, encode 1.2 s; encoder libx264)",
        "note: no compiler here: a slower path runs",
        "converted: audio 1 (vorbis) to aac",
        "left out: video 3 (h264)",
        "warning: 2 damaged frames were left out",
    ]


def test_notes_with_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    say_notes(["a", "b"], "hint")
    assert capsys.readouterr().err == "hint: a\nhint: b\n"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_progress_says_what_is_left_or_what_is_gone() -> None:
    assert progress_text(Progress(30, 120, 3.0)) == "30/120 frames  10.0 fps  0:09 left"
    assert progress_text(Progress(30, None, 3.0)) == "30 frames  10.0 fps  0:03 gone"
    assert progress_text(Progress(0, 120, 3.0)) == "0/120 frames  0.0 fps  -:-- left"
    assert progress_text(Progress(130, 120, 3.0)).endswith("0:00 left")  # the container's count was too low


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_draws_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress_bar(show=True) as update:
        assert update is None
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar(show=False) as update:
        assert update is None
    with progress_bar(show=True) as update:
        assert update is not None
        update(Progress(30, 120, 3.0))
        update(Progress(60, None, 6.0))
    assert "30/120 frames" in terminal.getvalue() and "0:06 gone" in terminal.getvalue()


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "näme\n", "size": (1, 2), "none": None, "path": Path("a.mp4")})
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "ä" in out
    assert json.loads(out) == {"name": "näme\n", "size": [1, 2], "none": None, "path": "a.mp4"}
