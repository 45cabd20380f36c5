"""From a captured picture to the one that is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from realtime.frames import Frame
from realtime.jobs.live.resolution_controller import Governor
from realtime.media.convert import planes
from realtime.media.convert.split_screen import compare
from realtime.media.live.camera import Shot

BLEND_SECONDS = 1 / 3
"""How long a new style takes to replace the old one."""


class Style(Protocol):
    """A network that is ready to run.

    Attributes:
        name: of the style.
    """

    @property
    def name(self) -> str: ...

    def paint(self, frame: Frame, *, strength: float, keep_color: bool) -> Frame:
        """One frame in this style; see `realtime.engines.base.Engine.stylize`."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures are to look.

    Attributes:
        style: number of the style, from 0.
        strength: 0 (the camera) to 1 (the style).
        keep_color: the camera's colours, the style's brightness.
        split: the camera on the left half, the style on the right.
        mirror: left and right exchanged.
        freeze: the picture of that moment goes on being shown.
        hold: anti-flicker hold in codes (see `realtime.media.convert.planes.Hold`); 0 is off.
    """

    style: int = 0
    strength: float = 1.0
    keep_color: bool = False
    split: bool = False
    mirror: bool = False
    freeze: bool = False
    hold: float = 0.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is ready to be shown.

    Attributes:
        frame: of the camera's size.
        shot: what it was made from.
        look: how it was made.
        size: (width, height) at which the network worked.
    """

    frame: Frame
    shot: Shot
    look: Look
    size: tuple[int, int]


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="restyle-prepare", daemon=True).start()


class Painter:
    """Paints one picture after the other, in one thread.

    The stages: freeze, mirror, scale down, hold still areas, network, blend of two styles, scale up, split view. What
    is not asked for is not run.
    """

    def __init__(
        self,
        styles: Sequence[Style],
        governor: Governor,
        *,
        clock: Callable[[], float] = time.perf_counter,
        beside: Callable[[Callable[[], None]], object] = _in_a_thread,
    ) -> None:
        """Args:
        styles: ready to run, so that changing between them takes no time.
        governor: says at which size the network works.
        clock: the present in seconds.
        beside: runs something beside the painting.
        """
        self.styles = styles
        self.governor = governor
        self._clock = clock
        self._beside = beside
        self._preparing = False
        self._failure: Exception | None = None
        self._frozen: Frame | None = None
        self._hold: planes.Hold | None = None
        self._style: int | None = None
        self._before: tuple[Frame, int | None] | None = None
        self._begun = 0.0
        self._last: Frame | None = None
        self._last_time = 0.0
        self._cost = 0.0

    def warm_up(self, frame: Frame, period: float) -> None:
        """Run every style once, and choose the first working size.

        Args:
            frame: like those that will come.
            period: seconds from picture to picture.
        """
        self._run_all(frame)
        begin = self._clock()
        self.styles[0].paint(planes.scale(frame, *self.governor.size), strength=1.0, keep_color=False)
        before = self.governor.size
        self.governor.calibrate(self._clock() - begin, period)
        if self.governor.size != before:
            self._run_all(frame)

    def _run_all(self, frame: Frame) -> None:
        small = planes.scale(frame, *self.governor.size)
        for style in self.styles:
            style.paint(small, strength=1.0, keep_color=False)

    def paint(self, shot: Shot, look: Look, period: float) -> Picture:
        """The picture to show.

        Args:
            shot: the newest one.
            look: how it is to look.
            period: seconds from picture to picture, for the working size.
        """
        begin = self._clock()
        source = self._source(shot.frame, look)
        size = self.governor.size
        small = self._still(planes.scale(source, *size), look.hold)
        styled, blending = self._styled(small, look, begin, period)
        frame = planes.scale(styled, source.width, source.height)
        if look.split:
            frame = compare(source, frame)
        cost = self._clock() - begin
        if not blending:
            self._cost = cost
            self.governor.observe(begin, cost, period)
        self._prepare(source, look.style)
        return Picture(frame, shot, look, size)

    def _prepare(self, source: Frame, first: int) -> None:
        """Has the networks made ready for another size while the present one goes on: some engines take a second."""
        if self._failure is not None:
            raise self._failure
        wanted = self.governor.wanted
        if wanted is None or self._preparing:
            return
        self._preparing = True

        def work() -> None:
            try:
                small = planes.scale(source, *wanted)
                for style in (self.styles[first], *self.styles[:first], *self.styles[first + 1 :]):
                    style.paint(small, strength=1.0, keep_color=False)
                    self.governor.ready()  # with the style that is shown; the others follow
            except Exception as error:  # raised by the next picture, as an error of its stage
                self._failure = error
            self._preparing = False

        self._beside(work)

    def _source(self, frame: Frame, look: Look) -> Frame:
        if not look.freeze:
            self._frozen = None
        elif self._frozen is None or not self._frozen.fits_with(frame):
            self._frozen = frame
        frame = self._frozen or frame
        return planes.mirror(frame) if look.mirror else frame

    def _still(self, frame: Frame, strength: float) -> Frame:
        if strength <= 0:
            self._hold = None
            return frame
        if self._hold is None:
            self._hold = planes.Hold()
        return self._hold(frame, strength)

    def _styled(self, frame: Frame, look: Look, now: float, period: float) -> tuple[Frame, bool]:
        """The frame in its style, and whether two styles are being blended."""
        if self._style is not None and look.style != self._style and self._last is not None:
            blending = self._before is not None
            # The old style goes on being painted where there is time for two; a style that was never fully there is
            # held as it was.
            affordable = 2 * self._cost < period and not blending
            self._before = (self._last, self._style if affordable else None)
            self._begun = self._last_time
        self._style, self._last_time = look.style, now
        styled = self._paint(look.style, frame, look)
        share = (now - self._begun) / BLEND_SECONDS
        if self._before is not None and share < 1:
            held, number = self._before
            old = held if number is None else self._paint(number, frame, look)
            if old.fits_with(styled):
                styled = planes.blend(old, styled, share)
        else:
            self._before = None
        self._last = styled
        return styled, self._before is not None

    def _paint(self, number: int, frame: Frame, look: Look) -> Frame:
        if look.strength <= 0:
            return frame
        return self.styles[number].paint(frame, strength=look.strength, keep_color=look.keep_color)
