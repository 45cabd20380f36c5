"""A process of its own: what it is asked for, what it tells, and how it can fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.benchmark.fresh import run_fresh
from realtime.errors import RestyleError

# Stands in for restyle: sleeps, and writes a trace whose first frame was encoded then.
STAND_IN = """
import json, sys, time
time.sleep(0.3)
now = time.perf_counter() * 1e6
events = [
    {"ph": "M", "name": "process_name"},
    {"ph": "X", "name": "decode", "ts": 0, "dur": 1},
    {"ph": "X", "name": "encode", "ts": now + 5e6, "dur": 1e6},
    {"ph": "X", "name": "encode", "ts": now - 1000, "dur": 1000},
]
assert sys.argv[1:3] == ["video", "in.mp4"] and sys.argv[4:6] == ["--style", "x"], sys.argv
assert "--overwrite" in sys.argv and "--quiet" in sys.argv
with open(sys.argv[sys.argv.index("--profile") + 1], "w") as file:
    json.dump({"traceEvents": events, "otherData": {"peak_memory": 12345}}, file)
"""


def test_the_first_frame_and_the_memory(tmp_path: Path) -> None:
    found = run_fresh(["--style", "x"], Path("in.mp4"), tmp_path, command=[sys.executable, "-c", STAND_IN])
    assert 0.3 <= found.first_frame < 5  # with Python's own start; the frame five seconds later is not the first
    assert found.memory == 12345


def test_a_failure_is_told_in_its_last_line(tmp_path: Path) -> None:
    code = "import sys; print('one', file=sys.stderr); sys.exit('error: no such style')"
    with pytest.raises(RestyleError, match=r"code 1: error: no such style$"):
        run_fresh([], Path("in.mp4"), tmp_path, command=[sys.executable, "-c", code])
    with pytest.raises(RestyleError, match="code 3: no word"):
        run_fresh([], Path("in.mp4"), tmp_path, command=[sys.executable, "-c", "import sys; sys.exit(3)"])
