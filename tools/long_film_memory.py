"""What a long film costs in memory: `python -m tools.long_film_memory [--hours H] [options of restyle video]`.

A generated clip of 1920x1080 at 15 fps with stereo sound is looped to one minute and to H hours (2 without the option),
and `restyle video` run on both, each in a process of its own. The most memory that the long one held may be
`GROWTH_MIB` more than that of the short one: a pipeline's queues are as long for either, and what grows is the indexes
of the MP4 files that are read and written.

With `--size 128` two hours take about twenty minutes on one core, nearly all of it decoding.

The last line is JSON. The exit code is 1 where memory grew by more. Not on Windows, which does not tell a process's
peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from realtime.benchmark.fresh import RESTYLE
from realtime.errors import InputError, RestyleError
from realtime.media.synthetic.demo import write_demo_clip
from tools.looping import loop_clip

GROWTH_MIB = 50.0
"""Most that the peak may grow."""

_COUNT = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command and writes its peak. A process's peak begins with that of the process that made it: so a small one."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command.

    Attributes:
        film: seconds of it.
        frames: that were written.
        seconds: the run's own.
        peak: most resident bytes, as the system counted them.
    """

    film: float
    frames: int
    seconds: float
    peak: int


def watch(clip: Path, output: Path, film: float, options: Sequence[str], *, command: Sequence[str] = RESTYLE) -> Run:
    """Run `restyle video` in a new process and watch its memory.

    Args:
        clip: the input.
        output: of the command.
        film: seconds of the input.
        options: more of the command.
        command: what starts restyle.

    Raises:
        RestyleError: the process failed; the message has its last line.
    """
    whole = [*command, "video", str(clip), str(output), "--json", "--quiet", "--overwrite", *options]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        begin = time.monotonic()
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as counted:
            done = subprocess.run(
                [sys.executable, "-S", "-c", _COUNT, counted.name, *whole],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            peak = int(counted.read() or 0)
        if done.returncode:
            said.seek(0)
            lines = said.read().strip().splitlines()
            last = lines[-1] if lines else "no word"
            raise RestyleError(f"{clip.name}: ended with code {done.returncode}: {last}")
    frames = int(json.loads(done.stdout.strip().splitlines()[-1])["frames"])
    return Run(film, frames, time.monotonic() - begin, peak)


def measure(
    options: Sequence[str],
    *,
    lengths: tuple[float, float] = (60.0, 7200.0),
    size: tuple[int, int] = (1920, 1080),
    command: Sequence[str] = RESTYLE,
) -> list[Run]:
    """Run the command on a short and on a long film.

    Args:
        options: of `restyle video`.
        lengths: of the films in seconds.
        size: (width, height) of the films in pixels.
        command: what starts restyle.

    Raises:
        RestyleError: a run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        write_demo_clip(clip, seconds=10, size=size, fps=15)
        runs = []
        for seconds in lengths:
            film = Path(folder, "film.mp4")
            loop_clip(clip, film, seconds)
            runs.append(watch(film, Path(folder, "painted.mp4"), seconds, options, command=command))
    return runs


def main(args: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    options = list(sys.argv[1:] if args is None else args)
    if {"-h", "--help"} & set(options):
        print(__doc__)
        return 0
    hours = 2.0
    if "--hours" in options:
        place = options.index("--hours")
        try:
            hours = float(options[place + 1])
        except (IndexError, ValueError):
            raise InputError("--hours takes a number") from None
        del options[place : place + 2]
    short, long = measure(options, lengths=(60.0, hours * 3600))
    growth = (long.peak - short.peak) / 2**20
    for run in (short, long):
        took = f"{run.frames} frames in {run.seconds:.0f} s"
        print(f"{run.film / 60:.0f} min of film, {took}: peak {run.peak / 2**20:.0f} MiB")
    print(json.dumps({"runs": [asdict(run) for run in (short, long)], "growth_mib": growth}))
    return int(growth > GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
