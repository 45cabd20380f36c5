"""Free disk space: asked for before the work, and watched during it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import DiskFull
from realtime.media.files.probe import MediaInfo

RESERVE = 16 * 2**20
"""Bytes that are left free: so that the end of a file, or what can be resumed, still finds room."""

_LEAST_BITS_A_PIXEL = 0.005
_LIKELY_BITS_A_PIXEL = 0.1
_LOOK_EVERY = 16


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that an output takes: surely more than `least`, and probably about `likely`."""

    least: int
    likely: int


def estimate(info: MediaInfo, *, width: int, height: int, frames: int | None, share: float = 1.0) -> Estimate:
    """How large an output will be.

    Args:
        info: the source.
        width, height: size of the output.
        frames: how many there will be; None where unknown, and then nothing is said of the pictures.
        share: part of the source that is taken, 0 to 1.
    """
    pixels = width * height * (frames or 0)
    copied = 0
    if info.file_size and info.other_bit_rate and info.duration:
        copied = round(min(info.other_bit_rate / 8 * info.duration, info.file_size) * share)
    return Estimate(copied + round(pixels * _LEAST_BITS_A_PIXEL / 8), copied + round(pixels * _LIKELY_BITS_A_PIXEL / 8))


def free_bytes(folder: str | os.PathLike[str]) -> int | None:
    """Bytes free for this user in a folder; None where the system does not tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def check_space(target: Path, needed: Estimate, *, copies: int = 1) -> str | None:
    """Whether an output fits on its disk.

    Args:
        target: the file to be.
        needed: see `estimate`.
        copies: how many of it there are on the disk at the end of the work.

    Returns:
        a warning where it may not; None where all is well or nothing is known.

    Raises:
        DiskFull: it cannot.
    """
    free = free_bytes(target.parent)
    if free is None:
        return None
    if free < needed.least * copies + RESERVE:
        raise DiskFull(
            f"{target}: {megabytes(free)} are free in {target.parent}, and it takes {megabytes(needed.least * copies)} "
            f"at the very least; make room, or write it elsewhere"
        )
    if free < needed.likely * copies + RESERVE:
        return (
            f"{target}: {megabytes(free)} are free in {target.parent}; "
            f"it may take {megabytes(needed.likely * copies)} and not fit"
        )
    return None


class SpaceWatch:
    """Looks every few pictures whether the disk is about to be full, while there is room left to end in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = 0

    def full(self) -> bool:
        """Whether less than `RESERVE` is free. Asks the system at every 16th call."""
        self._calls += 1
        if self._calls % _LOOK_EVERY != 1:
            return False
        free = free_bytes(self._folder)
        return free is not None and free < RESERVE


def megabytes(count: int) -> str:
    """A number of bytes for people: "12 MB", "3.4 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
