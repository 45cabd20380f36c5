"""The streams beside the video: what becomes of each packet on its way from the source to the output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from av.packet import Packet

# Tags that describe the source file's bytes, not its content.
_STALE_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "bps", "number_of_frames",
     "number_of_bytes", "rotate", "vendor_id"}
)  # fmt: skip
_STALE_PREFIXES = ("_statistics_", "bps-", "duration-", "number_of_")


class Track(Protocol):
    """What becomes of one copied stream."""

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        """Packets for the output, from one packet of the source."""

    def flush(self) -> Iterable[Packet[Any]]:
        """What is left at the end."""


class Copied:
    """A stream whose packets go into the output as they are; only impossible time stamps are mended."""

    note: str | None = None

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

    def flush(self) -> Iterable[Packet[Any]]:
        return ()


class ConvertedText:
    """Subtitles that are text in another notation: each line is decoded and written in the container's own."""

    def __init__(self, stream: Any, source: Any) -> None:
        self._stream = stream
        self._source = source

    @classmethod
    def create(cls, container: Any, source: Any, codec: str) -> ConvertedText | None:
        """A track in `container`; None where this build of FFmpeg cannot do it."""
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
        base = Fraction(packet.time_base)
        out.pts = out.dts = stamp
        out.duration = packet.duration or 0
        out.time_base = base
        out.stream = self._stream
        yield out

    def flush(self) -> Iterable[Packet[Any]]:
        return ()


class ReencodedAudio:
    """An audio track that the container cannot hold: decoded, resampled to what the encoder takes, encoded.

    Attributes:
        codec: what it becomes.
        mixed: whether it has fewer channels than before.
    """

    def __init__(self, stream: Any, source: Any, codec: str, padding: int | None) -> None:
        self.codec = codec
        self.mixed = False
        self._stream = stream
        self._source = source
        self._resampler: Any = None
        self._bad = 0
        self._steady = None if padding is None else _SteadySound(stream.codec_context, padding)

    @classmethod
    def create(
        cls, container: Any, source: Any, encoders: tuple[str, ...], *, steady: bool = False
    ) -> ReencodedAudio | None:
        """A track in `container`, with the first of `encoders` that takes it; None where it cannot be done.

        Args:
            container: the output.
            source: the stream of the input.
            encoders: names, the best first.
            steady: the container knows no times: sound must begin at 0 and have no gaps.
        """
        from av.codec.codec import Codec, UnknownCodecError

        if source.codec_context is None or not source.codec_context.sample_rate:
            return None
        given = source.codec_context.layout
        layouts = [given.name]
        if "(side)" in given.name:  # the same loudspeakers, for all that encoders care
            layouts.append(given.name.replace("(side)", ""))
        # Rather another encoder than fewer loudspeakers.
        for name, layout in [*((n, x) for n in encoders for x in layouts), *((n, "stereo") for n in encoders)]:
            try:
                codec = Codec(name, "w")
            except UnknownCodecError:
                continue
            rates = codec.audio_rates or []
            rate = source.codec_context.sample_rate
            if rates and rate not in rates:
                # The nearest rate that loses nothing; else the highest there is.
                rate = min((r for r in rates if r >= rate), default=max(rates))
            padding = _padding(name, rate, layout)
            if padding is None:
                continue
            stream = container.add_stream(name, rate=rate)
            context = stream.codec_context
            context.layout = layout
            context.bit_rate = _bit_rate(name, context.layout.nb_channels)
            stream.time_base = context.time_base = Fraction(1, rate)
            copy_tags(source, stream)
            made = cls(stream, source, str(codec.canonical_name), padding if steady else None)
            made.mixed = context.layout.nb_channels < given.nb_channels
            return made
        return None

    @property
    def note(self) -> str | None:
        """What went wrong without stopping the work."""
        return f"{self._bad} damaged audio packets were skipped" if self._bad else None

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        import av.error

        try:
            frames = self._source.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self._bad += 1
            return
        for frame in frames:
            yield from self._encode(frame)

    def flush(self) -> Iterable[Packet[Any]]:
        import av.error

        with contextlib.suppress(av.error.FFmpegError, EOFError):
            for frame in self._source.decode(None):
                yield from self._encode(frame)
        if self._resampler is not None:
            yield from self._encode(None)
            if self._steady is not None:
                for piece in self._steady.rest():
                    yield from self._stream.encode(piece)
            yield from self._stream.encode(None)

    def _encode(self, frame: Any) -> Iterable[Packet[Any]]:
        from av.audio.resampler import AudioResampler

        if self._resampler is None:
            context = self._stream.codec_context
            self._resampler = AudioResampler(
                format=context.format.name,
                layout=context.layout.name,
                rate=context.sample_rate,
                frame_size=None if self._steady is not None else context.frame_size or None,
            )
        for piece in self._resampler.resample(frame):
            for whole in (piece,) if self._steady is None else self._steady.feed(piece):
                yield from self._stream.encode(whole)


