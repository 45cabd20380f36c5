"""What the C library does with freed memory. Only glibc is spoken to; others are left as they are."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""Codes of malloc.h for `mallopt`."""


@cache
def _glibc() -> Any:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


@cache
def keep_memory() -> None:
    """Keep the memory of freed tensors for the next ones of their size.

    glibc would give megabytes back to the system after each layer and fetch them again: a tenth of the processor's time
    went into clearing pages. What is kept must then be found again by whichever thread needs it, so that threads share
    two arenas instead of having one each; with those memory crept up for hours.
    """
    library = _glibc()
    if library is None:
        return
    for option, megabytes in ((_MMAP_THRESHOLD, 64), (_TRIM_THRESHOLD, 512), (_TOP_PAD, 16)):
        library.mallopt(option, megabytes * 2**20)
    library.mallopt(_ARENA_MAX, 2)


def give_back_memory() -> None:
    """Give the system what lies free in the heap, between blocks in use as well as at its end. Takes milliseconds.

    For the few moments at which much is freed or much is about to be taken: what reading or writing the index of a long
    file takes would otherwise come on top of all that `keep_memory` keeps.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
