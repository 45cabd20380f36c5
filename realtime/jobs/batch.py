"""Several video files into a folder. A file that cannot be restyled does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime.errors import DeviceLost, DiskFull, RestyleError, one_line
from realtime.jobs.painter import Painter
from realtime.media.files.inputs import Job, plan
from realtime.pipeline import Cancelled
from realtime.results import BatchSummary, FailedVideo, VideoSummary

Entry = VideoSummary | FailedVideo


def prepare(inputs: Sequence[str | Path], output: str | Path, format: str | None) -> tuple[Job, ...]:
    """Finds the files, and makes the folder for the results.

    Args:
        inputs: files, folders whose videos are taken, and patterns such as "clips/**/*.mp4".
        output: a folder, made where it is missing.
        format: the container of the results ("mkv"); None keeps each source's where it can be written, else MP4.

    Raises:
        InputError: a folder or a pattern holds no video, or two results would have one name.
    """
    work = plan(inputs, output, suffix=format)
    if work.folder is not None:
        work.folder.mkdir(exist_ok=True)
    return work.jobs


def restyle_videos(
    jobs: Sequence[Job],
    restyle: Callable[[Path, Path], VideoSummary],
    *,
    done: Callable[[Entry], None] | None = None,
) -> list[Entry]:
    """Restyles one file after the other.

    Args:
        jobs: see `prepare`.
        restyle: restyles one file: source, target.
        done: called after each file.

    Returns:
        what became of each file. After a full disk or a lost GPU the rest is not begun, and says so.

    Raises:
        Cancelled: the run was cancelled; the files that are finished stay.
    """
    entries: list[Entry] = []
    fatal: DiskFull | DeviceLost | None = None
    for job in jobs:
        entry: Entry
        try:
            if fatal is not None:
                raise not_begun(job, fatal)
            entry = restyle(job.source, job.target)
        except Cancelled:
            raise
        except RestyleError as error:
            fatal = fatal or (error if isinstance(error, DiskFull | DeviceLost) else None)
            entry = failed(job, one_line(error))
        except Exception as error:  # a fault of ours, which must not cost the other files
            entry = failed(job, f"{job.source}: unexpected {type(error).__name__}: {one_line(error)}")
        entries.append(entry)
        if done is not None:
            done(entry)
    return entries


def not_begun(job: Job, fatal: DiskFull | DeviceLost) -> RestyleError:
    """The error of a file that was not begun after a fatal error of another."""
    reason = "the disk is full" if isinstance(fatal, DiskFull) else "the GPU has failed"
    return type(fatal)(f"{job.target}: not begun, because {reason}")


def failed(job: Job, error: str) -> FailedVideo:
    """The entry of a file that could not be restyled."""
    return FailedVideo(input=str(job.source), output=str(job.target), error=error)


def summarise(
    painter: Painter, output: str | Path, entries: Sequence[Entry], began: float, *, device: str | None = None
) -> BatchSummary:
    """The summary of several files.

    Args:
        painter: the style.
        output: the folder.
        entries: what became of each file.
        began: `time.perf_counter` at the start.
        device: None for the engine's own.
    """
    seconds = time.perf_counter() - began
    frames = sum(entry.frames for entry in entries)
    counts = {status: sum(entry.status == status for entry in entries) for status in ("done", "skipped", "failed")}
    return BatchSummary(
        output=str(output),
        style=painter.style.name,
        videos=tuple(entries),
        **counts,
        frames=frames,
        seconds=round(seconds, 4),
        fps=round(frames / seconds, 2) if seconds > 0 else 0.0,
        backend=painter.engine.backend,
        device=device or painter.engine.device,
        precision=painter.engine.precision,
    )
