"""Hands pictures from one thread to another that shows them."""

from __future__ import annotations

import threading

from realtime.jobs.live.painter import Picture


class Handover:
    """Hands pictures from the pipeline's thread to the main thread, one at a time."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._shown: list[float] = []
        self._closed = False
        lock = threading.Lock()
        self._given, self._taken = threading.Condition(lock), threading.Condition(lock)

    def give(self, picture: Picture) -> float | None:
        """Waits until the picture was shown; returns when, or None where nothing is shown any more."""
        with self._taken:
            if self._closed:
                return None
            self._picture = picture
            self._shown.clear()
            self._given.notify()
            while not self._shown and not self._closed:
                self._taken.wait()
            return self._shown[0] if self._shown else None

    def next(self, seconds: float) -> Picture | None:
        """The next picture; None where none arrives within `seconds`."""
        with self._given:
            if self._picture is None:
                self._given.wait(seconds)
            picture, self._picture = self._picture, None
            return picture

    def done(self, shown: float) -> None:
        """Tells `give` that the picture was shown."""
        with self._taken:
            self._shown.append(shown)
            self._taken.notify()

    def close(self) -> None:
        """Ends the waiting of `give`, for good."""
        with self._taken:
            self._closed = True
            self._taken.notify()
