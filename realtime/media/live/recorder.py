"""Recording what a live filter shows, with sound in step, into a file that can be played however the program ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from realtime.errors import InputError
from realtime.frames import Frame
from realtime.media.files.muxer import Muxer
from realtime.media.files.output_spec import OutputSpec, SourceVideo
from realtime.media.files.side_streams import SideOutput
from realtime.media.files.tracks import timed_resampler
from realtime.media.files.writer import OutputWriter
from realtime.media.live.sound import Sound

if TYPE_CHECKING:
    from av.packet import Packet

_TICKS = 90_000
"""Units of time in a second of a recording."""
_SOUND_TICKS = 1_000_000
_RATE = 48_000
"""Samples per second of a recorded track."""
_SMOOTHING = 0.05


class SoundTrack(SideOutput):
    """A recorded track: whatever sound comes becomes one stream without gaps that begins at 0 and keeps to its times.

    Where the times say that sound is missing, there is silence; where the source's clock runs fast or slow, or the
    picture's delay changes, the sound is stretched by up to a hundredth until it is in step again.

    Attributes:
        codec: FFmpeg's name of the encoder.
    """

    def __init__(self, container: Any, encoders: Iterable[str], mux: Callable[[Packet[Any]], None]) -> None:
        """Add a track to an output that has not been started.

        Args:
            container: PyAV's.
            encoders: names; the first one that this build has is taken. It must take stereo.
            mux: writes the track's packets.

        Raises:
            InputError: this build has none of the encoders.
        """
        from av.codec.codec import UnknownCodecError

        for name in encoders:
            with contextlib.suppress(UnknownCodecError):
                self._stream = container.add_stream(name, rate=_RATE)
                break
        else:
            raise InputError(f"this build of FFmpeg has no encoder for sound ({', '.join(encoders)}); use --sound off")
        context = self._stream.codec_context
        context.layout, context.bit_rate = "stereo", 128_000
        self._stream.time_base = context.time_base = Fraction(1, _RATE)
        self.codec = str(context.codec.name)
        self._mux = mux
        self._resampler: Any = None
        self._rate = self._end = 0

    def hear(self, sound: Sound, time: float) -> None:
        """Encode a piece of sound.

        Args:
            sound: of any rate, with one channel or two.
            time: where it belongs, in seconds from the beginning of the recording; what lies before 0 is cut off.
        """
        from av.audio.frame import AudioFrame

        if sound.rate != self._rate:
            self._encode(None)  # what is left, where a stream came back in another form
            self._rate = sound.rate
            self._resampler = timed_resampler(self._stream.codec_context, self._end, gap=0.1, stretch=_RATE // 100)
        both = np.repeat(sound.samples, 2, axis=0) if sound.samples.shape[0] == 1 else sound.samples
        frame = AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, _SOUND_TICKS)
        frame.pts = round(time * _SOUND_TICKS)
        self._encode(frame)

    def finish(self, shift: Fraction = Fraction(0)) -> None:
        """Encode what is left."""
        self._encode(None)
        for packet in self._stream.encode(None):
            self._mux(packet)

    def _encode(self, frame: Any) -> None:
        for piece in () if self._resampler is None else self._resampler.resample(frame):
            piece.time_base = Fraction(1, _RATE)
            self._end = piece.pts + piece.samples
            for packet in self._stream.encode(piece):
                self._mux(packet)


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
        seconds: from the first to the last picture.
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
    ) -> None:
        """Open a recording.

        Args:
            path: the file; its extension names the container.
            first: a picture like those that will come: its size and colours.
            rate: frames per second, roughly.
            sound: whether there will be sound.
            source: what the pictures come from. If it is a file, a recording cannot replace it.
            encoder, quality, overwrite: see `OutputSpec`.

        Raises:
            InputError: the file cannot be made as asked.
        """
        video = SourceVideo(
            path=Path(source),
            width=first.width,
            height=first.height,
            time_base=Fraction(1, _TICKS),
            color=first.color,
            color_range=2 if first.color.range == "full" else 1,
            rate=Fraction(max(1.0, rate)).limit_denominator(1001),
        )
        spec = OutputSpec(path, video, encoder=encoder, quality=quality, overwrite=overwrite, growing=True)
        self._sound: SoundTrack | None = None

        def open_sound(muxer: Muxer, *_: Any) -> SideOutput:
            self._sound = SoundTrack(muxer.container, spec.holds.audio_encoders, muxer.mux)
            return self._sound

        self._writer = OutputWriter(spec, open_sound if sound else None)
        self._begin: float | None = None
        self.seconds = self.delay = 0.0

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
        self.seconds = shown - self._begin
        pts = round(self.seconds * _TICKS)
        self._writer.write(replace(frame, pts=pts, duration=0, time_base=Fraction(1, _TICKS)))

    def hear(self, sound: Sound) -> None:
        """Record a piece of sound. Before the first picture it is thrown away.

        Raises:
            RestyleError: the encoder or the disk fails; what was written is kept.
        """
        if self._begin is not None and self._sound is not None:
            with self._writer.reporting_errors():
                self._sound.hear(sound, sound.time + self.delay - self._begin)

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
        codec = None if self._sound is None else self._sound.codec
        path = str(self._writer.spec.path)
        return Recording(path, summary.frames, round(self.seconds, 3), summary.encoder, codec, problem)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.abort()
