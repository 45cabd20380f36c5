"""Freed memory is kept for the next tensors, and given back when asked; in a process of its own, where it is set."""

from __future__ import annotations

import platform

import pytest

from tests.helpers.processes import python

SCRIPT = """
import ctypes
from realtime.memory import give_back_memory, keep_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

keep_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
small = resident()
blocks = [c.malloc(2**20) for _ in range(128)]
for block in blocks:
    ctypes.memset(block, 1, 2**20)
full = resident()
for block in blocks[::2]:  # holes between blocks in use: nothing at the end of the heap
    c.free(block)
kept = resident()
give_back_memory()
print(small, full, kept, resident())
"""

OTHER_LIBRARY = """
import platform
platform.libc_ver = lambda: ("", "")
from realtime.memory import give_back_memory, keep_memory
keep_memory()
give_back_memory()
print("nothing was asked of it")
"""

COLLECTIONS = """
import gc
from realtime.memory import keep_collections_short
kept = [[n] for n in range(200_000)]
keep_collections_short()
print(gc.get_freeze_count() > 200_000, len(gc.get_objects()) < 100_000)
"""

UNASKED = """
import ctypes
asked = []
ctypes.CDLL(None).mallopt  # it is there

class Library(ctypes.CDLL):
    def __getattr__(self, name):
        asked.append(name)
        return super().__getattr__(name)

ctypes.CDLL = Library
import realtime, torch
threads = torch.get_num_threads()
from realtime.stylizer import Stylizer
with Stylizer("starry-night", backend="torch", device="cpu"):
    pass
assert torch.get_num_threads() == threads
print(sorted({"mallopt", "malloc_trim"} & set(asked)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to do with memory")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    done = python(SCRIPT)
    assert done.returncode == 0, done.stderr
    small, full, kept, given = map(float, done.stdout.split())
    assert full - small > 120
    assert kept > full - 8
    assert given < full - 48


def test_other_c_libraries_are_left_alone() -> None:
    done = python(OTHER_LIBRARY)
    assert done.stdout == "nothing was asked of it\n", done.stderr


def test_what_exists_is_left_out_of_collections() -> None:
    done = python(COLLECTIONS)
    assert done.stdout == "True True\n", done.stderr


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to do with memory")
def test_the_library_leaves_the_process_as_it_is() -> None:
    """Only the command line sets what concerns the whole process: how memory is kept, and PyTorch's threads."""
    done = python(UNASKED)
    assert done.stdout == "[]\n", done.stderr
