"""Checks that the live filter keeps up with its camera: `python -m tools.live_check [options of restyle webcam]`.

Three runs of `restyle webcam --headless`, each in a process of its own, on a generated camera of known rate:

* 640x360 at 30 fps, which the machine keeps up with easily: no frame may be dropped, and the latency is short.
* 1280x720 at 30 fps: smaller working sizes must hold the rate.
* Twice the rate that the machine can do at a fixed size, for a minute: latency and memory must not grow. The rate is
  found by trial: a run that dropped less than half is repeated with a faster camera.

Options such as --backend or --threads are passed on. To measure with fewer cores than there are, use `taskset`. The
last line is JSON. The exit code is 1 where something is not as it should be.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

from realtime.benchmark.new_process import RESTYLE, run_restyle

LATENCY_MS = 45.0
"""Most of the latency's 95th percentile at 640x360 and 30 fps."""

GROWTH = 1.2
"""Most that the latency's 99th percentile may grow from the first to the last quarter of a run at overload."""

MEMORY_GROWTH_MIB = 30.0
"""Most that memory may grow from the end of the first quarter to the end. A growing queue passes it in seconds."""

TWICE = 1.9
"""Frames that come in for each that is shown, at overload. A little less than 2: a machine's speed varies."""

TRIES = 4
"""Most runs at overload until so many come in."""


@dataclass
class Situation:
    """A run of the filter, and what was wrong with it.

    Attributes:
        name: in a few words.
        summary: the JSON of `restyle webcam`.
        memory: resident bytes, once per second.
        faults: what is not as it should be.
    """

    name: str
    summary: dict[str, Any]
    memory: list[int]
    faults: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float | None:
        """MiB by which memory was more at the end than after a quarter; None for a run of a few seconds.

        The last two seconds are left out: the camera has ended by then, and the process frees its memory.
        """
        if len(self.memory) < 8:
            return None
        return (max(self.memory[-5:-2]) - max(self.memory[: len(self.memory) // 4])) / 2**20

    def require(self, holds: bool, fault: str) -> None:
        """Note a fault where a requirement does not hold."""
        if not holds:
            self.faults.append(fault)

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
    """Run the filter on a camera.

    Args:
        name: of the situation.
        source: as `restyle webcam --camera` takes it.
        options: more options of the command.
        command: what starts restyle.

    Raises:
        RestyleError: the process failed.
    """
    memory: list[int] = []
    done = threading.Event()

    def sample(process: int) -> None:
        try:
            watched = psutil.Process(process)
            while not done.wait(1.0):
                memory.append(watched.memory_info().rss)
        except psutil.Error:
            return  # it has ended

    arguments = ["webcam", "--camera", source, "--headless", "--json", "--quiet", *options]
    samplers: list[threading.Thread] = []

    def start(process: int) -> None:
        samplers.append(threading.Thread(target=sample, args=(process,), daemon=True))
        samplers[-1].start()

    try:
        output = run_restyle(arguments, command=command, title=name, started=start)
    finally:
        done.set()
        for sampler in samplers:
            sampler.join()
    return Situation(name, json.loads(output.strip().splitlines()[-1]), memory)


def easy(options: Sequence[str] = (), *, command: Sequence[str] = RESTYLE) -> Situation:
    """640x360 at 30 fps, 300 frames."""
    found = watch("640x360 at 30 fps", _camera("640x360", 30), ["--frames", "300", *options], command=command)
    found.require(found.summary["dropped"] == 0, "frames were dropped")
    found.require(found.summary["latency_ms"]["p95"] < LATENCY_MS, f"latency above {LATENCY_MS:.0f} ms")
    return found


def held(options: Sequence[str] = (), *, seconds: float = 20.0, command: Sequence[str] = RESTYLE) -> Situation:
    """1280x720 at 30 fps; the working size adapts."""
    wanted = ["--seconds", str(seconds), *options]
    found = watch("1280x720 at 30 fps", _camera("1280x720", 30), wanted, command=command)
    found.require(found.summary["fps"] >= 29.0, "the rate was not held")
    return found


def overload(
    options: Sequence[str] = (), *, size: str = "640x360", seconds: float = 60.0, command: Sequence[str] = RESTYLE
) -> Situation:
    """A camera twice as fast as the machine at a fixed size.

    A short run at 1000 fps gives the first rate. It is too low, since it includes the start; so the rate is raised
    until a run had twice as many frames to paint as it did.
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
    found.require(latency["last_quarter_p99"] <= GROWTH * latency["first_quarter_p99"], "latency grew")
    found.require(found.growth is None or found.growth <= MEMORY_GROWTH_MIB, "memory grew")
    found.require(came >= TWICE * shown, "the camera was not twice as fast")
    return found


def _camera(size: str, rate: int) -> str:
    return f"lavfi:testsrc2=size={size}:rate={rate}"


def main(args: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns the exit code."""
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
