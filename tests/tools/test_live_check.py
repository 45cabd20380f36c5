"""The check of the live filter finds what is wrong, and reads the JSON of the real filter."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime.errors import RestyleError
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.transnets import random_network
from tools import live_check

GOOD: dict[str, Any] = {
    "frames_in": 300,
    "frames_out": 300,
    "dropped": 0,
    "fps": 30.0,
    "size": "640x360",
    "working_size": "640x360",
    "backend": "fake",
    "precision": "fp32",
    "latency_ms": {"p50": 9.0, "p95": 12.0, "p99": 15.0, "first_quarter_p99": 15.0, "last_quarter_p99": 15.0},
}


def fake(**changes: Any) -> list[str]:
    """A command that prints the JSON of a filter."""
    summary = GOOD | {k: v for k, v in changes.items() if k not in GOOD["latency_ms"]}
    summary["latency_ms"] = GOOD["latency_ms"] | {k: v for k, v in changes.items() if k in GOOD["latency_ms"]}
    return [sys.executable, "-c", f"print({json.dumps(json.dumps(summary))})"]


def test_what_is_good_has_no_faults() -> None:
    assert live_check.easy(command=fake()).faults == []
    assert live_check.held(command=fake()).faults == []
    overload = live_check.overload(command=fake(frames_in=600, dropped=300))
    assert overload.faults == []
    assert overload.name == "640x360, 2.00 frames for each that it can show"
    assert str(live_check.easy(command=fake())).endswith("good")


@pytest.mark.parametrize(
    ("situation", "changes", "fault"),
    [
        (live_check.easy, {"dropped": 1}, "dropped"),
        (live_check.easy, {"p95": 46.0}, "latency"),
        (live_check.held, {"fps": 28.0}, "rate"),
        (live_check.overload, {"frames_in": 600, "last_quarter_p99": 19.0}, "latency grew"),
        (live_check.overload, {"frames_in": 560, "dropped": 260}, "not twice as fast"),
    ],
)
def test_faults_are_found(situation: Any, changes: dict[str, Any], fault: str) -> None:
    found = situation(command=fake(**changes))
    assert len(found.faults) == 1 and fault in found.faults[0]
    assert fault in str(found)


def test_the_rate_is_raised_until_it_is_an_overload() -> None:
    """A filter that shows 40 a second, and takes so long to start that a short run of it shows 25."""
    script = f"""
import json, re, sys
asked = " ".join(sys.argv)
rate, seconds = (float(re.search(p, asked)[1]) for p in (r"rate=(\\d+)", r"--seconds (\\S+)"))
shown = round((40 if seconds > 8 else 25) * seconds)
print(json.dumps({GOOD!r} | dict(frames_in=max(shown, round(rate * seconds)), frames_out=shown, fps=shown / seconds)))
"""
    found = live_check.overload(command=[sys.executable, "-c", script])
    assert found.faults == []
    assert 1.9 <= found.summary["frames_in"] / found.summary["frames_out"] < 2.3


def test_growing_memory_is_found() -> None:
    mebi = 2**20
    found = live_check.Situation("x", GOOD, [n * 10 * mebi for n in range(1, 21)])
    assert found.growth == pytest.approx(130)
    assert live_check.Situation("x", GOOD, [200 * mebi] * 58 + [300 * mebi] * 2).growth == 0  # its end is left out
    assert live_check.Situation("x", GOOD, [200 * mebi] * 60).growth == 0
    assert live_check.Situation("x", GOOD, [mebi, 900 * mebi]).growth is None


def test_a_filter_that_fails_is_an_error() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such camera')"]
    with pytest.raises(RestyleError, match=r"640x360.*code 1: no such camera"):
        live_check.easy(command=command)


def test_the_real_filter(tmp_path: Path) -> None:
    style = tmp_path / "noise.safetensors"
    save_checkpoint(style, random_network(Architecture(width=8, body=16, dilations=(1,))), StyleCard("noise"))
    options = ["--frames", "12", "--style", str(style), "--backend", "torch"]
    found = live_check.watch("small", "lavfi:testsrc2=size=64x48:rate=30", options)
    assert found.summary["frames_out"] == 12
    assert "small: 12 shown" in str(found)
