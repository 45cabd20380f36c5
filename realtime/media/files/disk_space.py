"""Free disk space: checked before the work, and watched during it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from realtime.errors import DiskFull
from realtime.media.files.probe import MediaInfo

RESERVE = 16 * 2**20
"""Bytes that are left free: so that the end of a file, or what can be resumed, still fits."""

_LEAST_BITS_A_PIXEL = 0.005
_LIKELY_BITS_A_PIXEL = 0.1
_CHECK_EVERY = 16


def free_bytes(folder: str | os.PathLike[str]) -> int | None:
    """Bytes free for this user in a folder; None where the system does not tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def check_space(
    target: Path, info: MediaInfo, *, size: tuple[int, int], frames: int | None, copies: int = 1
) -> str | None:
    """Whether an output fits on its disk.

    Args:
        target: the file to be.
        info: the source.
        size: (width, height) of the output in pixels.
        frames: how many there will be; None where unknown, and then only the copied streams count.
        copies: how many of the output there are on the disk at the end of the work.

    Returns:
        a warning where it may not fit; None where it probably does, or nothing is known.

    Raises:
        DiskFull: it cannot fit.
    """
    free = free_bytes(target.parent)
    if free is None:
        return None
    copied = 0.0
    if info.file_size and info.other_bit_rate and info.duration:
        share = min(1.0, frames / info.frames) if frames and info.frames else 1.0
        copied = min(info.other_bit_rate / 8 * info.duration, info.file_size) * share
    pixels = size[0] * size[1] * (frames or 0)
    least, likely = (copies * round(copied + pixels * bits / 8) for bits in (_LEAST_BITS_A_PIXEL, _LIKELY_BITS_A_PIXEL))
    there = f"{target}: {megabytes(free)} are free in {target.parent}"
    if free < least + RESERVE:
        raise DiskFull(f"{there}, and it takes {megabytes(least)} at the very least; make room, or write it elsewhere")
    return f"{there}; it may take {megabytes(likely)} and not fit" if free < likely + RESERVE else None


class SpaceWatch:
    """Checks every few frames whether the disk is about to be full, while there is room left to end in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = 0

    def full(self) -> bool:
        """Whether less than `RESERVE` is free. Asks the system at every 16th call."""
        self._calls += 1
        if self._calls % _CHECK_EVERY != 1:
            return False
        free = free_bytes(self._folder)
        return free is not None and free < RESERVE


def megabytes(count: int) -> str:
    """A number of bytes for people: "12 MB", "3.4 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
