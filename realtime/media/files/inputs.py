"""Which files a command line means: folders and patterns as lists of videos, and where each result goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import InputError, MediaError

VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .f4v .flv .gif .m2ts .m2v .m4v .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogm .ogv "
    ".ts .vob .webm .wmv .y4m".split()
)
"""What is taken for a video in a folder."""

KEPT_SUFFIXES = frozenset(".avi .gif .m4v .mkv .mov .mp4 .ts .webm".split())
"""Containers that a result in a folder keeps; any other becomes an MP4."""

FALLBACK_SUFFIX = ".mp4"


@dataclass(frozen=True, slots=True)
class Job:
    """One video to restyle: from `source` into `target`."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        jobs: in order.
        folder: where the results go; None where one file was named for one result.
        alone: one file was named as the input, so that its result is the result of the whole.
    """

    jobs: tuple[Job, ...]
    folder: Path | None
    alone: bool


def plan(
    inputs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, suffix: str | None = None
) -> Plan:
    """What inputs and an output mean.

    Args:
        inputs: files, folders (the videos in them, not those further down), and patterns (`*`, `?`, `[...]`, `**`).
        output: for one input file a file or an existing folder; else a folder, which need not exist.
        suffix: container of the results in a folder ("mkv" or ".mkv"); None keeps the source's where it can be written.

    Raises:
        InputError: the output must be a folder and is not, two results would have one name, or a result would replace
            its source.
        MediaError: a folder holds no video, or a pattern matches none.
    """
    target = Path(output)
    one = len(inputs) == 1 and not Path(inputs[0]).is_dir() and not _is_pattern(inputs[0])
    sources = [Path(inputs[0])] if one else find_videos(inputs)
    if one and not target.is_dir():
        return Plan((Job(sources[0], target),), None, True)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; {len(sources)} videos need a folder to go to")
    if not target.is_dir() and target.suffix.lower() in VIDEO_SUFFIXES:
        raise InputError(f"{target}: {len(sources)} videos need a folder to go to, not one file")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist")
    jobs = tuple(Job(source, target / _name(source, suffix)) for source in sources)
    _check_names(jobs)
    return Plan(jobs, target, one)


def find_videos(inputs: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Files as they are given; of folders and patterns the videos, sorted by name; each file once.

    Raises:
        MediaError: a folder holds no video, or a pattern matches no file.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if _is_video(p))
            if not inside:
                raise MediaError(f"{path}: no videos in this folder ({' '.join(sorted(VIDEO_SUFFIXES))})")
        elif _is_pattern(given):
            inside = sorted(p for p in map(Path, glob.glob(os.fspath(given), recursive=True)) if _is_video(p))
            if not inside:
                raise MediaError(f"{os.fspath(given)}: no video matches this pattern")
        else:
            inside = [path]
        found.update(dict.fromkeys(inside))
    return list(found)


def _is_pattern(given: str | os.PathLike[str]) -> bool:
    """Whether a name is a pattern. A file that is really called so is a file."""
    return glob.has_magic(os.fspath(given)) and not Path(given).exists()


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _name(source: Path, suffix: str | None) -> str:
    if suffix is None:
        return source.name if source.suffix.lower() in KEPT_SUFFIXES else source.stem + FALLBACK_SUFFIX
    return source.stem + "." + suffix.lstrip(".")


def _check_names(jobs: Sequence[Job]) -> None:
    taken: dict[str, Path] = {}
    for job in jobs:
        other = taken.setdefault(os.path.normcase(job.target), job.source)
        if other != job.source:
            raise InputError(
                f"{job.target}: both {other} and {job.source} would go there; restyle them into folders of their own"
            )
        if job.target.exists() and job.source.exists() and job.target.samefile(job.source):
            raise InputError(f"{job.target}: is the source itself; name another folder")
