"""The command in a process of its own: how long until its first frame is written, and how much memory it takes.

Neither can be measured from within: Python and PyTorch are loaded by then, and a process's peak of memory is that of
everything it has ever done.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import RestyleError

RESTYLE = (sys.executable, "-m", "realtime.cli")


@dataclass(frozen=True, slots=True)
class Fresh:
    """One run of the command.

    Attributes:
        first_frame: seconds from starting the process until its first frame had gone into the encoder.
        memory: most bytes that it held at once; None where the system does not tell (Windows).
    """

    first_frame: float
    memory: int | None


def run_fresh(options: Sequence[str], clip: Path, folder: Path, *, command: Sequence[str] = RESTYLE) -> Fresh:
    """Run `restyle video` in a new process.

    Args:
        options: of the command, such as --style NAME; not the input, the output, and the trace.
        clip: the input.
        folder: where the output may go.
        command: what starts restyle.

    Raises:
        RestyleError: the process failed; the message has its last line.
    """
    trace, output = folder / "fresh.json", folder / "fresh.mp4"
    whole = [*command, "video", str(clip), str(output), *options, "--quiet", "--overwrite", "--profile", str(trace)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # The clock of both processes: perf_counter is the system's own.
        begin = time.perf_counter()
        process = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=said)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code:
            said.seek(0)
            lines = said.read().strip().splitlines()
            raise RestyleError(f"restyle in a new process ended with code {code}: {lines[-1] if lines else 'no word'}")
    told = json.loads(trace.read_text(encoding="utf-8"))
    first = min(e["ts"] + e["dur"] for e in told["traceEvents"] if e["ph"] == "X" and e["name"] == "encode")
    return Fresh(first / 1e6 - begin, told["otherData"]["peak_memory"])
