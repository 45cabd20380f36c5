"""Runs restyle in a process of its own, to measure the time to the first frame and the peak of memory.

Neither can be measured from within: Python and PyTorch are loaded by then, and a process's peak of memory covers all
that it has done.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import RestyleError

RESTYLE = (sys.executable, "-m", "realtime.cli")


@dataclass(frozen=True, slots=True)
class ProcessRun:
    """One run of `restyle video`.

    Attributes:
        first_frame: seconds from starting the process until its first frame was encoded.
        peak_memory: most bytes of memory that it held; None where the system does not tell.
    """

    first_frame: float
    peak_memory: int | None


def run_restyle(
    arguments: Sequence[str],
    *,
    command: Sequence[str] = RESTYLE,
    title: str = "restyle in a new process",
    started: Callable[[int], object] = lambda process: None,
) -> str:
    """Run restyle in a new process, and wait for it.

    Args:
        arguments: of the command line.
        command: what starts restyle.
        title: name of the run, for the error message.
        started: called with the process's number.

    Returns:
        what it wrote to stdout.

    Raises:
        RestyleError: it failed; the message has the last line of its stderr.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, *arguments], stdout=pipe, stderr=pipe, text=True, encoding="utf-8", errors="replace"
    ) as process:
        started(process.pid)
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        last = (errors.strip().splitlines() or ["no message"])[-1]
        raise RestyleError(f"{title}: ended with code {process.returncode}: {last}")
    return output


def measure_process(
    options: Sequence[str], clip: Path, folder: Path, *, command: Sequence[str] = RESTYLE
) -> ProcessRun:
    """Run `restyle video` in a new process.

    Args:
        options: of the command.
        clip: the input.
        folder: for the output and the trace.
        command: what starts restyle.

    Raises:
        RestyleError: the process failed.
    """
    trace, output = folder / "trace.json", folder / "new-process.mp4"
    arguments = ["video", str(clip), str(output), *options, "--quiet", "--overwrite", "--profile", str(trace)]
    begin = time.perf_counter()  # the same clock in both processes
    run_restyle(arguments, command=command)
    traced = json.loads(trace.read_text(encoding="utf-8"))
    first = min(e["ts"] + e["dur"] for e in traced["traceEvents"] if e["ph"] == "X" and e["name"] == "encode")
    return ProcessRun(first / 1e6 - begin, traced["otherData"]["peak_memory"])
