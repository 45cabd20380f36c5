"""How the live filter keeps up: `python -m tools.live_check [options of restyle webcam]`.

Three situations, each `restyle webcam --headless` in a process of its own, on a generated source of known rate: a
camera that the machine keeps up with easily; one at 1280x720 whose rate is to be held by smaller working sizes; and,
for a minute, one at twice the rate that the machine can do at a fixed size, where latency and memory must stay flat.
How fast that is, the run itself tells: one that dropped less than half is made again from a faster source.
Options such as --backend or --threads are handed on. To measure with fewer cores than there are, start it under
`taskset`.

The last line is JSON. The exit code is 1 where a situation is not as it should be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

from realtime.benchmark.fresh import RESTYLE
from realtime.errors import RestyleError

LATENCY_MS = 45.0
"""Most of the latency's 95th percentile at 640x360 and 30 fps."""

GROWTH = 1.2
"""Most that the latency's 99th percentile may grow from the first to the last quarter of a run at overload."""

MEMORY_GROWTH_MIB = 30.0
"""The same of memory, from the end of the first quarter to the end. A queue that grows would pass it in seconds."""


TWICE = 1.9
"""Least that come in for each that is shown, at twice what the machine can: it is not as fast in every minute."""

TRIES = 4
"""Runs at overload, at most, until so many come in."""


@dataclass
class Situation:
    """A run of the filter, and what was wrong with it.

    Attributes:
        name: in a few words.
        summary: what `restyle webcam --json` told.
        memory: resident bytes, once a second.
        faults: what should have been otherwise; nothing is best.
    """

    name: str
    summary: dict[str, Any]
    memory: list[int]
    faults: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float | None:
        """MiB by which memory was more at the end than when a quarter was done; None for a run of a few seconds.

        The last two seconds are left out: the camera has ended by then, and the process takes down what it had.
        """
        if len(self.memory) < 8:
            return None
        return (max(self.memory[-5:-2]) - max(self.memory[: len(self.memory) // 4])) / 2**20

    def demand(self, holds: bool, otherwise: str) -> None:
        """Note a fault where something does not hold."""
        if not holds:
            self.faults.append(otherwise)

    def __str__(self) -> str:
        s = self.summary
        latency = s["latency_ms"]
        quarters = f"{latency['first_quarter_p99']:.1f} in the first quarter and {latency['last_quarter_p99']:.1f}"
        growth = "" if self.growth is None else f", memory {self.growth:+.1f} MiB"
        return (
            f"{self.name}: {s['frames_out']} shown, {s['dropped']} dropped, {s['fps']:.1f} fps at {s['working_size']}"
            f" (camera {s['size']}), latency {latency['p50']:.1f} ms, 95 % {latency['p95']:.1f}, 99 % {quarters} in the"
            f" last{growth}; {s['backend']} {s['precision']}: " + ("; ".join(self.faults) or "good")
        )


def watch(name: str, source: str, options: Sequence[str], *, command: Sequence[str] = RESTYLE) -> Situation:
    """Run the filter on a source.

    Args:
        name: of the situation.
        source: as `restyle webcam --camera` takes it.
        options: more of them.
        command: what starts restyle.

    Raises:
        RestyleError: the process failed; the message has its last line.
    """
    whole = [*command, "webcam", "--camera", source, "--headless", "--json", "--quiet", *options]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=said, text=True)
        memory: list[int] = []
        done = threading.Event()
        watcher = threading.Thread(target=_sample, args=(process.pid, memory, done), daemon=True)
        watcher.start()
        try:
            told, _ = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            done.set()
            watcher.join()
        if process.returncode:
            said.seek(0)
            lines = said.read().strip().splitlines()
            raise RestyleError(f"{name}: ended with code {process.returncode}: {lines[-1] if lines else 'no word'}")
    return Situation(name, json.loads(told.strip().splitlines()[-1]), memory)


def _sample(process: int, memory: list[int], done: threading.Event) -> None:
    try:
        watched = psutil.Process(process)
        while not done.wait(1.0):
            memory.append(watched.memory_info().rss)
    except psutil.Error:
        return  # it has ended


def easy(options: Sequence[str] = (), *, command: Sequence[str] = RESTYLE) -> Situation:
    """640x360 at 30 fps, 300 frames."""
    source = "lavfi:testsrc2=size=640x360:rate=30"
    found = watch("640x360 at 30 fps", source, ["--frames", "300", *options], command=command)
    found.demand(found.summary["dropped"] == 0, "frames were dropped")
    found.demand(found.summary["latency_ms"]["p95"] < LATENCY_MS, f"latency above {LATENCY_MS:.0f} ms")
    return found


def held(options: Sequence[str] = (), *, seconds: float = 20.0, command: Sequence[str] = RESTYLE) -> Situation:
    """1280x720 at 30 fps; the size adapts."""
    source = "lavfi:testsrc2=size=1280x720:rate=30"
    found = watch("1280x720 at 30 fps", source, ["--seconds", str(seconds), *options], command=command)
    found.demand(found.summary["fps"] >= 29.0, "the rate was not held")
    return found


def overload(
    options: Sequence[str] = (), *, size: str = "640x360", seconds: float = 60.0, command: Sequence[str] = RESTYLE
) -> Situation:
    """A camera twice as fast as the machine at a fixed size.

    A short run at 1000 fps tells where to begin. It is too slow a guess, since it counts the start, so that the rate is
    then set from what each run has shown, until one had twice as much to do as it did.
    """
    fixed = ["--size", size, "--seconds"]
    trial = watch("trial", _camera(size, 1000), [*fixed, str(min(seconds, 8.0)), *options], command=command)
    rate = max(2, round(2 * trial.summary["fps"]))
    for _ in range(TRIES):
        found = watch("overload", _camera(size, rate), [*fixed, str(seconds), *options], command=command)
        came, shown = found.summary["frames_in"], max(1, found.summary["frames_out"])
        if came >= TWICE * shown:
            break
        rate = max(rate + 1, round(rate * 2.1 * shown / max(1, came)))
    found.name = f"{size}, {came / shown:.2f} frames for each that it can show"
    latency = found.summary["latency_ms"]
    found.demand(latency["last_quarter_p99"] <= GROWTH * latency["first_quarter_p99"], "latency grew")
    found.demand(found.growth is None or found.growth <= MEMORY_GROWTH_MIB, "memory grew")
    found.demand(came >= TWICE * shown, "this was not twice what it can")
    return found


def _camera(size: str, rate: int) -> str:
    return f"lavfi:testsrc2=size={size}:rate={rate}"


def main(args: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    options = list(sys.argv[1:] if args is None else args)
    if {"-h", "--help"} & set(options):
        print(__doc__)
        return 0
    found = []
    for situation in (easy, held, overload):
        found.append(situation(options))
        print(found[-1], flush=True)
    print(json.dumps([{"name": s.name, **s.summary, "memory_growth_mib": s.growth, "faults": s.faults} for s in found]))
    return 1 if any(s.faults for s in found) else 0


if __name__ == "__main__":
    sys.exit(main())
