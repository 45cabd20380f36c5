"""Input files: what folders and patterns stand for, and where the result of each video goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import InputError, MediaError

VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .f4v .flv .gif .m2ts .m2v .m4v .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogm .ogv "
    ".ts .vob .webm .wmv .y4m".split()
)
"""Files in a folder with these extensions are videos."""

_KEPT_SUFFIXES = frozenset(".avi .gif .m4v .mkv .mov .mp4 .ts .webm".split())
"""Containers that a result in a folder keeps; any other becomes an MP4."""

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Job:
    """One video to restyle: from `source` into `target`."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """The videos to restyle, in order."""

    jobs: tuple[Job, ...]
    folder: Path | None  # where the results go; None for one file with one named result
    alone: bool  # whether the input is one file, named as such


def plan(inputs: Paths, output: str | os.PathLike[str], *, suffix: str | None = None) -> Plan:
    """List the videos of some inputs, each with the path of its result.

    Args:
        inputs: files, folders (the videos directly in them), and patterns (`*`, `?`, `[...]`, `**`).
        output: for one input file a file or an existing folder; else a folder, which need not exist.
        suffix: container of the results in a folder ("mkv" or ".mkv"); None keeps the source's where it can be written.

    Raises:
        InputError: the output must be a folder and is not, two results would have one name, or a result would replace
            its source.
        MediaError: a folder holds no video, or a pattern matches none.
    """
    target = Path(output)
    one = len(inputs) == 1 and not Path(inputs[0]).is_dir() and not _is_pattern(inputs[0])
    sources = [Path(inputs[0])] if one else find_files(inputs, VIDEO_SUFFIXES, "videos")
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


def find_files(inputs: Paths, suffixes: AbstractSet[str], noun: str) -> list[Path]:
    """List files as given, and the files of folders and patterns sorted by name, without hidden ones; each once.

    Args:
        inputs: files, folders (the files directly in them), and patterns.
        suffixes: extensions, in lower case, of the files that count in folders and patterns.
        noun: what they are, in the plural, for messages.

    Raises:
        MediaError: a folder holds no such file, or a pattern matches none.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            candidates, problem = list(path.iterdir()), f"no {noun} in this folder ({' '.join(sorted(suffixes))})"
        elif _is_pattern(given):
            matches = glob.glob(os.fspath(given), recursive=True)
            candidates, problem = [Path(match) for match in matches], f"no {noun} match this pattern"
        else:
            found[path] = None
            continue
        inside = sorted(p for p in candidates if p.suffix.lower() in suffixes and p.name[0] != "." and p.is_file())
        if not inside:
            raise MediaError(f"{os.fspath(given)}: {problem}")
        found.update(dict.fromkeys(inside))
    return list(found)


def _is_pattern(given: str | os.PathLike[str]) -> bool:
    """Whether a name is a pattern. A file that has this very name is a file."""
    return glob.has_magic(os.fspath(given)) and not Path(given).exists()


def _name(source: Path, suffix: str | None) -> str:
    if suffix is None:
        return source.name if source.suffix.lower() in _KEPT_SUFFIXES else source.stem + ".mp4"
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
