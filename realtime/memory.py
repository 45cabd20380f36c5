"""What the C library does with freed memory, and how long Python's collector holds up the threads.

The former works with glibc, and does nothing with other libraries.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""Parameters of `mallopt`, from malloc.h."""


@cache
def _glibc() -> Any:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def keep_memory() -> None:
    """Keep the memory of freed tensors in the process. It affects the whole process, so only programs call this.

    By default glibc returns megabytes to the system after each layer and fetches them again; a tenth of the processor's
    time went into clearing pages. Threads share two arenas, so that what one frees another can use: with an arena for
    each thread, memory grew for hours.
    """
    library = _glibc()
    if library is None:
        return
    for option, megabytes in ((_MMAP_THRESHOLD, 64), (_TRIM_THRESHOLD, 512), (_TOP_PAD, 16)):
        library.mallopt(option, megabytes * 2**20)
    library.mallopt(_ARENA_MAX, 2)


def keep_collections_short() -> None:
    """Leave all that exists now out of Python's garbage collections. It affects the whole process, so only programs
    call this.

    A full collection looks at every object, and no thread runs meanwhile. The libraries that are loaded have a million,
    for which it takes a tenth of a second: three pictures of a camera.
    """
    gc.collect()
    gc.freeze()


def give_back_memory() -> None:
    """Return free memory to the system, also from between blocks in use. Takes milliseconds.

    For moments when much is freed or much is about to be allocated: the memory for reading or writing the index of a
    long file would otherwise come on top of what `keep_memory` keeps.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
