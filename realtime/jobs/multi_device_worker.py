"""The process of one device: takes jobs from its standard input, a line of JSON each, and answers on standard output.

The first line says which style runs on what. Each answer is an object with one of the keys "ready", "frames" (so many
are painted), "done", "error". When the input ends, so does the process, and leaves nothing half written.
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

from realtime.errors import DeviceLost, DiskFull, RestyleError

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
        from realtime.stylizer import Stylizer

        stylizer = Stylizer(first.pop("style"), **first)
    except RestyleError as error:
        say(_failure(error))
        return
    say({"ready": stylizer.engine.description, "device": stylizer.engine.device})
    while (job := waiting.get()) is not None:
        try:
            say({"done": _run(stylizer, job, say, left)})
        except RestyleError as error:
            say(_failure(error))
        except Exception as error:  # a fault of ours, which is one job's affair all the same
            say({"error": f"unexpected {type(error).__name__}: {_one_line(error)}", "code": 1, "hopeless": False})


def _run(stylizer: Any, job: dict[str, Any], say: Say, left: threading.Event) -> dict[str, Any]:
    from realtime.media.files.resumable import Part

    def progress(now: Any) -> None:
        say({"frames": now.frames})

    options = {**job["options"], "progress": progress, "cancel": left}
    if (part := job.get("part")) is not None:
        done: dict[str, Any] = stylizer.paint_part(job["input"], job["output"], Part(**part), **options)
    else:
        done = stylizer.video(job["input"], job["output"], **options)
    return done


def _failure(error: RestyleError) -> dict[str, Any]:
    return {
        "error": _one_line(error),
        "code": error.exit_code,
        "hopeless": isinstance(error, DeviceLost | DiskFull),
    }


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _main() -> None:
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
