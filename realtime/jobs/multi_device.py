"""One style on several devices of this machine, which share files, or the parts of one file.

Each device has an engine and a thread of its own. A part is made of whole fragments (`realtime.media.files.fragments`):
each begins with a key frame and refers to nothing outside itself. Where they begin is read from the file's packets, and
each device seeks there. For a style with a texture plane it must be known how far the camera has moved before a part: a
pass that only decodes finds that first. When all parts are made, the file is read once more for the times, the sound
and the rest, and the fragments go into the output one after the other.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TypeVar

from realtime import pipeline
from realtime.engines.machine import cores
from realtime.errors import DeviceLost, DiskFull, InputError, RestyleError, one_line
from realtime.jobs import batch
from realtime.jobs.painter import Painter
from realtime.jobs.partition import paint_part, plan_parts
from realtime.jobs.scene_tracking import Stretch, starts, stretches, travel_over
from realtime.jobs.timeline import open_painter
from realtime.jobs.video import Report, device_surfaces, restyle_video
from realtime.media.convert.scene_motion import Travel
from realtime.media.files.fragments import Part, work_folder
from realtime.media.files.frame_times import Unclear
from realtime.media.files.image_sequence import is_sequence
from realtime.media.files.inputs import Job as VideoJob
from realtime.media.files.resumable import OtherTimes
from realtime.options import EngineOptions, StyleOptions, VideoOptions
from realtime.results import BatchSummary, PartSummary, Progress, StageSummary, VideoSummary
from realtime.style.timeline import Timeline
from realtime.transnet.checkpoint import StyleCard

POLL_SECONDS = 0.1

Job = TypeVar("Job")
Result = TypeVar("Result")


class MultiDevice:
    """A style on several devices. Use it in a `with` statement.

    Args:
        style: see `FramePainter`; or a timeline.
        devices: two or more; one may be named twice.
        options: what runs the network. Without `threads` the engines on the CPU share its cores.
        style_options: how the network is made from a picture or a blend.

    Attributes:
        devices: as given.

    Raises:
        InputError: a device, the backend or the style is not available.
    """

    def __init__(
        self,
        style: str | Path | Timeline,
        devices: Sequence[str],
        options: EngineOptions = EngineOptions(),
        style_options: StyleOptions = StyleOptions(),
    ) -> None:
        if len(devices) < 2:
            raise ValueError("two devices or more are wanted")
        self.devices = tuple(devices)
        on_cpu = sum(device == "cpu" for device in devices)
        share = options.threads or (max(1, cores() // on_cpu) if on_cpu else None)
        self._painters: list[Painter] = []
        try:
            for device in devices:
                threads = share if device == "cpu" else options.threads
                own = options.replace(device=device, threads=threads)
                # All engines use what the first has chosen: parts that are joined must come from the same network.
                first = self._painters[0] if self._painters else None
                self._painters.append(open_painter(style, own, style_options, first))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> MultiDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the engines."""
        for painter in self._painters:
            painter.close()

    @property
    def style(self) -> StyleCard:
        """What is known of the style."""
        return self._painters[0].style

    @property
    def description(self) -> str:
        """What runs where, in one line."""
        return f"{self._painters[0].engine.description}, and an engine on each of {', '.join(self.devices)}"

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
        began, first = time.perf_counter(), self._painters[0]
        first.check_paint(options)

        def alone(reason: str) -> VideoSummary:
            summary = restyle_video(first, input, output, options, progress=progress, cancel=cancel)
            return summary.replace(notes=(*summary.notes, f"painted on {first.engine.device} alone: {reason}"))

        if options.skip_existing and Path(output).is_file():
            return restyle_video(first, input, output, options)
        parts, earlier, reason = self._plan(input, output, options)
        if reason:
            return alone(reason)
        made: list[PartSummary] = []

        def paint(painter: Painter, work: tuple[Part, Travel], report: Report, stop: threading.Event) -> PartSummary:
            part, start = work
            return paint_part(painter, input, output, part, options, start=start, progress=report, cancel=stop)

        def ended(work: tuple[Part, Travel], result: PartSummary | RestyleError) -> None:
            if isinstance(result, RestyleError):
                raise result
            made.append(result)

        try:
            begun = self._starts(input, parts, options, cancel)
            self._share(list(zip(parts, begun, strict=True)), paint, ended, progress, cancel)
            try:
                joined = options.replace(resume=True)
                summary = restyle_video(first, input, output, joined, cancel=cancel, join_parts=True)
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
            parts, earlier = plan_parts(self._painters[0], input, output, len(self.devices), options)
        except Unclear as unclear:
            return [], 0, str(unclear)
        if len(parts) < 2:
            if not options.resume:
                shutil.rmtree(work_folder(output), ignore_errors=True)
            return [], 0, "it is too short for two parts"
        return parts, earlier, ""

    def _starts(
        self, input: str | Path, parts: Sequence[Part], options: VideoOptions, cancel: threading.Event | None
    ) -> list[Travel]:
        """How far the frames before each part have gone on the texture plane, by a pass over the film."""
        if not self._painters[0].takes_texture:
            return [Travel()] * len(parts)
        travels = [Travel()] * len(parts)
        work = [(number, stretch) for number, stretch in enumerate(stretches(parts)) if number or parts[0].first]

        def follow(painter: Painter, job: tuple[int, Stretch], report: Report, stop: threading.Event) -> Travel:
            return travel_over(input, job[1], options, device_surfaces(painter), stop)

        def ended(job: tuple[int, Stretch], result: Travel | RestyleError) -> None:
            if isinstance(result, RestyleError):
                raise result
            travels[job[0]] = result

        self._share(work, follow, ended, None, cancel)
        return starts(travels)

    def _summary(
        self, summary: VideoSummary, made: Sequence[PartSummary], earlier: int, seconds: float
    ) -> VideoSummary:
        """The summary of the joined file, with what its parts took."""
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
        entries: dict[VideoJob, batch.Entry] = {}
        fatal: list[DiskFull] = []

        def restyle(painter: Painter, job: VideoJob, report: Report, stop: threading.Event) -> VideoSummary:
            if fatal:
                raise batch.not_begun(job, fatal[0])
            return restyle_video(painter, job.source, job.target, options, progress=report, cancel=stop)

        def ended(job: VideoJob, result: VideoSummary | RestyleError) -> None:
            if isinstance(result, DiskFull):
                fatal.append(result)
            entries[job] = batch.failed(job, one_line(result)) if isinstance(result, RestyleError) else result
            if done is not None:
                done(entries[job])

        try:
            self._share(work, restyle, ended, progress, cancel)
        except DeviceLost as error:
            for job in work:
                if job not in entries:
                    ended(job, batch.not_begun(job, error))
        return batch.summarise(self._painters[0], output, list(entries.values()), began, device=",".join(self.devices))

    def _share(
        self,
        jobs: Sequence[Job],
        work: Callable[[Painter, Job, Report, threading.Event], Result],
        ended: Callable[[Job, Result | RestyleError], None],
        progress: Report | None,
        cancel: threading.Event | None,
    ) -> None:
        """Has each job done by whichever device is free, and reports from this thread.

        Args:
            jobs: in order.
            work: does one job on one device.
            ended: told of each job and of its result; what it raises ends the work.
            progress: told about ten times a second of the frames of all devices.
            cancel: ends the work when set.

        Raises:
            Cancelled: `cancel` was set.
            DeviceLost: all devices have failed; jobs are left.
        """
        waiting: SimpleQueue[int] = SimpleQueue()
        for number in range(len(jobs)):
            waiting.put(number)
        results: SimpleQueue[tuple[int, Result | RestyleError]] = SimpleQueue()
        frames = [0] * len(jobs)
        stop, began = threading.Event(), time.perf_counter()

        def serve(painter: Painter) -> None:
            while not stop.is_set():
                try:
                    number = waiting.get_nowait()
                except Empty:
                    return

                def report(now: Progress, number: int = number) -> None:
                    frames[number] = now.frames

                try:
                    results.put((number, work(painter, jobs[number], report, stop)))
                except pipeline.Cancelled:
                    return
                except RestyleError as error:
                    results.put((number, error))
                    if isinstance(error, DeviceLost):
                        return  # the other devices do the rest
                except Exception as error:  # a fault of ours, which must not cost the other jobs
                    results.put((number, RestyleError(f"unexpected {type(error).__name__}: {one_line(error)}")))

        with ThreadPoolExecutor(len(self._painters), "restyle-device") as pool:
            running: set[Future[None]] = {pool.submit(serve, painter) for painter in self._painters}
            left = len(jobs)
            try:
                while left:
                    running = wait(running, POLL_SECONDS, FIRST_COMPLETED).not_done
                    while not results.empty():
                        left -= 1
                        number, result = results.get()
                        ended(jobs[number], result)
                    if cancel is not None and cancel.is_set():
                        raise pipeline.Cancelled("cancelled")
                    if progress is not None:
                        progress(Progress(sum(frames), None, time.perf_counter() - began))
                    if left and not running and results.empty():
                        raise DeviceLost(f"none of {', '.join(self.devices)} is left to go on with")
            finally:
                stop.set()


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
