"""One stream beside the video: what becomes of each packet on its way from the source to the output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from av.packet import Packet

# Tags that describe the source file's bytes, not its content.
_STALE_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "bps", "number_of_frames",
     "number_of_bytes", "rotate", "vendor_id"}
)  # fmt: skip
_STALE_PREFIXES = ("_statistics_", "bps-", "duration-", "number_of_")
_GAP = 0.01
"""Seconds: ten times what Matroska rounds time stamps to."""


class Track(Protocol):
    """A stream of the output that is made from one of the source."""

    @property
    def note(self) -> str | None:
        """What went wrong without stopping the work; None for nothing."""
        return None

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        """Packets for the output, from one packet of the source."""
        ...

    def flush(self) -> Iterable[Packet[Any]]:
        """What is left at the end."""
        return ()


class CopiedTrack(Track):
    """Packets go into the output as they are. Only impossible time stamps are corrected."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._last: int | None = None
        self._next = 0

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        if packet.size == 0 and self._stream.type != "subtitle":
            return
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else self._next
        if packet.pts is None:
            packet.pts = packet.dts
        if self._last is not None and packet.dts <= self._last and self._stream.type != "subtitle":
            packet.dts = self._last + 1
            packet.pts = max(packet.pts, packet.dts)
        self._last = packet.dts
        self._next = packet.dts + (packet.duration or 1)
        packet.stream = self._stream
        yield packet


class ConvertedText(Track):
    """Text subtitles in another notation: each line is decoded, and encoded in the container's own."""

    def __init__(self, stream: Any, source: Any) -> None:
        self._stream = stream
        self._source = source

    @classmethod
    def create(cls, container: Any, source: Any, codec: str) -> ConvertedText | None:
        """Add a track to a container; None where this build of FFmpeg cannot do it."""
        import av.error

        try:
            source.codec_context.open(strict=False)
            header = source.codec_context.subtitle_header
            if not header:
                return None
            stream = container.add_stream(codec)
        except (ValueError, AttributeError, av.error.FFmpegError):
            return None
        stream.codec_context.subtitle_header = header
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        copy_tags(source, stream)
        return cls(stream, source)

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        import av.error

        stamp = packet.pts if packet.pts is not None else packet.dts
        if not packet.size or stamp is None:
            return
        try:
            text = self._source.codec_context.decode2(packet)
            if text is None or not len(text):
                return
            out = self._stream.codec_context.encode_subtitle(text)
        except (av.error.FFmpegError, ValueError):
            return
        if not out.size:
            return
        out.pts = out.dts = stamp
        out.duration = packet.duration or 0
        out.time_base = Fraction(packet.time_base)
        out.stream = self._stream
        yield out


