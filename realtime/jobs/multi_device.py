"""One style on several devices: a process for each, which share files, or the parts of one file.

A part is made of whole fragments (`realtime.media.files.fragments`): each begins with a key frame and refers to nothing
outside itself. Where they begin is read from the file's packets, and each process seeks there. When all are made, the
file is read once more for the times, the sound and the rest, and the fragments go into the output one after the other.
"""

from __future__ import annotations

import contextlib
import json
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
from realtime.engines.machine import cores
from realtime.engines.painter import FramePainter
from realtime.errors import DeviceLost, InputError, RestyleError, one_line
from realtime.jobs import batch
from realtime.jobs.partition import plan_parts
from realtime.jobs.video import Report, restyle_video
from realtime.media.files.fragments import Part, work_folder
from realtime.media.files.frame_times import Unclear
from realtime.media.files.image_sequence import is_sequence
from realtime.media.files.resumable import OtherTimes
from realtime.options import EngineOptions, VideoOptions
from realtime.results import BatchSummary, PartSummary, Progress, StageSummary, VideoSummary
from realtime.transnet.checkpoint import StyleCard

COMMAND = (sys.executable, "-m", "realtime.jobs.multi_device_worker")
POLL_SECONDS = 0.1
_END_SECONDS = 20.0
"""How long a process may take to end by itself."""


class Process:
    """One device's process.

    Args:
        style: see `FramePainter`.
        options: what runs the network, and on which device.
        command: what starts the process.

    Attributes:
        device: what it runs on.
        frames: painted in all jobs so far, the present one included.
    """

    def __init__(self, style: str, options: EngineOptions, *, command: Sequence[str] = COMMAND) -> None:
        self.device, self.frames = options.device, 0
        self._before = 0
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (lives as we do)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, encoding="utf-8"
        )
        self._send({"style": style, "options": options.to_json()})
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
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()


def _error(answer: Mapping[str, Any]) -> RestyleError:
    """The error that a process told of."""
    if answer["code"] == InputError.exit_code:
        return InputError(answer["error"])
    return DeviceLost(answer["error"]) if answer["fatal"] else RestyleError(answer["error"])


