"""The queue between two stages of the pipeline."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """A bounded queue between two threads that a third can end.

    The standard library's queue cannot wake a blocked thread before Python 3.13, drop its oldest item, or hand out a
    batch at once.

    Args:
        depth: number of items that it holds.
        drop_oldest: a full queue drops its oldest item; else `put` waits.

    Attributes:
        dropped: items dropped so far.
    """

    def __init__(self, depth: int, *, drop_oldest: bool) -> None:
        self.dropped = 0
        self._items: deque[T] = deque()
        self._depth = depth
        self._drop = drop_oldest
        self._ended = False  # the producer is done; what is queued is still handed out
        self._stopped = False  # the run is over; nothing more goes in or out
        lock = threading.Lock()
        self._readable = threading.Condition(lock)
        self._writable = threading.Condition(lock)

    def put(self, item: T) -> bool:
        """Adds an item; waits, or drops the oldest, when full. Returns False where the run is over."""
        with self._writable:
            if self._drop:
                if len(self._items) >= self._depth:
                    self._items.popleft()
                    self.dropped += 1
            else:
                while len(self._items) >= self._depth and not self._stopped:
                    self._writable.wait()
            if self._stopped:
                return False
            self._items.append(item)
            self._readable.notify()
            return True

    def take(self, limit: int, fits: Callable[[T, T], bool] | None = None) -> list[T]:
        """The next batch of up to `limit` items that fit with its first; empty when nothing more will come.

        Waits for a full batch. A queue that drops does not: its items must not become old.
        """
        batch: list[T] = []
        with self._readable:
            while len(batch) < limit:
                while not self._items and not self._ended and not self._stopped:
                    if batch and self._drop:
                        return batch
                    self._readable.wait()
                if self._stopped:
                    return []
                if not self._items or (batch and fits is not None and not fits(batch[0], self._items[0])):
                    break
                batch.append(self._items.popleft())
                self._writable.notify()
        return batch

    def end(self) -> None:
        """Called by the producer after its last item."""
        with self._readable:
            self._ended = True
            self._readable.notify_all()

    def stop(self) -> None:
        """Wakes both sides at once, and drops what is queued."""
        with self._readable:
            self._stopped = True
            self._items.clear()
            self._readable.notify_all()
            self._writable.notify_all()