class ReencodedAudio(Track):
    """Audio that is decoded, resampled to what an encoder takes, and encoded.

    Attributes:
        codec: FFmpeg's name of the new codec.
        mixed: whether it has fewer channels than before.
    """

    def __init__(self, stream: Any, source: Any, padding: int | None) -> None:
        """See `create`.

        An encoder puts samples of its own (the padding) before the first. Where the container cannot say how many,
        decoders play them, too. So as many samples are left out at the beginning, and the rest is heard at its time.
        """
        context = stream.codec_context
        self.codec = str(context.codec.canonical_name)
        self.mixed = context.layout.nb_channels < source.codec_context.layout.nb_channels
        self._stream, self._source = stream, source
        self._damaged = self._frames = 0
        self._gapless = None if padding is None else timed_resampler(context, padding, gap=_GAP)

    @classmethod
    def create(
        cls, container: Any, source: Any, encoders: tuple[str, ...], *, without_gaps: bool = False
    ) -> ReencodedAudio | None:
        """Add a track to a container, with the first encoder that takes the audio; None where it cannot be done.

        Args:
            container: the output.
            source: the stream of the input.
            encoders: names, the best first.
            without_gaps: the container has no time stamps: the audio must begin at 0 and have no gaps.
        """
        given = source.codec_context
        if given is None or not given.sample_rate:
            return None
        # For encoders the loudspeakers of "5.1(side)" are those of "5.1".
        layouts = dict.fromkeys((given.layout.name, given.layout.name.replace("(side)", "")))
        # Another encoder is better than fewer loudspeakers.
        for name, layout in [*((n, x) for n in encoders for x in layouts), *((n, "stereo") for n in encoders)]:
            found = _try_encoder(name, given.sample_rate, layout)
            if found is None:
                continue
            rate, padding = found
            stream = container.add_stream(name, rate=rate)
            _set_up(stream.codec_context, rate, layout)
            stream.time_base = stream.codec_context.time_base
            copy_tags(source, stream)
            return cls(stream, source, padding if without_gaps else None)
        return None

    @property
    def note(self) -> str | None:
        return f"{self._damaged} damaged audio packets were skipped" if self._damaged else None

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        import av.error

        try:
            frames = self._source.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self._damaged += 1
            return
        for frame in frames:
            yield from self._encode(frame)

    def flush(self) -> Iterable[Packet[Any]]:
        import av.error

        with contextlib.suppress(av.error.FFmpegError, EOFError):
            for frame in self._source.decode(None):
                yield from self._encode(frame)
        if self._frames:
            if self._gapless is not None:
                yield from self._encode(None)
            yield from self._stream.encode(None)

    def _encode(self, frame: Any) -> Iterable[Packet[Any]]:
        self._frames += 1
        # PyAV resamples to what the encoder takes.
        for piece in (frame,) if self._gapless is None else self._gapless.resample(frame):
            yield from self._stream.encode(piece)


def timed_resampler(context: Any, first: int, *, gap: float, stretch: int = 1) -> Any:
    """PyAV's `AudioResampler` to what an encoder takes, whose output has no gaps.

    Where the time stamps say that audio is missing, there is silence, and where they overlap, audio is cut.

    Args:
        context: of the encoder.
        first: time of the first sample that comes out, in samples of the encoder's rate.
        gap: seconds by which audio must be off to be padded or cut: more than its time stamps are rounded.
        stretch: samples a second by which smaller differences are made up for; 1 for none.
    """
    from av.audio.resampler import AudioResampler

    return AudioResampler(
        context.format.name,
        context.layout.name,
        context.sample_rate,
        # Without a size, PyAV hands audio on as it is where only its times would change.
        frame_size=context.frame_size or 1024,
        options={"async": str(stretch), "min_hard_comp": str(gap), "first_pts": str(first)},
    )


def _set_up(context: Any, rate: int, layout: str) -> None:
    context.sample_rate, context.layout = rate, layout
    per_channel = 64_000 if "opus" in context.codec.name else 96_000
    context.bit_rate = per_channel * max(1, min(8, context.layout.nb_channels))
    context.time_base = Fraction(1, rate)


def _try_encoder(encoder: str, wanted: int, layout: str) -> tuple[int, int] | None:
    """The sample rate nearest to the wanted one that an encoder takes, and its padding, found out by encoding silence.

    Returns:
        None where this build does not have the encoder, or it does not take the layout.
    """
    import av
    import av.error
    from av.audio.frame import AudioFrame

    try:
        context: Any = av.CodecContext.create(encoder, "w")
        rates = context.codec.audio_rates or [wanted]
        # The nearest rate that loses nothing; else the highest there is.
        rate = wanted if wanted in rates else int(min((r for r in rates if r >= wanted), default=max(rates)))
        _set_up(context, rate, layout)
        context.format = context.codec.audio_formats[0].name
        context.open()
        frame = AudioFrame(context.format.name, layout, context.frame_size or 1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        packets = [*context.encode(frame), *context.encode(None)]
    except (av.error.FFmpegError, ValueError):
        return None
    return rate, max(0, -int(packets[0].pts)) if packets and packets[0].pts is not None else 0


def lasting_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that still hold for another encoding of the same content."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def copy_tags(source: Any, target: Any) -> None:
    """Copy a stream's tags and its disposition."""
    target.metadata.update(lasting_tags(dict(source.metadata)))
    target.disposition = int(source.disposition)