class MultiDevice:
    """A style on several devices. Use it in a `with` statement.

    Args:
        style: see `FramePainter`.
        devices: two or more; one may be named twice.
        options: what runs the network. Without `threads` processes on the CPU share its cores.

    Attributes:
        devices: as given.
        painter: the style on the first device, in this process: it joins the parts.

    Raises:
        InputError: the first device, the backend or the style is not available.
    """

    def __init__(self, style: str | Path, devices: Sequence[str], options: EngineOptions = EngineOptions()) -> None:
        if len(devices) < 2:
            raise ValueError("two devices or more are wanted")
        self.devices = tuple(devices)
        on_cpu = sum(device == "cpu" for device in devices)
        self._threads = options.threads or (max(1, cores() // on_cpu) if on_cpu else None)
        self.painter = FramePainter(style, options.replace(device=devices[0]))
        engine = self.painter.engine
        # What was chosen here is used by all processes: parts that are joined must come from the same network.
        self._options = options.replace(backend=engine.backend, precision=engine.precision)
        self._style = str(style)
        self._processes: list[Process] = []

    def __enter__(self) -> MultiDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes and the engine."""
        self._end_processes()
        self.painter.close()

    def _end_processes(self) -> None:
        processes, self._processes = self._processes, []
        enders = [threading.Thread(target=process.end) for process in processes]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()

    @property
    def style(self) -> StyleCard:
        """What is known of the style."""
        return self.painter.style

    @property
    def description(self) -> str:
        """What runs where, in one line."""
        return f"{self.painter.engine.description}, and a process on each of {', '.join(self.devices)}"

    def _start(self) -> list[Process]:
        if not self._processes:
            self._processes = [
                Process(
                    self._style,
                    self._options.replace(device=device, threads=self._threads if device == "cpu" else None),
                )
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
                finished, futures = wait(futures, POLL_SECONDS, FIRST_COMPLETED) if futures else (set(), futures)
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
            self._end_processes()  # their answers end, and so do the threads that wait for them
            raise
        finally:
            pool.shutdown(wait=True)

    def video(
        self,
        input: str | Path,
        output: str | Path,
        options: VideoOptions = VideoOptions(),
        *,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> VideoSummary:
        """Restyles one file on all devices.

        Where its parts cannot be told beforehand, or it is too short, the first device does it alone, and the notes say
        why.

        Returns:
            what `restyle_video` does, with `parts`: the number of parts; `device` names all devices.

        Raises:
            as `restyle_video` does.
        """
        began = time.perf_counter()

        def alone(reason: str) -> VideoSummary:
            summary = restyle_video(self.painter, input, output, options, progress=progress, cancel=cancel)
            note = f"painted on {self.painter.engine.device} alone: {reason}"
            return summary.replace(notes=(*summary.notes, note))

        if options.skip_existing and Path(output).is_file():
            return restyle_video(self.painter, input, output, options)
        parts, earlier, reason = self._plan(input, output, options)
        if reason:
            return alone(reason)
        try:
            made = self._paint_parts(input, output, parts, options, began, progress, cancel)
            try:
                summary = restyle_video(
                    self.painter, input, output, options.replace(resume=True), cancel=cancel, join_parts=True
                )
            except OtherTimes:
                shutil.rmtree(work_folder(output), ignore_errors=True)
                return alone("the times of its pictures are not those of its packets")
        except BaseException:
            if not options.resume:
                shutil.rmtree(work_folder(output), ignore_errors=True)
            raise
        return self._summary(summary, made, earlier, time.perf_counter() - began)

    def _plan(self, input: str | Path, output: str | Path, options: VideoOptions) -> tuple[list[Part], int, str]:
        """Parts, the frames of earlier work, and why one device should do it alone."""
        if is_sequence(output) or Path(output).suffix.lower() == ".gif":
            return [], 0, f"{Path(output).suffix} is not made in parts"
        if options.start is not None or options.end is not None:
            return [], 0, "a range of a file is not made in parts"
        try:
            parts, earlier = plan_parts(self.painter, input, output, len(self.devices), options)
        except Unclear as unclear:
            return [], 0, str(unclear)
        if len(parts) < 2:
            if not options.resume:
                shutil.rmtree(work_folder(output), ignore_errors=True)
            return [], 0, "it is too short for two parts"
        return parts, earlier, ""

    def _paint_parts(
        self,
        input: str | Path,
        output: str | Path,
        parts: Sequence[Part],
        options: VideoOptions,
        began: float,
        progress: Report | None,
        cancel: threading.Event | None,
    ) -> list[PartSummary]:
        job = {"input": str(input), "output": str(output), "options": options.to_json()}
        made: list[PartSummary] = []

        def ended(number: int, result: dict[str, Any] | RestyleError) -> None:
            if isinstance(result, RestyleError):
                raise result
            made.append(PartSummary.from_json(result))

        self._share([{**job, "part": asdict(part)} for part in parts], _reporter(progress, began), cancel, ended)
        return made

    def _summary(
        self, summary: VideoSummary, made: Sequence[PartSummary], earlier: int, seconds: float
    ) -> VideoSummary:
        """The joiner's summary, with what the others have done."""
        stages: dict[str, StageSummary] = {}
        frames = sum(part.frames for part in made)
        for name in pipeline.STAGES:
            busy = sum(part.stages[name].busy_seconds for part in made)
            stages[name] = StageSummary(round(busy, 4), round(frames / busy, 2) if busy else 0.0)
        notes = dict.fromkeys([*summary.notes, *(note for part in made for note in part.notes)])
        return summary.replace(
            device=",".join(self.devices),
            seconds=round(seconds, 4),
            fps=round(summary.frames / seconds, 2),
            stages=stages,
            notes=tuple(notes),
            resumed=earlier,
            parts=len(made),
        )

    def videos(
        self,
        inputs: Sequence[str | Path],
        output: str | Path,
        options: VideoOptions = VideoOptions(),
        *,
        format: str | None = None,
        done: Callable[[batch.Entry], None] | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> BatchSummary:
        """Restyles several files, each on whichever device is free. See `Stylizer.videos`.

        Entries come in the order in which files are finished.
        """
        began = time.perf_counter()
        work = batch.prepare(inputs, output, format)
        given = options.to_json()
        jobs = [{"input": str(job.source), "output": str(job.target), "options": given} for job in work]
        entries: dict[int, batch.Entry] = {}

        def ended(number: int, result: dict[str, Any] | RestyleError) -> None:
            entry: batch.Entry
            if isinstance(result, RestyleError):
                entry = batch.failed(work[number], one_line(result))
            else:
                entry = VideoSummary.from_json(result)
            entries[number] = entry
            if done is not None:
                done(entry)

        try:
            self._share(jobs, _reporter(progress, began), cancel, ended)
        except DeviceLost as error:
            for number in range(len(jobs)):
                if number not in entries:
                    ended(number, batch.not_begun(work[number], error))
        return batch.summarise(self.painter, output, list(entries.values()), began, device=",".join(self.devices))


def _reporter(progress: Report | None, began: float) -> Callable[[int], None]:
    def report(frames: int) -> None:
        if progress is not None:
            progress(Progress(frames, None, time.perf_counter() - began))

    return report


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
