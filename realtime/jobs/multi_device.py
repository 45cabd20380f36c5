"""A process for each device, and what they share: files, or the parts of one file, joined without encoding them again.

A part is made of whole fragments (`realtime.media.files.resumable`): each begins with a key frame and refers to nothing
outside itself. Where they begin is read from the file's packets, and each process seeks there. When all are made, the
file is read once more for the times, the sound and the rest, and the fragments go into the output one after the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from realtime import pipeline
from realtime.engines.base import Engine
from realtime.engines.machine import cores
from realtime.errors import DeviceLost, InputError, RestyleError
from realtime.stylizer import Progress, Stylizer
from realtime.transnet.checkpoint import StyleCard

COMMAND = (sys.executable, "-m", "realtime.jobs.multi_device_worker")
TICK = 0.1
_PATIENCE = 20.0
"""Seconds that a process has to end by itself."""


class Process:
    """One device's process.

    Args:
        device: what it runs on.
        engine: the style and how it runs, as `Stylizer` takes it.
        command: what starts it.

    Attributes:
        device: as given.
        frames: painted in all jobs so far, the present one included.
    """

    def __init__(self, device: str, engine: Mapping[str, Any], *, command: Sequence[str] = COMMAND) -> None:
        self.device, self.frames = device, 0
        self._before = 0
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (lives as we do)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, encoding="utf-8"
        )
        self._send({**engine, "device": device})
        self._ready = False

    def _send(self, line: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, and reading its answer will tell
            self._process.stdin.write(json.dumps(line, default=str) + "\n")
            self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            lines = self._said.read().strip().splitlines()
            raise DeviceLost(
                f"{self.device}: its process ended with code {self._process.returncode}"
                f" ({lines[-1] if lines else 'no word'})"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start(self) -> None:
        """Wait until the style is loaded.

        Raises:
            InputError: the device or the style is not to be had there.
            RestyleError: the process has failed.
        """
        while not self._ready:
            answer = self._answer()
            if "error" in answer:
                raise _error(answer)
            self._ready = "ready" in answer

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Have a job done, and wait for it.

        Raises:
            RestyleError: it failed; of the kind that it was there.
        """
        self.start()
        self._send(job)
        while True:
            answer = self._answer()
            if "frames" in answer:
                self.frames = self._before + int(answer["frames"])
            elif "error" in answer:
                self._before = self.frames
                raise _error(answer)
            elif "done" in answer:
                done: dict[str, Any] = answer["done"]
                self._before = self.frames = self._before + int(done.get("frames", 0))
                return done

    def end(self) -> None:
        """Let it end: what it works on is given up, and nothing of that is left."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()


def _error(answer: Mapping[str, Any]) -> RestyleError:
    """The error that a process told of."""
    if answer["code"] == InputError.exit_code:
        return InputError(answer["error"])
    return DeviceLost(answer["error"]) if answer["hopeless"] else RestyleError(answer["error"])


class Fleet:
    """A style on several devices. Use it in a `with` statement.

    Args:
        style: see `Stylizer`.
        devices: two or more, as `Stylizer` takes them; one may be named twice.
        backend, precision, batch, threads: see `Stylizer`. Without `threads` processes on the CPU share its cores.

    Attributes:
        devices: as given.
        first: the style on the first of them, in this process: it joins the parts.

    Raises:
        InputError: the first device, the backend or the style is not to be had.
    """

    def __init__(
        self,
        style: str | Path,
        devices: Sequence[str],
        *,
        backend: str = "auto",
        precision: str = "auto",
        batch: int | None = None,
        threads: int | None = None,
    ) -> None:
        if len(devices) < 2:
            raise ValueError("a fleet has two devices or more")
        self.devices = tuple(devices)
        on_cpu = sum(device == "cpu" for device in devices)
        share = threads or (max(1, cores() // on_cpu) if on_cpu else None)
        engine: dict[str, Any] = {"backend": backend, "precision": precision, "batch": batch}
        self.first = Stylizer(style, device=devices[0], threads=threads, **engine)
        self.first.engine.description += f", and a process on each of {', '.join(devices)}"
        # What was chosen here is chosen everywhere: parts that are joined come from the same network.
        engine |= {"backend": self.first.engine.backend, "precision": self.first.engine.precision}
        self._style, self._engine, self._threads = str(style), engine, share
        self._processes: list[Process] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        processes, self._processes = self._processes, []
        enders = [threading.Thread(target=process.end) for process in processes]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    @property
    def style(self) -> StyleCard:
        """What is known of the style."""
        return self.first.style

    @property
    def engine(self) -> Engine:
        """What runs it in this process; the other processes have one like it."""
        return self.first.engine

    def _start(self) -> list[Process]:
        if not self._processes:
            engine = {**self._engine, "style": self._style}
            self._processes = [
                Process(device, {**engine, "threads": self._threads if device == "cpu" else None})
                for device in self.devices
            ]
        return self._processes

    def _share(
        self,
        jobs: Sequence[Mapping[str, Any]],
        report: Callable[[int], None],
        cancel: threading.Event | None,
        ended: Callable[[int, dict[str, Any] | RestyleError], None],
    ) -> None:
        """Have jobs done by whichever process is free.

        Args:
            jobs: in order.
            report: told, about ten times a second, how many frames all processes have painted.
            cancel: ends the work when set.
            ended: told of each job, by its number, what came of it; what it raises ends the work.

        Raises:
            Cancelled: `cancel` was set.
            RestyleError: all devices have failed.
        """
        waiting: SimpleQueue[int] = SimpleQueue()
        for number in range(len(jobs)):
            waiting.put(number)
        results: SimpleQueue[tuple[int, dict[str, Any] | RestyleError]] = SimpleQueue()

        def serve(process: Process) -> None:
            process.start()
            while True:
                try:
                    number = waiting.get_nowait()
                except Empty:
                    return
                try:
                    results.put((number, process.run(jobs[number])))
                except DeviceLost as error:
                    results.put((number, error))
                    return  # the others take what is left
                except RestyleError as error:
                    results.put((number, error))

        processes = self._start()
        before = sum(process.frames for process in processes)
        pool = ThreadPoolExecutor(len(processes), "restyle-device")
        futures: set[Future[None]] = {pool.submit(serve, process) for process in processes}
        left = len(jobs)
        try:
            while left:
                finished, futures = wait(futures, TICK, FIRST_COMPLETED) if futures else (set(), futures)
                while not results.empty():
                    left -= 1
                    ended(*results.get())
                for future in finished:
                    future.result()  # a device that is not to be had ends the whole
                if cancel is not None and cancel.is_set():
                    raise pipeline.Cancelled("cancelled")
                report(sum(process.frames for process in processes) - before)
                if left and not futures and results.empty():
                    raise DeviceLost(f"none of {', '.join(self.devices)} is left to go on with")
        except BaseException:
            self.close()  # their answers end, and so do the threads that wait for them
            raise
        finally:
            pool.shutdown(wait=True)

    def video(
        self,
        input: str | Path,
        output: str | Path,
        *,
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Restyle one file on all devices. See `Stylizer.video` for the options.

        Where its parts cannot be told beforehand, or it is too short, the first device does it alone, and the notes say
        why.

        Returns:
            what `Stylizer.video` does, with `parts`: how many the file was made in, and "device" naming all devices.
        """
        from realtime.media.files.resumable import OtherTimes, work_folder

        if options.get("skip_existing") and Path(output).is_file():
            return self.first.video(input, output, progress=progress, cancel=cancel, **options)
        began = time.perf_counter()
        resume = bool(options.get("resume"))
        parts, earlier, why = self._plan(input, output, options)
        if why:
            summary = self.first.video(input, output, progress=progress, cancel=cancel, **options)
            summary["notes"].append(f"painted on {self.first.engine.device} alone: {why}")
            return {**summary, "parts": 1}
        given = {key: _plain(value) for key, value in options.items() if key not in _JOINERS}
        jobs = [{"input": str(input), "output": str(output), "part": asdict(part), "options": given} for part in parts]
        made: list[dict[str, Any]] = []

        def ended(number: int, result: dict[str, Any] | RestyleError) -> None:
            if isinstance(result, RestyleError):
                raise result
            made.append(result)

        def report(frames: int) -> None:
            if progress is not None:
                progress(Progress(frames, None, time.perf_counter() - began))

        try:
            self._share(jobs, report, cancel, ended)
            joined = {**options, "resume": True, "parts": True}
            try:
                summary = self.first.video(input, output, cancel=cancel, **joined)
            except OtherTimes:
                alone = {**options, "resume": resume, "overwrite": options.get("overwrite", False)}
                shutil.rmtree(work_folder(output), ignore_errors=True)
                summary = self.first.video(input, output, progress=progress, cancel=cancel, **alone)
                summary["notes"].append(
                    f"painted on {self.first.engine.device} alone: its pictures' times are not those of its packets"
                )
                return {**summary, "parts": 1}
        except BaseException:
            if not resume:
                shutil.rmtree(work_folder(output), ignore_errors=True)
            raise
        return self._summary(summary, made, earlier, time.perf_counter() - began)

    def _plan(self, input: str | Path, output: str | Path, options: Mapping[str, Any]) -> tuple[list[Any], int, str]:
        """Parts, the frames of earlier work, and why one device should do it alone."""
        from realtime.media.files.frame_times import Unclear
        from realtime.media.files.image_sequence import is_sequence

        if is_sequence(output) or Path(output).suffix.lower() == ".gif":
            return [], 0, f"{Path(output).suffix} is not made in parts"
        if options.get("start") is not None or options.get("end") is not None:
            return [], 0, "a range of a file is not made in parts"
        if options.get("trace") is not None:
            return [], 0, "a trace is of one process"
        wanted = {key: value for key, value in options.items() if key in _PLANNERS}
        try:
            parts, earlier = self.first.plan_parts(input, output, len(self.devices), **wanted)
        except Unclear as unclear:
            return [], 0, str(unclear)
        if len(parts) < 2:
            from realtime.media.files.resumable import work_folder

            if not options.get("resume"):
                shutil.rmtree(work_folder(output), ignore_errors=True)
            return [], 0, "it is too short for two parts"
        return parts, earlier, ""

    def _summary(
        self, summary: dict[str, Any], made: Sequence[Mapping[str, Any]], earlier: int, seconds: float
    ) -> dict[str, Any]:
        """The joiner's summary, with what the others have done."""
        stages: dict[str, dict[str, float]] = {}
        for name in pipeline.STAGES:
            busy = sum(part["stages"][name]["busy_seconds"] for part in made)
            frames = sum(part["stages"][name]["frames"] for part in made)
            stages[name] = {"busy_seconds": round(busy, 4), "fps": round(frames / busy, 2) if busy else 0.0}
        notes = list(dict.fromkeys([*summary["notes"], *(note for part in made for note in part["notes"])]))
        return {
            **summary,
            "device": ",".join(self.devices),
            "seconds": round(seconds, 4),
            "fps": round(summary["frames"] / seconds, 2),
            "stages": stages,
            "notes": notes,
            "resumed": earlier,
            "parts": len(made),
        }

    def videos(
        self,
        inputs: Sequence[str | Path],
        output: str | Path,
        *,
        format: str | None = None,
        done: Callable[[dict[str, Any]], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Restyle several files, each on whichever device is free. See `Stylizer.videos`.

        Entries come in the order in which files are finished.
        """
        from realtime.media.files.inputs import plan

        began = time.perf_counter()
        work = plan(inputs, output, suffix=format)
        if work.folder is not None:
            work.folder.mkdir(exist_ok=True)
        given = {key: _plain(value) for key, value in options.items()}
        jobs = [{"input": str(job.source), "output": str(job.target), "options": given} for job in work.jobs]
        entries: list[dict[str, Any]] = []
        hopeless = ""

        def ended(number: int, result: dict[str, Any] | RestyleError) -> None:
            if isinstance(result, RestyleError):
                job = jobs[number]
                failed = {"status": "failed", "error": " ".join(str(result).split())}
                entry: dict[str, Any] = {"input": job["input"], "output": job["output"], **failed}
            else:
                entry = {**result, "status": "skipped" if result["skipped"] else "done"}
            seen.add(number)
            entries.append(entry)
            if done is not None:
                done(entry)

        def report(frames: int) -> None:
            if progress is not None:
                progress(Progress(frames, None, time.perf_counter() - began))

        seen: set[int] = set()
        try:
            self._share(jobs, report, cancel, ended)
        except DeviceLost as error:
            hopeless = str(error)
        for number in range(len(jobs)):
            if hopeless and number not in seen:
                ended(number, DeviceLost(f"{jobs[number]['output']}: not begun, for {hopeless}"))
        seconds = time.perf_counter() - began
        counts = {status: sum(e["status"] == status for e in entries) for status in ("done", "skipped", "failed")}
        frames = sum(entry.get("frames", 0) for entry in entries)
        engine = self.first.engine
        return {
            "output": os.fspath(output),
            "style": self.first.style.name,
            "videos": entries,
            **counts,
            "frames": frames,
            "seconds": round(seconds, 4),
            "fps": round(frames / seconds, 2) if seconds > 0 else 0.0,
            "backend": engine.backend,
            "device": ",".join(self.devices),
            "precision": engine.precision,
        }


_JOINERS = frozenset({"start", "end", "resume", "skip_existing", "trace"})
"""Options of `Stylizer.video` that a part's maker does not take."""

_PLANNERS = frozenset({"strength", "keep_color", "size", "encoder", "quality", "compare", "overwrite", "resume", "hdr"})
"""Those that `Stylizer.plan_parts` takes."""


def _plain(value: Any) -> Any:
    """An option as JSON holds it: a size becomes words."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def expand(devices: str) -> list[str]:
    """The devices that an option names: "cuda:0,cuda:1", or "all" for every CUDA device.

    Raises:
        InputError: there is no CUDA device.
    """
    if devices != "all":
        return devices.split(",")
    import torch

    count = torch.cuda.device_count()
    if not count:
        raise InputError("device 'all': there is no CUDA device here; `restyle doctor` says why")
    return [f"cuda:{number}" for number in range(count)]