class _SteadySound:
    """Sound without gaps that begins at time 0, less the samples that the encoder itself puts before it.

    A decoder plays those, too, where the container cannot say how many there are. So as many samples are left out at
    the beginning, and everything after them is heard at its time.
    """

    def __init__(self, context: Any, padding: int) -> None:
        from av.audio.fifo import AudioFifo

        self._context = context
        self._fifo: Any = AudioFifo()
        self._next = self._written = padding

    def feed(self, piece: Any) -> Iterable[Any]:
        """Whole frames for the encoder, from a resampled piece."""
        begin = self._next
        if piece.pts is not None:
            begin = round(piece.pts * Fraction(piece.time_base) * self._context.sample_rate)
        planar = piece.format.is_planar
        samples = piece.to_ndarray()
        if not planar:
            samples = samples.reshape(-1, len(piece.layout.channels)).T
        if begin < self._next:
            samples = samples[:, self._next - begin :]
        elif begin > self._next:
            samples = np.pad(samples, ((0, 0), (begin - self._next, 0)))
        if samples.shape[1]:
            self._next += samples.shape[1]
            self._put(samples, piece, planar)
        size = self._context.frame_size or samples.shape[1]
        while size and self._fifo.samples >= size:
            yield self._frame(size)

    def rest(self) -> Iterable[Any]:
        """What is left at the end."""
        if self._fifo.samples:
            yield self._frame(self._fifo.samples)

    def _put(self, samples: np.ndarray, like: Any, planar: bool) -> None:
        from av.audio.frame import AudioFrame

        data = samples if planar else samples.T.reshape(1, -1)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(data), format=like.format.name, layout=like.layout.name)
        frame.sample_rate = self._context.sample_rate
        self._fifo.write(frame)

    def _frame(self, samples: int) -> Any:
        frame = self._fifo.read(samples)
        frame.pts, frame.time_base = self._written, Fraction(1, self._context.sample_rate)
        self._written += samples
        return frame


def _bit_rate(encoder: str, channels: int) -> int:
    return (64_000 if "opus" in encoder else 96_000) * max(1, min(8, channels))


def _padding(encoder: str, rate: int, layout: str) -> int | None:
    """Samples that an encoder puts before the sound; None where it does not take this layout."""
    import av
    import av.error
    from av.audio.frame import AudioFrame

    context: Any = av.CodecContext.create(encoder, "w")
    try:
        context.sample_rate, context.layout = rate, layout
        context.format = context.codec.audio_formats[0].name
        context.bit_rate = _bit_rate(encoder, context.layout.nb_channels)
        context.time_base = Fraction(1, rate)
        context.open()
        frame = AudioFrame(context.format.name, layout, context.frame_size or 1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        packets = [*context.encode(frame), *context.encode(None)]
    except (av.error.FFmpegError, ValueError):
        return None
    return max(0, -int(packets[0].pts)) if packets and packets[0].pts is not None else 0


def lasting(tags: dict[str, str]) -> dict[str, str]:
    """Tags that still hold for another encoding of the same content."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def copy_tags(source: Any, target: Any) -> None:
    target.metadata.update(lasting(dict(source.metadata)))
    target.disposition = int(source.disposition)
