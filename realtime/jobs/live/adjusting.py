"""Networks of other amounts of paint and other strokes, made beside the painting and exchanged between two frames.

One thread does all of it: it has the network for the new amounts emitted, opens an engine for it, paints one frame to
prepare the engine for the size of the pictures, and puts it in the place of the old one. The painting goes on with the
old engine until then. A style's wish that comes while the thread is busy takes the place of the one that waits, so that
somebody who keeps a key pressed gets the newest amounts, and not all of those between.

int8 needs the ranges of the network's values. Those of the network before are used at first: neighbouring amounts have
nearly the same. When no key was pressed for a while, the network's own are measured and the engine is exchanged again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from realtime.engines.base import Engine
from realtime.engines.workers import using_threads
from realtime.errors import RestyleError, one_line
from realtime.frames import Frame
from realtime.options import PaintOptions

REST_SECONDS = 0.7
"""So long after the last wish an engine gets its own calibration."""


class ExchangeableEngine:
    """An engine whose place another can take between two frames. It closes the engines that it was given.

    Args:
        engine: the first one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._users: Counter[Engine] = Counter()
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)

    @property
    def engine(self) -> Engine:
        """The one that paints the next frame."""
        return self._engine

    def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
        """Paints one frame with the newest engine; see `Engine.stylize`."""
        with self._lock:
            engine = self._engine
            self._users[engine] += 1
        try:
            return engine.stylize([frame], paint)[0]
        finally:
            with self._lock:
                self._users[engine] -= 1
                self._free.notify_all()

    def exchange(self, engine: Engine) -> None:
        """Has the next frame painted by another engine. Waits for frames in the old one, and closes it."""
        with self._lock:
            old, self._engine = self._engine, engine
            self._free.wait_for(lambda: not self._users[old])
            del self._users[old]
        old.close()

    def close(self) -> None:
        """Closes the engine. May be repeated."""
        self._engine.close()


Refine = Callable[[], None]
"""Exchanges an engine for one with the calibration of its own network."""


class Adjustable(Protocol):
    """A style for which networks of other amounts can be made."""

    notice: str

    def remake(self, sample: Frame) -> Refine | None:
        """Exchanges its engine for one of the newest amounts. Called in the thread of an `Adjuster`.

        Args:
            sample: a frame of the working size.

        Returns:
            what makes the engine better and takes longer; None where there is nothing.
        """
        ...


class Adjuster:
    """The thread that makes networks. It starts with the first wish. Close it before the styles.

    Args:
        rest: see `REST_SECONDS`.
    """

    def __init__(self, rest: float = REST_SECONDS) -> None:
        self._rest = rest
        self._changed = threading.Condition()
        self._wishes: dict[Adjustable, Frame] = {}
        self._refines: dict[Adjustable, Refine] = {}
        self._at_work = self._closed = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a network is being made, or waits to be."""
        return self._at_work or bool(self._wishes)

    def wish(self, style: Adjustable, sample: Frame) -> None:
        """Have a style's engine exchanged for one of its newest amounts, soon. Returns at once.

        Raises:
            Exception: an earlier wish has failed in a way that is no `RestyleError`.
        """
        if self._failure is not None:
            raise self._failure
        with self._changed:
            self._wishes.pop(style, None)
            self._wishes[style] = sample
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="restyle-adjust", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread after what it is at. May be repeated."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        # One core is enough: the others are for the painting.
        with using_threads(1):
            while self._next():
                pass

    def _next(self) -> bool:
        """Does the next piece of work. Returns whether there can be more."""
        with self._changed:
            rest = self._rest if self._refines else None
            self._changed.wait_for(lambda: self._closed or bool(self._wishes), rest)
            if self._closed:
                return False
            wish = self._wishes.popitem() if self._wishes else None
            self._at_work = True
        try:
            if wish is not None:
                self._remake(*wish)
            elif self._refines:
                self._refines.popitem()[1]()
        except Exception as error:  # raised with the next wish, as an error of the painting
            self._failure = error
            return False
        finally:
            self._at_work = False
        return True

    def _remake(self, style: Adjustable, sample: Frame) -> None:
        self._refines.pop(style, None)
        try:
            refine = style.remake(sample)
        except RestyleError as error:
            style.notice = one_line(error)
            return
        style.notice = ""
        if refine is not None:
            self._refines[style] = refine
