"""Live sources: cameras, network streams, screens, files at their own speed, and any other input of FFmpeg.

A source is read in the thread that iterates it, as fast as its pictures come; it never waits for whoever uses them. A
camera or a stream that goes away is opened again, with growing pauses.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any

from realtime.errors import InputError, MediaError
from realtime.frames import ColorTags, Frame
from realtime.media.convert.planes import turn
from realtime.media.files.probe import codec_name, frame_color
from realtime.media.files.reader import DIRECT_FORMATS, MAX_SIDE, plane_view
from realtime.media.live import screen_capture, v4l2
from realtime.media.live.clocks import Backlog, Pace, RateMeter, Skip, Timeline
from realtime.media.live.sound import SoundFeed, sounds_of
from realtime.media.live.sources import Kind, Refused, Target, parse_source, refusal, why_ended

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

DEFAULT_SIZE = (1280, 720)
DEFAULT_RATE = 30.0

_SEGMENTED = frozenset({"hls", "dash"})

_OPEN_SECONDS = 10.0
_READ_SECONDS = 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_STALE_SECONDS = 0.2
_SMALLEST_SIDE = 16
_CLOCK_SLACK = 1.0

_SWS_SPACE = {"bt601": 5, "bt709": 1, "bt2020": 9}
_AV_RANGE = {"limited": 1, "full": 2}
_BT470BG = 5


def fit(width: int, height: int, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(width, height) of the pictures that come out, both even.

    Args:
        width, height: of the source, as shown.
        size: short side in pixels, (width, height), or None for the source's own.

    Raises:
        InputError: a side is too small or too large.
    """
    new = size if isinstance(size, tuple) else (width, height)
    even = (new[0] // 2 * 2, new[1] // 2 * 2)
    if isinstance(size, int):
        new = even = (_even(width * size / min(width, height)), _even(height * size / min(width, height)))
    if min(even) < _SMALLEST_SIDE or max(even) > MAX_SIDE:
        raise InputError(f"size {new[0]}x{new[1]}: sides from {_SMALLEST_SIDE} to {MAX_SIDE} pixels are possible")
    return even


@dataclass(frozen=True, slots=True)
class Shot:
    """One captured picture.

    Attributes:
        frame: 8-bit 4:2:0 planes in limited range, of the camera's size.
        number: 0, 1, 2, ... in the order of capture, without gaps.
        captured: when, in seconds of `time.perf_counter`: by the driver's clock where it is known, else when its data
            arrived; of what is held to its own speed, when it was due.
    """

    frame: Frame
    number: int
    captured: float


class Camera:
    """A live source, open.

    Iterate it in one thread, once. `stop` may be called from any other.

    Attributes:
        target: what was asked for.
        width, height: of every picture that comes out, both even.
        sample: a picture like those that will come.
        nominal_rate: frames per second as the source says; None where it does not.
        description: what was opened, in a line.
        sounds: the source's own sound; None where it has none.
        reconnects: how often it was opened again.
        lost: why it did not come back; empty otherwise.
        notes: what the user should know.
    """

    def __init__(
        self,
        source: str | Target,
        *,
        size: int | tuple[int, int] | None = None,
        rate: float | None = None,
        options: Mapping[str, str] | None = None,
        reconnect: float = 30.0,
        open_seconds: float = _OPEN_SECONDS,
        read_seconds: float = _READ_SECONDS,
    ) -> None:
        """Open a source, and wait for its first picture.

        Args:
            source: see `parse_source`.
            size: of the pictures that come out: short side in pixels, or (width, height); None for the source's own.
            rate: frames per second to ask a camera or a screen for; None asks for 30.
            options: more options for FFmpeg's input.
            reconnect: seconds for which a source that went away is looked for; 0 never.
            open_seconds, read_seconds: how long a stream may give nothing, at first and later.

        Raises:
            InputError: it cannot be opened, or gives no picture; the message says why and what to do.
        """
        self.target = source if isinstance(source, Target) else parse_source(source)
        self.sounds: SoundFeed | None = None
        self.reconnects = 0
        self.lost = ""
        self.notes: list[str] = []
        self._size, self._asked_rate = size, rate
        self._options = dict(options or {})
        self._reconnect, self._open_seconds, self._read_seconds = reconnect, open_seconds, read_seconds
        self._stop = threading.Event()
        self._status = ""
        self._meter = RateMeter()
        self._number = 0
        self._begun = False
        self._reformatter: Any = None
        self._connection = self._connect(open_seconds)
        first = self._connection.first
        self.width, self.height = fit(*_shown_size(first), size)
        self.sample = self._frame(first)
        self.nominal_rate = self._connection.rate
        if self._connection.audio is not None:
            self.sounds = SoundFeed()
        self.description = self._connection.describe()

    # What others may ask

    @property
    def rate(self) -> float:
        """Frames per second, measured; until there are enough of them, what the source says, or 30."""
        return self._meter.rate or self.nominal_rate or DEFAULT_RATE

    @property
    def status(self) -> str:
        """What is to be said about the source at present; empty while it works."""
        return self._status

    def stop(self) -> None:
        """Ends the iteration before the next picture."""
        self._stop.set()

    def close(self) -> None:
        """Let go of the device. Only when nobody iterates."""
        self._stop.set()
        self._connection.close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if not self._begun:
            self.close()

    # Pictures

    def __iter__(self) -> Iterator[Shot]:
        """Pictures as they come, until the source ends for good or `stop` is called."""
        if self._begun:
            raise RuntimeError("a Camera can be iterated once; open it again")
        self._begun = True
        return self._shots()

    def _shots(self) -> Iterator[Shot]:
        try:
            while True:
                ended = ""
                try:
                    for picture, captured in self._connection.pictures(self._stop, self.sounds):
                        self._meter.count(captured)
                        yield Shot(self._frame(picture), self._number, captured)
                        self._number += 1
                        if self._stop.is_set():
                            return
                except _Ended as error:
                    ended = str(error)
                if self._stop.is_set() or not self._connection.endless:
                    return
                if not self._come_back(ended or "it ended"):
                    return
        finally:
            self._connection.close()

    def _come_back(self, why: str) -> bool:
        """Opens the source again, with growing pauses; False where it stays away, or is no longer wanted."""
        self._connection.close()
        begun = time.perf_counter()
        pause, tries = _FIRST_PAUSE, 0
        while not self._stop.is_set():
            left = self._reconnect - (time.perf_counter() - begun)
            if left <= 0:
                self.lost = f"{self.target.text} went away ({why}) and did not come back in {self._reconnect:g} s"
                return False
            self._status = f"source lost ({why}): trying again" + (f", {tries} times so far" if tries else "")
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
            self._status = ""
            return True
        return False

    def _connect(self, seconds: float) -> _Connection:
        problems: list[InputError] = []
        for options in self._attempts():
            try:
                return _Connection(self.target, options, seconds, self._read_seconds)
            except Refused as error:
                problems.append(error)
                if not error.worth_another_try:
                    break
        raise MediaError(str(problems[0])) from None

    def _attempts(self) -> list[dict[str, str]]:
        """Options to try one after the other: a camera refuses a mode that it does not have."""
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
        """A decoded picture as planes of this camera's size in limited range, turned as it is to be shown."""
        color = _live_color(picture, self._connection.codec, self.target.kind)
        degrees = int(picture.rotation)
        width, height = (self.height, self.width) if degrees % 180 else (self.width, self.height)
        target = replace(color, range="limited")
        direct = (
            picture.format.name in DIRECT_FORMATS
            and (picture.width, picture.height) == (width, height)
            and color.range == "limited"
        )
        if not direct:
            picture = self._convert(picture, color, width, height)
        y, u, v = (plane_view(plane) for plane in picture.planes[:3])
        base = Fraction(picture.time_base or Fraction(1, 1000))
        frame = Frame(y, u, v, picture.pts or 0, 0, base, target)
        return turn(frame, degrees) if degrees else frame

    def _convert(self, picture: VideoFrame, color: ColorTags, width: int, height: int) -> VideoFrame:
        from av.video.reformatter import Interpolation, VideoReformatter

        if self._reformatter is None:
            self._reformatter = VideoReformatter()  # one for all pictures: making one takes milliseconds
        rgb = picture.format.is_rgb
        result: VideoFrame = self._reformatter.reformat(
            picture,
            width,
            height,
            "yuv420p",
            src_colorspace=None if rgb else _SWS_SPACE[color.matrix],
            dst_colorspace=_SWS_SPACE[color.matrix],
            src_color_range=None if rgb else _AV_RANGE[color.range],
            dst_color_range=_AV_RANGE["limited"],
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        return result


def _even(side: float) -> int:
    return 2 * round(side / 2)


def _shown_size(picture: VideoFrame) -> tuple[int, int]:
    return (picture.height, picture.width) if int(picture.rotation) % 180 else (picture.width, picture.height)


def _live_color(picture: VideoFrame, codec: str, kind: Kind) -> ColorTags:
    color = frame_color(picture, codec)
    if kind == "screen" and not picture.format.is_rgb:
        return replace(color, matrix="bt709", range="limited", space=1)  # as `screen_capture` makes them
    untagged = color.space not in (1, 4, 5, 6, 9, 10)
    if kind == "camera" and untagged and not picture.format.is_rgb:
        return replace(color, matrix="bt601", space=_BT470BG)  # what USB cameras send at every size
    return color


class _Ended(Exception):
    """A connection gives no more pictures; the text says why."""


class _Connection:
    """One opened input: from the first picture to the end, or to whatever goes wrong.

    Attributes:
        first: its first picture.
        audio: its audio stream; None where it has none.
        rate: frames per second as it says; None where it does not.
        codec: FFmpeg's name of the video codec.
        endless: it is not known to have an end: one that ends all the same has gone away.
    """

    def __init__(self, target: Target, options: dict[str, str], open_seconds: float, read_seconds: float) -> None:
        import av
        import av.error

        self.target = target
        url, form = target.url, target.format
        self._screen: screen_capture.ScreenProcess | None = None
        if form == "x11grab":
            self._screen = screen_capture.ScreenProcess(target.url, options)
            url, form, options = self._screen.url, screen_capture.FORMAT, {}
        try:
            self._container = av.open(
                url, format=form, options=options, timeout=(open_seconds, read_seconds), metadata_errors="replace"
            )
        except (av.error.FFmpegError, ValueError, OSError) as error:
            said = "" if self._screen is None else self._screen.close()
            raise refusal(target, error, open_seconds, said) from None
        try:
            self._prepare()
        except BaseException:
            self._let_go()
            raise

    def _prepare(self) -> None:
        streams = self._container.streams
        if not streams.video:
            raise Refused(f"{self.target.text}: has no video")
        self._video = streams.video[0]
        if self._video.codec_context is None:
            raise Refused(f"{self.target.text}: no decoder for its video in this build of FFmpeg")
        self.audio = streams.audio[0] if streams.audio else None
        self.endless = self.target.comes_back and not self._container.duration
        # A recording that lies on a server comes as fast as the network gives it, and so does a segment.
        self._paced = not self.endless or self._container.format.name in _SEGMENTED
        # Frame threads decode ahead: each keeps a picture back. A live picture is to come out at once.
        self._video.thread_type = "AUTO" if self._paced else "SLICE"
        rate = self._video.average_rate or self._video.guessed_rate
        self.rate = float(rate) if rate and 1 <= rate <= 1000 else None
        self.codec = codec_name(self._video)
        self._timeline, self._pace, self._backlog = Timeline(), Pace(), Backlog()
        self._coming = self._decoded()
        try:
            self._first: tuple[VideoFrame, float] | None = next(self._coming)
        except (StopIteration, _Ended) as error:
            why = str(error) or "it ended at once"
            raise Refused(f"{self.target.text}: gives no picture ({why})", worth_another_try=True) from None
        self.first = self._first[0]

    def describe(self) -> str:
        """What was opened, in a line."""
        rate = f" {self.rate:.4g} fps" if self.rate else ""
        name = self.target.format or self._container.format.name.split(",")[0]
        return f"{self.target.text} ({name}, {self.codec} {self.first.width}x{self.first.height}{rate})"

    def close(self) -> None:
        """Let go of the device or the stream."""
        self._coming.close()
        self._let_go()

    def _let_go(self) -> None:
        self._container.close()
        if self._screen is not None:
            self._screen.close()

    def pictures(self, stop: threading.Event, sounds: SoundFeed | None) -> Iterator[tuple[VideoFrame, float]]:
        """(picture, when it was captured) until the end.

        Raises:
            _Ended: no more is to be had, and why.
        """
        self._sounds = sounds
        while True:
            if self._first is not None:
                (picture, arrived), self._first = self._first, None
                if not self._paced and time.perf_counter() - arrived > _STALE_SECONDS:
                    continue
            else:
                try:
                    picture, arrived = next(self._coming)
                except StopIteration:
                    return
            if stop.is_set():
                return
            stamp = float(picture.time) if picture.time is not None else None
            if not self._paced:
                captured = arrived if stamp is None else _captured(stamp, arrived, self.target.kind)
            else:
                due = self._pace.due(stamp or 0.0, time.perf_counter())
                if stop.wait(max(0.0, due - time.perf_counter())):
                    return
                captured = time.perf_counter()
            if stamp is not None:
                self._timeline.picture(stamp, captured)
            yield picture, captured

    _sounds: SoundFeed | None = None

    def _decoded(self) -> Generator[tuple[VideoFrame, float]]:
        """(picture, when its data arrived); sound goes to its feed on the way."""
        import av.error

        streams = [self._video] if self.audio is None else [self._video, self.audio]
        packets = self._container.demux(streams)
        bad = 0
        while True:
            before = time.perf_counter()
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError) as error:
                raise _Ended(why_ended(error)) from None
            arrived = time.perf_counter()
            if self.target.kind == "stream" and not self._paced:
                self._leave_out(self._backlog.packet(arrived - before, arrived))
            if self.audio is not None and packet.stream_index == self.audio.index:
                self._hear(packet)
                continue
            try:
                for picture in packet.decode():
                    bad = 0
                    yield picture, arrived  # type: ignore[misc]
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError) as error:
                bad += 1
                if bad > 300:  # ten seconds of nothing but damage
                    raise _Ended(why_ended(error)) from None

    def _leave_out(self, skip: Skip) -> None:
        if skip != self._skips:
            self._video.codec_context.skip_frame = self._skips = skip

    _skips: Skip = "DEFAULT"

    def _hear(self, packet: Any) -> None:
        import av.error

        sounds, clock = self._sounds, self._timeline.offset
        if sounds is None or not sounds.listening or clock is None:
            return
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            for frame in packet.decode():
                sound = sounds_of(frame, clock)
                if sound is not None:
                    sounds.put(sound)


def _captured(stamp: float, arrived: float, kind: Kind) -> float:
    """When a picture was captured: by its stamp, where a driver has stamped it with one of the system's clocks."""
    if kind in ("camera", "screen"):
        for clock in (time.time, time.monotonic):
            age = clock() - stamp - (time.perf_counter() - arrived)
            if 0 <= age < _CLOCK_SLACK:
                return arrived - age
    return arrived
