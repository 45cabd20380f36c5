"""Threads that paint frames side by side on a CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

MOST_WORKERS = 8
"""Frames that a CPU paints side by side, at most: each needs memory of its own. Further cores share the frames."""


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """PyTorch uses this many threads inside the block, and as many as before after it."""
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count != before:
            torch.set_num_threads(before)


def start_workers(threads: int) -> ThreadPoolExecutor:
    """Workers that paint a frame each, with an equal share of the threads. The caller shuts them down.

    Two cores on one frame wait for each other after every layer, and then for whichever was interrupted by the decoder
    or the encoder. Two cores on two frames never wait. The thread count of OpenMP belongs to each thread, but PyTorch
    also gives the last one set to threads that start later; so the caller's count is restored.
    """
    count = min(threads, MOST_WORKERS)
    before = torch.get_num_threads()
    workers = ThreadPoolExecutor(
        count, "torch-worker", initializer=torch.set_num_threads, initargs=(max(1, threads // count),)
    )
    barrier = threading.Barrier(count)
    list(workers.map(lambda _: barrier.wait(), range(count)))  # starts all of them now
    torch.set_num_threads(before)
    return workers
