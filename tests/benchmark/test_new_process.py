"""What a new process of restyle is asked for, what is read from it, and how it can fail."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from realtime.benchmark.new_process import measure_process, run_restyle
from realtime.errors import RestyleError

# Writes a trace in which the first frame was encoded now, as if it were restyle.
SCRIPT = """
import json, sys, time
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


def test_first_frame_and_memory(tmp_path: Path) -> None:
    begin = time.perf_counter()
    found = measure_process(["--style", "x"], Path("in.mp4"), tmp_path, command=[sys.executable, "-c", SCRIPT])
    assert 0 < found.first_frame < time.perf_counter() - begin  # the frame five seconds later is not the first
    assert found.peak_memory == 12345


def test_output_and_process_number() -> None:
    told: list[int] = []
    code = "import os, sys; print(os.getpid(), sys.argv[1])"
    output = run_restyle(["word"], command=[sys.executable, "-c", code], started=told.append)
    assert output.split() == [str(told[0]), "word"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; print('one', file=sys.stderr); sys.exit('error: no such style')", "code 1: error: no such style"),
        ("import sys; sys.exit(3)", "code 3: no message"),
    ],
)
def test_the_error_has_the_last_line(code: str, message: str) -> None:
    with pytest.raises(RestyleError, match=f"the name: ended with {message}$"):
        run_restyle([], command=[sys.executable, "-c", code], title="the name")
