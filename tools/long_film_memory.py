"""Measures what a long film costs in memory: `python -m tools.long_film_memory [--hours H] [options of restyle video]`.

A generated clip of 1920x1080 at 15 fps with stereo sound is looped to one minute and to H hours (default: 2), and
`restyle video` runs on both, each in a process of its own. The peak of memory of the long one may be `GROWTH_MIB` more
than that of the short one: the pipeline's queues are equally long, and what grows is the indexes of the MP4 files.

With `--size 128` two hours take about twenty minutes on one core, most of it decoding. The last line is JSON. The exit
code is 1 where memory grew by more. Not on Windows, which does not tell a process's peak.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from realtime.benchmark.new_process import RESTYLE, run_restyle
from realtime.media.synthetic.demo import write_demo_clip
from tools.looping import loop_clip

GROWTH_MIB = 50.0
"""Most that the peak may grow."""

_MEASURE = """
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command and writes its peak of memory. A process's peak starts with that of the process that started it, so
that a small one is put in between."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command.

    Attributes:
        film: length of the film in seconds.
        frames: number of frames written.
        seconds: that the run took.
        peak: most resident bytes, as the system counts them.
    """

    film: float
    frames: int
    seconds: float
    peak: int


def watch(clip: Path, output: Path, film: float, options: Sequence[str], *, command: Sequence[str] = RESTYLE) -> Run:
    """Run `restyle video` in a new process and measure its memory.

    Args:
        clip: the input.
        output: of the command.
        film: length of the input in seconds.
        options: more options of the command.
        command: what starts restyle.

    Raises:
        RestyleError: the process failed.
    """
    arguments = ["video", str(clip), str(output), "--json", "--quiet", "--overwrite", *options]
    begin = time.monotonic()
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as counted:
        measured = [sys.executable, "-S", "-c", _MEASURE, counted.name, *command]
        done = run_restyle(arguments, command=measured, title=clip.name)
        peak = int(counted.read())
    frames = int(json.loads(done.strip().splitlines()[-1])["frames"])
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


def report(short: Run, long: Run) -> int:
    """Print both runs, and JSON. Returns the exit code."""
    growth = (long.peak - short.peak) / 2**20
    for run in (short, long):
        took = f"{run.frames} frames in {run.seconds:.0f} s"
        print(f"{run.film / 60:.0f} min of film, {took}: peak {run.peak / 2**20:.0f} MiB")
    print(json.dumps({"runs": [asdict(run) for run in (short, long)], "growth_mib": growth}))
    return int(growth > GROWTH_MIB)


def parse(args: Sequence[str] | None = None) -> tuple[float, list[str]]:
    """The hours, and the options of `restyle video`."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.long_film_memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--hours", type=float, default=2.0, metavar="H", help="length of the long film")
    known, options = parser.parse_known_args(args)
    return known.hours, options


def main(args: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns the exit code."""
    hours, options = parse(args)
    return report(*measure(options, lengths=(60.0, hours * 3600)))


if __name__ == "__main__":
    sys.exit(main())
