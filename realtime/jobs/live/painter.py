"""Turns a captured picture into the one that is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Literal, Protocol

from realtime.frames import Frame
from realtime.jobs.live.resolution_controller import ResolutionController
from realtime.media.convert import planes
from realtime.media.convert.scene_motion import SceneMotion
from realtime.media.convert.split_screen import compare
from realtime.media.live.camera import Shot
from realtime.options import PaintOptions, StyleOptions

BLEND_SECONDS = 1 / 3
"""How long a new style takes to replace the old one."""


KnobName = Literal["paint", "stroke", "texture"]
"""What can be turned while the filter runs."""


class Style(Protocol):
    """A style that is ready to paint.

    Attributes:
        name: of the style.
        ready: whether it can paint without delay.
        problem: why it cannot be opened; empty where nothing is wrong.
        notice: why its network could not be made for other amounts; empty where nothing is wrong.
        takes_texture: whether it takes the texture plane; False where it is not known yet.
        knobs: what can be turned while it paints; nothing where that is not known yet.
        adjusting: whether its network is being made for other amounts.
    """

    name: str
    ready: bool
    problem: str
    notice: str

    @property
    def knobs(self) -> Set[KnobName]: ...
    @property
    def adjusting(self) -> bool: ...
    @property
    def takes_texture(self) -> bool: ...

    def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
        """Paints one frame; see `realtime.engines.base.Engine.stylize`."""
        ...

    def adjust(self, options: StyleOptions, sample: Frame) -> None:
        """Has the network made for these amounts, beside the painting, if it has inputs for them. Returns at once.

        Args:
            options: amount of paint and size of the strokes.
            sample: a frame of the working size.
        """
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures are shown.

    Attributes:
        style: number of the style, from 0.
        paint: how they are painted.
        style_options: how the networks are made, of styles that are made from pictures.
        split: the camera on the left half, the style on the right.
        mirror: left and right exchanged.
        freeze: the picture of that moment goes on being shown.
        hold: anti-flicker hold in codes (see `realtime.media.convert.planes.Hold`); 0 is off.
    """

    style: int = 0
    paint: PaintOptions = PaintOptions()
    style_options: StyleOptions = StyleOptions()
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


class LivePainter:
    """Paints one picture after the other, in one thread.

    The stages: freeze, mirror, follow the camera's motion, scale down, hold still areas, network, blend of two styles,
    scale up, split view. Stages that are not needed are left out.
    """

    def __init__(
        self,
        styles: Sequence[Style],
        controller: ResolutionController,
        *,
        clock: Callable[[], float] = time.perf_counter,
        beside: Callable[[Callable[[], None]], object] = _in_a_thread,
    ) -> None:
        """Args:
        styles: the first must be ready. One that is not ready is shown when it is.
        controller: says at which size the network works.
        clock: the present in seconds.
        beside: runs a function beside the painting.
        """
        self.styles = styles
        self.controller = controller
        self._clock = clock
        self._beside = beside
        self._preparing = False
        self._failure: Exception | None = None
        self._frozen: Frame | None = None
        self._motion = SceneMotion()
        self._hold: planes.Hold | None = None
        self._style: int | None = None
        self._before: tuple[Frame, int | None] | None = None
        self._begun = 0.0
        self._last: Frame | None = None
        self._last_time = 0.0
        self._cost = 0.0

    def warm_up(self, frame: Frame, period: float) -> None:
        """Runs every style that is open once, and chooses the first working size.

        Args:
            frame: of the size of those that follow.
            period: seconds from picture to picture.
        """
        self._run_all(frame)
        begin = self._clock()
        self.styles[0].paint(planes.scale(frame, *self.controller.size), PaintOptions())
        before = self.controller.size
        self.controller.calibrate(self._clock() - begin, period)
        if self.controller.size != before:
            self._run_all(frame)

    def _run_all(self, frame: Frame) -> None:
        small = planes.scale(frame, *self.controller.size)
        for style in self._open():
            style.paint(small, PaintOptions())

    def paint(self, shot: Shot, look: Look, period: float) -> Picture:
        """Paints a picture.

        Args:
            shot: the newest one.
            look: how it is shown.
            period: seconds from picture to picture, for the working size.
        """
        begin = self._clock()
        source = self._source(shot.frame, look)
        if any(style.takes_texture for style in self.styles):
            # At the camera's size, so that another working size changes nothing: the place is scaled with the frame.
            source = self._motion(source)
        size = self.controller.size
        small = self._still(planes.scale(source, *size), look.hold)
        styled, blending = self._styled(small, look, begin, period)
        frame = planes.scale(styled, source.width, source.height)
        if look.split:
            frame = compare(source, frame)
        cost = self._clock() - begin
        if not blending and not self.styles[look.style].adjusting:
            self._cost = cost
            self.controller.observe(begin, cost, period)
        self._prepare(source, look.style)
        return Picture(frame, shot, look, size)

    def _prepare(self, source: Frame, first: int) -> None:
        """Prepares the networks for another size beside the painting: some engines need a second for that."""
        if self._failure is not None:
            raise self._failure
        wanted = self.controller.wanted
        if wanted is None or self._preparing:
            return
        self._preparing = True

        def work() -> None:
            try:
                small = planes.scale(source, *wanted)
                for style in sorted(self._open(), key=lambda style: style is not self.styles[first]):
                    style.paint(small, PaintOptions())
                    self.controller.ready()  # as soon as the style that is shown is prepared
            except Exception as error:  # raised with the next picture, as an error of its stage
                self._failure = error
            self._preparing = False

        self._beside(work)

    def _open(self) -> list[Style]:
        return [style for style in self.styles if style.ready]

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
        """The painted frame, and whether two styles are being blended."""
        number = look.style
        if not self.styles[number].ready and self._style is not None:
            number = self._style
        if self._style is not None and number != self._style and self._last is not None:
            blending = self._before is not None
            # The old style goes on being painted where there is time for two networks. During a blend its last
            # picture is held.
            affordable = 2 * self._cost < period and not blending
            self._before = (self._last, self._style if affordable else None)
            self._begun = self._last_time
        self._style, self._last_time = number, now
        styled = self._paint(number, frame, look)
        share = (now - self._begun) / BLEND_SECONDS
        if self._before is not None and share < 1:
            held, before = self._before
            old = held if before is None else self._paint(before, frame, look)
            if old.fits_with(styled):
                styled = planes.blend(old, styled, share)
        else:
            self._before = None
        self._last = styled
        return styled, self._before is not None

    def _paint(self, number: int, frame: Frame, look: Look) -> Frame:
        style = self.styles[number]
        style.adjust(look.style_options, frame)
        if look.paint.strength <= 0:
            return frame
        return style.paint(frame, look.paint)
