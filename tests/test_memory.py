"""Freed memory: kept for the next tensors, given back when asked. In a process of its own, for it is asked for once."""

import platform
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to do with memory")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    small, full, kept, given = map(float, done.stdout.split())
    assert full - small > 120
    assert kept > full - 8
    assert given < full - 48


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime import memory

    monkeypatch.setattr("realtime.memory.platform.libc_ver", lambda: ("", ""))
    memory._glibc.cache_clear()
    try:
        assert memory._glibc() is None
        memory.give_back_memory()
        memory.keep_memory()
    finally:
        memory._glibc.cache_clear()
