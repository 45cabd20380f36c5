"""Messages of FFmpeg: the reasons of its errors, and what it logs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def reason(error: BaseException) -> str:
    """What a PyAV or OS error says, without numbers and file names, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


class _LogLevel:
    """FFmpeg's log level in this process: raised while anybody captures, and restored after the last of them.

    It must not stay raised. Then a decoder's thread that logs an error waits for Python's lock, while a thread that
    holds the lock and closes the decoder waits for that thread: for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: int | None = None

    def raise_to_error(self) -> None:
        """Begins a capture."""
        import av.logging

        with self._lock:
            if not self._users:
                self._before = av.logging.get_level()
                av.logging.set_level(av.logging.ERROR)
            self._users += 1

    def restore(self) -> None:
        """Ends a capture."""
        import av.logging

        with self._lock:
            self._users -= 1
            if not self._users:
                av.logging.set_level(self._before)


_level = _LogLevel()


@contextmanager
def captured_log() -> Iterator[Callable[[], str]]:
    """Capture FFmpeg's log, which says more than its error codes ("Cannot load libcuda.so.1").

    Several threads may do so at once.

    Yields:
        a function that returns the first message so far in one line, or nothing.
    """
    import av.logging

    _level.raise_to_error()
    try:
        with av.logging.Capture() as entries:
            yield lambda: " ".join(entries[0][2].split()) if entries else ""
    finally:
        _level.restore()


def problem_of(attempt: Callable[[], object]) -> str:
    """Why an attempt to use FFmpeg fails, in one line; empty where it succeeds."""
    with captured_log() as said:
        try:
            attempt()
        except Exception as error:  # PyAV's, a driver's and a network's errors have no common base
            return said() or " ".join(str(error).split()) or type(error).__name__
    return ""


def quiet_libraries() -> None:
    """Keep SVT-AV1 from writing to stderr past FFmpeg's log; to be called before an encoder is opened.

    The library reads this once in a process. A level that the user has set in SVT_LOG holds.
    """
    os.environ.setdefault("SVT_LOG", "-1")
