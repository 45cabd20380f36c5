"""The process of one device: reads jobs from standard input, one line of JSON each, and answers on standard output.

The first line names the style and the engine's options. Each answer is an object with one of the keys "ready", "frames"
(number painted so far), "done" (a summary), "error". The process ends with its input, and leaves nothing half written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from queue import SimpleQueue
from typing import Any

from realtime.engines.painter import FramePainter
from realtime.errors import DeviceLost, DiskFull, RestyleError, one_line
from realtime.jobs.partition import paint_part
from realtime.jobs.video import restyle_video
from realtime.media.files.fragments import Part
from realtime.memory import keep_memory
from realtime.options import EngineOptions, VideoOptions
from realtime.results import PartSummary, Progress, VideoSummary

Say = Callable[[Mapping[str, Any]], None]


def serve(lines: Iterable[str], say: Say) -> None:
    """Do what the lines ask for, until they end.

    Args:
        lines: see above; waited for in a thread of their own.
        say: takes each answer.
    """
    waiting: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    left = threading.Event()

    def listen() -> None:
        for line in lines:
            waiting.put(json.loads(line))
        left.set()  # nobody is there any more: what is being worked on ends
        waiting.put(None)

    threading.Thread(target=listen, name="restyle-listen", daemon=True).start()
    first = waiting.get()
    if first is None:
        return
    try:
        painter = FramePainter(first["style"], EngineOptions.from_json(first["options"]))
    except RestyleError as error:
        say(_failure(error))
        return
    with painter:
        say({"ready": painter.engine.description, "device": painter.engine.device})
        while (job := waiting.get()) is not None:
            try:
                say({"done": _run(painter, job, say, left).to_json()})
            except RestyleError as error:
                say(_failure(error))
            except Exception as error:  # a fault of ours, which must not cost the other jobs
                say({"error": f"unexpected {type(error).__name__}: {one_line(error)}", "code": 1, "fatal": False})


def _run(painter: FramePainter, job: dict[str, Any], say: Say, left: threading.Event) -> VideoSummary | PartSummary:
    options = VideoOptions.from_json(job["options"])

    def progress(now: Progress) -> None:
        say({"frames": now.frames})

    if (part := job.get("part")) is not None:
        return paint_part(painter, job["input"], job["output"], Part(**part), options, progress=progress, cancel=left)
    return restyle_video(painter, job["input"], job["output"], options, progress=progress, cancel=left)


def _failure(error: RestyleError) -> dict[str, Any]:
    return {
        "error": one_line(error),
        "code": error.exit_code,
        "fatal": isinstance(error, DeviceLost | DiskFull),
    }


def _main() -> None:
    keep_memory()
    # Answers go where standard output was; whatever else writes there is a message.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole group of processes: the one that has started this one decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lock = threading.Lock()

    def say(answer: Mapping[str, Any]) -> None:
        with lock:
            answers.write(json.dumps(answer, default=str) + "\n")
            answers.flush()

    serve(sys.stdin, say)


if __name__ == "__main__":
    _main()
