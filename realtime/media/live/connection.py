"""One connection to a live source: from its first picture to its end, or to whatever goes wrong."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from realtime.media.files.probe import codec_name
from realtime.media.live import screen_capture
from realtime.media.live.clocks import Backlog, Pace, Skip, Timeline
from realtime.media.live.refusals import Refused, refusal, why_ended
from realtime.media.live.sound import SoundFeed, sounds_of
from realtime.media.live.sources import Kind, Target

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_SEGMENTED = frozenset({"hls", "dash"})
_STALE_SECONDS = 0.2
_CLOCK_SLACK = 1.0
_MOST_BAD_PACKETS = 300
"""In a row: ten seconds of nothing but damage."""


class Ended(Exception):
    """A connection gives no more pictures; the text says why."""


class Connection:
    """An opened source, read by one thread."""

    first: VideoFrame
    audio: Any  # its audio stream; None without one
    rate: float | None  # frames per second as the source tells
    codec: str  # FFmpeg's name of the video codec
    endless: bool  # whether it is not known to end, so that an end means that it has gone away
    sounds: SoundFeed | None = None  # where its sound goes

    def __init__(self, target: Target, options: dict[str, str], open_seconds: float, read_seconds: float) -> None:
        """Open a source, and wait for its first picture.

        Args:
            target: the source.
            options: for FFmpeg's input.
            open_seconds, read_seconds: how long it may give nothing, at first and later.

        Raises:
            Refused: it cannot be opened, or gives no picture.
        """
        import av
        import av.error

        self._target = target
        self._skip: Skip = "DEFAULT"
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
            self._release()
            raise

    def _prepare(self) -> None:
        streams, text = self._container.streams, self._target.text
        if not streams.video:
            raise Refused(f"{text}: has no video")
        self._video = streams.video[0]
        if self._video.codec_context is None:
            raise Refused(f"{text}: no decoder for its video in this build of FFmpeg")
        self.audio = streams.audio[0] if streams.audio else None
        self.endless = self._target.comes_back and not self._container.duration
        # A recording on a server comes as fast as the network allows, and so does a segment of a stream.
        self._paced = not self.endless or self._container.format.name in _SEGMENTED
        # Frame threads each keep a picture back; live pictures must come out at once.
        self._video.thread_type = "AUTO" if self._paced else "SLICE"
        rate = self._video.average_rate or self._video.guessed_rate
        self.rate = float(rate) if rate and 1 <= rate <= 1000 else None
        self.codec = codec_name(self._video)
        self._timeline, self._pace, self._backlog = Timeline(), Pace(), Backlog()
        self._coming = self._decoded()
        try:
            self.first, self._first_arrived = next(self._coming)
        except (StopIteration, Ended) as error:
            why = str(error) or "it ended at once"
            raise Refused(f"{text}: gives no picture ({why})", worth_another_try=True) from None

    def describe(self) -> str:
        """What was opened, in a line."""
        rate = f" {self.rate:.4g} fps" if self.rate else ""
        name = self._target.format or self._container.format.name.split(",")[0]
        return f"{self._target.text} ({name}, {self.codec} {self.first.width}x{self.first.height}{rate})"

    def close(self) -> None:
        """Close the device or the stream."""
        self._coming.close()
        self._release()

    def _release(self) -> None:
        self._container.close()
        if self._screen is not None:
            self._screen.close()

    def pictures(self, stop: threading.Event) -> Iterator[tuple[VideoFrame, float]]:
        """(picture, time of capture in seconds of `time.perf_counter`) until the end, or until `stop` is set.

        Raises:
            Ended: no more can be read, and why.
        """
        stale = not self._paced and time.perf_counter() - self._first_arrived > _STALE_SECONDS
        for picture, arrived in chain([] if stale else [(self.first, self._first_arrived)], self._coming):
            if stop.is_set():
                return
            stamp = float(picture.time) if picture.time is not None else None
            if self._paced:
                due = self._pace.due(stamp or 0.0, time.perf_counter())
                if stop.wait(max(0.0, due - time.perf_counter())):
                    return
                captured = time.perf_counter()
            else:
                captured = arrived if stamp is None else _captured(stamp, arrived, self._target.kind)
            if stamp is not None:
                self._timeline.picture(stamp, captured)
            yield picture, captured

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
                raise Ended(why_ended(error)) from None
            arrived = time.perf_counter()
            if self._target.kind == "stream" and not self._paced:
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
                if bad > _MOST_BAD_PACKETS:
                    raise Ended(why_ended(error)) from None

    def _leave_out(self, skip: Skip) -> None:
        if skip != self._skip:
            self._video.codec_context.skip_frame = self._skip = skip

    def _hear(self, packet: Any) -> None:
        import av.error

        sounds, clock = self.sounds, self._timeline.offset
        if sounds is None or not sounds.listening or clock is None:
            return
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            for frame in packet.decode():
                sound = sounds_of(frame, clock)
                if sound is not None:
                    sounds.put(sound)


def _captured(stamp: float, arrived: float, kind: Kind) -> float:
    """When a picture was captured: by its time stamp, where a driver stamped it with one of the system's clocks."""
    if kind in ("camera", "screen"):
        for clock in (time.time, time.monotonic):
            age = clock() - stamp - (time.perf_counter() - arrived)
            if 0 <= age < _CLOCK_SLACK:
                return arrived - age
    return arrived
