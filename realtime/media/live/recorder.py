"""Recording what a live filter shows, with sound in step, into a file that can be played however the program ends."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from realtime.frames import ColorTags, Frame
from realtime.media.files.packet_queue import PacketTape
from realtime.media.files.probe import MediaInfo
from realtime.media.files.writer import VideoWriter
from realtime.media.live.sound import Sound

TICKS = 90_000
"""Units of time in a second of a recording."""

_SMOOTHING = 0.05


@dataclass(frozen=True)
class LiveOrigin:
    """What a `VideoWriter` asks of its source (`media.files.writer.Origin`), answered for pictures from no file.

    Attributes:
        path: what the pictures come from, in words.
        width, height: of the pictures.
        color: of the pictures.
        rate: frames per second, roughly: each picture brings its own time.
    """

    path: Path
    width: int
    height: int
    color: ColorTags
    rate: float

    container: None = None
    is_cut: bool = False
    sample_aspect_ratio: Fraction | None = None
    time_base: Fraction = Fraction(1, TICKS)

    @property
    def info(self) -> MediaInfo:
        """A description in the terms of a file."""
        return MediaInfo(
            path=self.path,
            formats=(),
            video_index=0,
            width=self.width,
            height=self.height,
            frames=None,
            duration=None,
            average_rate=Fraction(self.rate).limit_denominator(1001),
            time_base=self.time_base,
            start_time=0.0,
            rotation=0,
            display_matrix=None,
            sample_aspect_ratio=None,
            pix_fmt="yuv420p",
            bit_depth=8,
            color=self.color,
            codec="rawvideo",
            tagged_range=True,
        )

    @property
    def tape(self) -> PacketTape:
        """An empty one: there is nothing to copy."""
        return PacketTape()

    def chapters(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def retain(self) -> None:
        """Nothing has to be kept open."""

    def release(self) -> None:
        """Nothing was kept open."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a recording holds.

    Attributes:
        path: the file.
        frames: pictures in it.
        seconds: from the first to the last picture.
        encoder: name of the video encoder.
        sound: name of the sound's encoder; None without sound.
        problem: why it ended early; empty otherwise.
    """

    path: str
    frames: int
    seconds: float
    encoder: str
    sound: str | None
    problem: str = ""


class Recorder:
    """Writes shown pictures at the times at which they were shown.

    A picture is shown some time after it was captured, and the sound that belongs to it is moved by that much: by the
    mean delay of the last second, so that a single late picture does not shift the sound.

    Attributes:
        delay: seconds by which the sound is moved now.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        first: Frame,
        *,
        rate: float,
        sound: bool = False,
        source: str = "live",
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
        threads: int = 0,
    ) -> None:
        """Open a recording.

        Args:
            path: the file; its extension names the container.
            first: a picture like those that will come: its size and colours.
            rate: frames per second, roughly.
            sound: whether there will be sound.
            source: what the pictures come from, in words.
            encoder, quality, overwrite, threads: see `VideoWriter`.

        Raises:
            InputError: the file cannot be made as asked.
        """
        origin = LiveOrigin(Path(source), first.width, first.height, first.color, max(1.0, rate))
        self._writer = VideoWriter(
            path,
            origin,
            encoder=encoder,
            quality=quality,
            overwrite=overwrite,
            threads=threads,
            growing=True,
            sound=sound,
        )
        self._sound = sound
        self._begin: float | None = None
        self._last = 0.0
        self.delay = 0.0

    def write(self, frame: Frame, *, captured: float, shown: float) -> None:
        """Record a picture.

        Args:
            frame: of the size of the first one.
            captured, shown: when that was, in seconds of one clock.

        Raises:
            RestyleError: the encoder or the disk fails; what was written is kept.
        """
        if self._begin is None:
            self._begin, self.delay = shown, shown - captured
        self.delay += _SMOOTHING * (shown - captured - self.delay)
        self._last = shown - self._begin
        self._writer.write(replace(frame, pts=round(self._last * TICKS), duration=0, time_base=Fraction(1, TICKS)))

    def hear(self, sound: Sound) -> None:
        """Record a piece of sound. Before the first picture it is thrown away.

        Raises:
            RestyleError: the encoder or the disk fails; what was written is kept.
        """
        if self._begin is not None and self._sound:
            self._writer.hear(sound, sound.time + self.delay - self._begin)

    @property
    def seconds(self) -> float:
        """From the first to the last picture."""
        return self._last

    def finish(self, problem: str = "") -> Recording:
        """Complete the file. A recording without a single picture leaves no file.

        Args:
            problem: why it ends early, for the summary.

        Raises:
            RestyleError: the disk is full, say; what was written is kept.
        """
        summary = self._writer.summary
        if problem or not summary.frames:
            self._writer.abort()
        else:
            self._writer.finish()
        track = self._writer.sound_codec
        return Recording(str(self._writer.path), summary.frames, round(self._last, 3), summary.encoder, track, problem)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.abort()
