"""Live sources: cameras, network streams, screens, files at their own speed, and any other input of FFmpeg.

A source is read as fast as its pictures come, in the thread that iterates it; it never waits for their consumer. A
camera or a stream that goes away is opened again, with growing pauses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from realtime.errors import InputError, MediaError
from realtime.frames import MAX_SIDE, ColorTags, Frame
from realtime.media.convert.planes import turn
from realtime.media.convert.reformat import PlaneConverter
from realtime.media.convert.views import plane_views
from realtime.media.files.probe import frame_color
from realtime.media.live import v4l2
from realtime.media.live.clocks import RateMeter
from realtime.media.live.connection import Connection, Ended
from realtime.media.live.refusals import Refused
from realtime.media.live.sound import SoundFeed
from realtime.media.live.sources import Kind, Target, parse_source

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

DEFAULT_SIZE = (1280, 720)
DEFAULT_RATE = 30.0

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_SMALLEST_SIDE = 16
_TAGGED_SPACES = frozenset({1, 4, 5, 6, 9, 10})
_BT470BG = 5


def fit(width: int, height: int, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(width, height) of the frames of a source, both even.

    Args:
        width, height: of the source, as shown.
        size: short side in pixels, (width, height), or None for the source's own.

    Raises:
        InputError: a side is too small or too large.
    """
    new = size if isinstance(size, tuple) else (width, height)
    even = (new[0] // 2 * 2, new[1] // 2 * 2)
    if isinstance(size, int):
        short = min(width, height)
        new = even = (2 * round(width * size / short / 2), 2 * round(height * size / short / 2))
    if min(even) < _SMALLEST_SIDE or max(even) > MAX_SIDE:
        raise InputError(f"size {new[0]}x{new[1]}: sides from {_SMALLEST_SIDE} to {MAX_SIDE} pixels are possible")
    return even


@dataclass(frozen=True, slots=True)
class Shot:
    """One captured picture.

    The time of capture is in seconds of `time.perf_counter`: by the driver's clock where that is known, else when its
    data arrived; of a source that is held to its own speed, when it was due.
    """

    frame: Frame  # in limited range, of the camera's size
    number: int  # 0, 1, 2, ... in the order of capture, without gaps
    captured: float


class Camera:
    """A live source, open.

    Iterate it in one thread, once. `stop` may be called from any thread.

    Attributes:
        target: the source.
        width, height: of every frame, both even.
        sample: a frame like those that will come.
        nominal_rate: frames per second as the source tells; None where it does not.
        description: what was opened, in a line.
        sounds: the source's own sound; None where it has none.
        reconnects: how often it was opened again.
        lost: why it did not come back; empty otherwise.
        status: what to tell the user about the source now; empty while it works.
    """

    def __init__(
        self,
        source: str | Target,
        *,
        size: int | tuple[int, int] | None = None,
        rate: float | None = None,
        options: Mapping[str, str] | None = None,
        reconnect: float = 30.0,
        open_seconds: float = 10.0,
        read_seconds: float = 3.0,
    ) -> None:
        """Open a source, and wait for its first picture.

        Args:
            source: see `parse_source`.
            size: of the frames: short side in pixels, or (width, height); None for the source's own.
            rate: frames per second to ask a camera or a screen for; None asks for 30.
            options: more options for FFmpeg's input.
            reconnect: seconds for which a source that went away is tried again; 0 never.
            open_seconds, read_seconds: how long a stream may give nothing, at first and later.

        Raises:
            InputError: it cannot be opened, or gives no picture; the message says why and what to do.
        """
        self.target = source if isinstance(source, Target) else parse_source(source)
        self.reconnects = 0
        self.lost = self.status = ""
        self._size, self._asked_rate = size, rate
        self._options = dict(options or {})
        self._reconnect, self._open_seconds, self._read_seconds = reconnect, open_seconds, read_seconds
        self._stop = threading.Event()
        self._meter = RateMeter()
        self._begun = False
        self._convert = PlaneConverter(fast=True)
        self.sounds: SoundFeed | None = None
        self._connection = self._connect(open_seconds)
        first = self._connection.first
        shown = (first.height, first.width) if int(first.rotation) % 180 else (first.width, first.height)
        self.width, self.height = fit(*shown, size)
        self.sample = self._frame(first)
        self.nominal_rate = self._connection.rate
        if self._connection.audio is not None:
            self.sounds = self._connection.sounds = SoundFeed()
        self.description = self._connection.describe()

    @property
    def rate(self) -> float:
        """Frames per second, measured; until there are enough frames, what the source tells, or 30."""
        return self._meter.rate or self.nominal_rate or DEFAULT_RATE

    def stop(self) -> None:
        """End the iteration before the next picture."""
        self._stop.set()

    def close(self) -> None:
        """Close the source; only while nobody iterates."""
        self._stop.set()
        self._connection.close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if not self._begun:
            self.close()

    def __iter__(self) -> Iterator[Shot]:
        """Pictures as they come, until the source ends for good or `stop` is called."""
        if self._begun:
            raise RuntimeError("a Camera can be iterated once; open it again")
        self._begun = True
        return self._shots()

    def _shots(self) -> Iterator[Shot]:
        number = 0
        try:
            while True:
                ended = "it ended"
                try:
                    for picture, captured in self._connection.pictures(self._stop):
                        self._meter.count(captured)
                        yield Shot(self._frame(picture), number, captured)
                        number += 1
                        if self._stop.is_set():
                            return
                except Ended as error:
                    ended = str(error) or ended
                if self._stop.is_set() or not self._connection.endless:
                    return
                if not self._come_back(ended):
                    return
        finally:
            self._connection.close()

    def _come_back(self, why: str) -> bool:
        """Open the source again, with growing pauses; False where it stays away, or is no longer wanted."""
        self._connection.close()
        begun = time.perf_counter()
        pause, tries = _FIRST_PAUSE, 0
        while not self._stop.is_set():
            left = self._reconnect - (time.perf_counter() - begun)
            if left <= 0:
                self.lost = f"{self.target.text} went away ({why}) and did not come back in {self._reconnect:g} s"
                return False
            self.status = f"source lost ({why}): trying again" + (f", {tries} times so far" if tries else "")
            if self._stop.wait(min(pause, left)):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE)
            tries += 1
            try:
                self._connection = self._connect(min(self._open_seconds, max(0.5, left)))
            except InputError:
                continue
            self._meter.restart()
            self.reconnects += 1
            self.status = ""
            return True
        return False

    def _connect(self, seconds: float) -> Connection:
        problems: list[InputError] = []
        for options in self._attempts():
            try:
                connection = Connection(self.target, options, seconds, self._read_seconds)
            except Refused as error:
                problems.append(error)
                if not error.worth_another_try:
                    break
            else:
                connection.sounds = self.sounds
                return connection
        raise MediaError(str(problems[0])) from None

    def _attempts(self) -> list[dict[str, str]]:
        """Options to try in turn: a camera refuses a mode that it does not have."""
        base = {**self.target.options, **self._options}
        wanted = {"framerate": f"{self._asked_rate or DEFAULT_RATE:g}"}
        if self.target.kind == "screen":
            return [{**wanted, **base}]
        if self.target.kind != "camera":
            return [base]
        size = self._size if isinstance(self._size, tuple) else DEFAULT_SIZE
        if self.target.format in ("v4l2", "video4linux2"):
            device = v4l2.examine(self.target.url)
            mode = v4l2.choose_mode(device.modes, size=size, rate=self._asked_rate or DEFAULT_RATE)
            if mode is None:
                return [base]
            chosen = {"input_format": mode.pixel, "video_size": f"{mode.width}x{mode.height}"}
            if mode.rate:
                chosen["framerate"] = f"{mode.rate:g}"
            return [{**chosen, **base}, base]
        sized = {"video_size": f"{size[0]}x{size[1]}", **wanted}
        packed = [{"vcodec": "mjpeg", **sized, **base}] if self.target.format == "dshow" else []
        return [*packed, {**sized, **base}, {**wanted, **base}, base]

    def _frame(self, picture: VideoFrame) -> Frame:
        """A decoded picture as a frame of this camera's size in limited range, upright."""
        color = _live_color(picture, self._connection.codec, self.target.kind)
        degrees = int(picture.rotation)
        size = (self.height, self.width) if degrees % 180 else (self.width, self.height)
        target = replace(color, range="limited")
        planes = plane_views(self._convert(picture, size, color, target))
        base = Fraction(picture.time_base or Fraction(1, 1000))
        return turn(Frame(*planes, picture.pts or 0, 0, base, target), degrees)


def _live_color(picture: VideoFrame, codec: str, kind: Kind) -> ColorTags:
    color = frame_color(picture, codec)
    if kind == "screen" and not picture.format.is_rgb:
        return replace(color, matrix="bt709", range="limited", space=1)  # as `screen_capture` makes them
    if kind == "camera" and color.space not in _TAGGED_SPACES and not picture.format.is_rgb:
        return replace(color, matrix="bt601", space=_BT470BG)  # what USB cameras send at every size
    return color
