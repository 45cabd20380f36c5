"""Writing a video file: styled frames are encoded, the source's other streams are copied from the reader's tape."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InputError, RestyleError
from ..frames import Frame, chroma_shape
from .capabilities import quiet_libraries
from .encoders import (
    AUDIO_ENCODERS,
    AUTO_ENCODERS,
    FASTSTART,
    FIXED_RATE,
    HALVED_CHROMA,
    KEEPS_CHAPTERS,
    KEEPS_ROTATION,
    KNOWN_EXTENSIONS,
    TEXT_CODECS,
    TEXT_SUBTITLES,
    check_encoder,
    choose_pix_fmt,
    copies_audio,
    copies_subtitles,
    encoder_settings,
    video_encoder_list,
)
from .probe import ATTACHED_PICTURE, codec_name, reason
from .reader import VideoReader, plane_view
from .tape import shift_packet

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame

_LEAD = 0.5
"""Seconds by which copied packets may run ahead of the video, so that a player's buffer finds both."""

_LOOSE_CLOCKS = frozenset({"mpegts", "mpeg", "hls"})
_FALLBACK_RATE = Fraction(30)
_MPEG4_MAX_DENOMINATOR = 65535
_ENCODER_DELAY = 64

# Tags that describe the source file's bytes, not its content.
_STALE_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "bps", "number_of_frames",
     "number_of_bytes", "rotate", "vendor_id"}
)  # fmt: skip
_STALE_PREFIXES = ("_statistics_", "bps-", "duration-", "number_of_")


@dataclass
class WriteSummary:
    """What went into a file.

    Attributes:
        frames: pictures written.
        encoder: name of the video encoder.
        audio_streams: audio tracks in the output.
        copied: streams copied as they are, in words.
        converted: streams that had to be re-encoded, and why, in words.
        dropped: streams left out, and why, in words.
        notes: other things worth knowing.
    """

    frames: int = 0
    encoder: str = ""
    audio_streams: int = 0
    copied: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Track(Protocol):
    """What becomes of one copied stream."""

    def feed(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        """Packets for the output, from one packet of the source."""

    def flush(self) -> Iterable[Packet[Any]]:
        """What is left at the end."""


class VideoWriter:
    """Encodes frames into a file beside the streams that a reader does not decode.

    The file appears at its path when `finish` succeeds, not before; on any error, and on `abort`, nothing is left.
    Everything about the output is checked, and the encoder opened, before the first frame is asked for.

    Attributes:
        path: the output.
        encoder: name of the encoder in use.
        width, height: size of the frames to be written.
        summary: what has been written so far.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reader: VideoReader,
        *,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
        width: int | None = None,
        height: int | None = None,
        threads: int = 0,
    ) -> None:
        """Open an output.

        Args:
            path: the file to make; its extension names the container.
            reader: the source: times, colours, rotation, tags and the other streams are taken from it. It must not
                have been iterated yet.
            encoder: "auto", or FFmpeg's name of a video encoder.
            quality: the encoder's own quality number (CRF for libx264: 0 best, 51 worst); None for a good default.
            overwrite: replace a file that is there.
            width, height: size of the frames that will come; the reader's where None.
            threads: encoder threads, 0 for as many as there are cores.

        Raises:
            InputError: the output cannot be made as asked; the message says why and what to do.
        """
        self.path = Path(path)
        self.width = width or reader.width
        self.height = height or reader.height
        self.summary = WriteSummary()
        self._reader = reader
        self._check_target(overwrite)
        self._temporary = self.path.with_name(f".{self.path.stem}.{secrets.token_hex(4)}.part{self.path.suffix}")
        self._container: Any = None
        self._retained = False
        self._tracks: dict[int, _Track] = {}
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._last_duration = 0
        self._step = 0
        self._durations_lie = False
        self._done = False
        info = reader.info
        # Broadcast formats start their clock anywhere; a file is to start at 0. Others are kept to the tick.
        loose = bool(_LOOSE_CLOCKS & set(info.formats)) and not reader.is_cut
        self._shift = Fraction(info.container_start).limit_denominator(90000) if loose else Fraction(0)
        try:
            self._open(encoder, quality, threads)
        except BaseException:
            self._discard()
            raise

    # Opening

    def _check_target(self, overwrite: bool) -> None:
        target, folder = self.path, self.path.parent
        if target.is_dir():
            raise InputError(f"{target}: is a folder; name a file")
        if not folder.is_dir():
            raise InputError(f"{target}: the folder {folder} does not exist")
        source = os.fspath(self._reader.path)
        if target.exists():
            with contextlib.suppress(OSError):
                if os.path.samefile(source, target):
                    raise InputError(f"{target}: is the input itself; name another output")
            if not overwrite:
                raise InputError(f"{target}: exists; use --overwrite to replace it")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{target}: the folder {folder} cannot be written to")
        if not target.suffix:
            raise InputError(f"{target}: needs an extension that names the container, such as {KNOWN_EXTENSIONS}")

    def _open(self, encoder: str, quality: float | None, threads: int) -> None:
        import av
        import av.error

        path = self.path
        try:
            # Reserving the name now finds out whether the folder really can be written to.
            os.close(os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        try:
            container = av.open("file:" + os.fspath(self._temporary), mode="w", metadata_errors="replace")
        except (ValueError, av.error.FFmpegError):
            raise InputError(
                f"{path}: no container is known by the extension {path.suffix!r}; use one of {KNOWN_EXTENSIONS}"
            ) from None
        self._container = container
        self._format = str(container.format.name)
        if self._format in FASTSTART:
            # Edit lists, which hold the offset of sound and picture, are rounded to this clock: to 1 ms without it.
            container.container_options.update(movflags="+faststart", movie_timescale="90000")

        name = encoder
        if encoder == "auto":
            name = AUTO_ENCODERS.get(self._format, "")
            if not name:
                raise InputError(f"{path}: {path.suffix} does not hold video as we write it; use {KNOWN_EXTENSIONS}")
        self._add_video(name, quality, threads)
        quiet_libraries()
        self._reader.retain()
        self._retained = True
        self._add_others()
        self._add_tags()
        try:
            container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise InputError(f"{path}: cannot be written ({reason(error)})") from None
            hint = "" if name == "libx264" else "; try --encoder libx264"
            raise InputError(f"{path}: the encoder {name} cannot be used here ({reason(error)}){hint}") from None
        self._reader.tape.want(self._tracks)

    def _add_video(self, name: str, quality: float | None, threads: int) -> None:
        path, reader, info = self.path, self._reader, self._reader.info
        codec = check_encoder(name)
        canonical = str(codec.canonical_name)
        formats = [f.name for f in codec.video_formats or []]
        pix_fmt = choose_pix_fmt(canonical, formats, width=self.width, height=self.height)
        if pix_fmt is None:
            raise InputError(f"encoder {name!r} takes no 4:2:0 video of {self.width}x{self.height}; try libx264")
        rate = info.average_rate or _FALLBACK_RATE
        try:
            stream = self._container.add_stream(codec.name, rate=rate)
        except ValueError:
            raise InputError(
                f"{path}: {path.suffix} cannot hold {canonical} video; use another extension, such as .mkv, "
                f"or another of the encoders {video_encoder_list()}"
            ) from None
        context = stream.codec_context
        settings = encoder_settings(
            codec.name,
            quality,
            options=frozenset(o.name for o in context.supported_options.private),
            width=self.width,
            height=self.height,
            rate=float(rate),
        )
        context.width, context.height, context.pix_fmt = self.width, self.height, pix_fmt
        context.thread_count = threads
        context.thread_type = "AUTO"
        for key, value in settings.attributes.items():
            setattr(context, key, value)
        options = dict(settings.options)

        base = reader.time_base
        if self._format in FIXED_RATE:
            base = 1 / rate
            # It has no presentation times either: pictures must come in the order in which they are shown.
            context.max_b_frames = 0
            self.summary.notes.append(f"{path.suffix} has one frame rate: times are rounded to {float(rate):g} fps")
        elif canonical == "mpeg4" and base.denominator > _MPEG4_MAX_DENOMINATOR:
            base = Fraction(1, 60000)
        stream.time_base = context.time_base = base
        self._time_base = base
        self._step = max(1, round(1 / (rate * base)))

        color = info.color
        context.color_range = 2 if color.range == "full" else _limited(info)
        context.colorspace, context.color_primaries, context.color_trc = color.space, color.primaries, color.transfer
        if color.chroma_location:
            names = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")
            options["chroma_sample_location"] = names[color.chroma_location]
        context.options = options
        if reader.sample_aspect_ratio:
            context.sample_aspect_ratio = reader.sample_aspect_ratio
        if info.display_matrix is not None:
            if self._format in KEEPS_ROTATION:
                stream.set_display_matrix(_scaled_matrix(info.display_matrix))
            else:
                self.summary.notes.append(f"{path.suffix} cannot store the rotation of {info.rotation} degrees")
        source = reader.container.streams[info.video_index]
        _copy_tags(source, stream)
        if pix_fmt == "yuv444p" and canonical in HALVED_CHROMA:
            self.summary.notes.append(
                f"{self.width}x{self.height} is odd: encoded as 4:4:4, which not every player shows"
            )
        if info.bit_depth > 8:
            self.summary.notes.append(f"the source's {info.bit_depth} bits a sample become 8")
        self.summary.encoder = codec.name
        self.encoder = str(codec.name)
        self._stream = stream
        self._context = context
        self._pix_fmt = pix_fmt

    def _add_others(self) -> None:
        summary, reader = self.summary, self._reader
        has_chapters = bool(reader.container.chapters())
        for stream in reader.container.streams:
            if stream.index == reader.info.video_index:
                continue
            codec = codec_name(stream)
            what = f"{stream.type} {stream.index} ({codec})"
            if stream.type == "audio":
                self._add_audio(stream, codec, what)
            elif stream.type == "subtitle":
                if copies_subtitles(self._format, codec) and self._copy(stream):
                    summary.copied.append(what)
                elif self._convert_subtitles(stream, codec):
                    summary.converted.append(f"{what} to {TEXT_SUBTITLES[self._format]}")
                else:
                    summary.dropped.append(f"{what}: {self.path.suffix} cannot hold it")
            elif stream.type == "attachment" and self._format == "matroska" and self._attach(stream):
                summary.copied.append(what)
            elif stream.type == "video" and int(stream.disposition) & ATTACHED_PICTURE:
                what = f"cover art {stream.index} ({codec})"
                if self._format in ("mp4", "ipod") and self._copy(stream):
                    summary.copied.append(what)
                else:
                    summary.dropped.append(f"{what}: not kept in {self.path.suffix}")
            elif stream.type == "data" and (has_chapters or stream.metadata.get("timecode")):
                continue  # a chapter or time code track: written anew from the tags
            elif stream.type == "video":
                summary.dropped.append(f"{what}: only one video track is styled")
            else:
                summary.dropped.append(f"{what}: not copied")

    def _add_audio(self, stream: Any, codec: str, what: str) -> None:
        if copies_audio(self._format, codec) and self._copy(stream):
            self.summary.copied.append(what)
        else:
            track = _ReencodedAudio.create(self._container, stream, AUDIO_ENCODERS.get(self._format, ("aac",)))
            if track is None:
                self.summary.dropped.append(f"{what}: cannot be decoded, and {self.path.suffix} cannot hold it")
                return
            self._tracks[stream.index] = track
            self.summary.converted.append(f"{what} to {track.codec}: {self.path.suffix} cannot hold {codec}")
        self.summary.audio_streams += 1

    def _copy(self, stream: Any) -> bool:
        """Add an output stream for packets to be copied to; False where the container refuses the codec."""
        import av.error

        try:
            copy = self._container.add_stream_from_template(stream, opaque=True)
        except (ValueError, av.error.FFmpegError):
            return False
        _copy_tags(stream, copy)
        self._tracks[stream.index] = _Copied(copy)
        return True

    def _convert_subtitles(self, stream: Any, codec: str) -> bool:
        target = TEXT_SUBTITLES.get(self._format)
        if target is None or codec not in TEXT_CODECS:
            return False
        track = _ConvertedText.create(self._container, stream, target)
        if track is not None:
            self._tracks[stream.index] = track
        return track is not None

    def _attach(self, stream: Any) -> bool:
        try:
            self._container.add_attachment(
                stream.name or f"attachment-{stream.index}", stream.mimetype or "application/octet-stream", stream.data
            )
        except (ValueError, AttributeError):
            return False
        return True

    def _add_tags(self) -> None:
        self._container.metadata.update(_lasting(self._reader.info.metadata))
        chapters = self._reader.chapters()
        if chapters:
            if self._format in KEEPS_CHAPTERS:
                self._container.set_chapters(chapters)
            else:
                self.summary.dropped.append(f"{len(chapters)} chapters: {self.path.suffix} cannot hold them")

    # Writing

    def write(self, frame: Frame) -> None:
        """Encode one frame, and copy the packets that belong beside it.

        Args:
            frame: planes of this writer's size; its pts must be later than that of the frame before.

        Raises:
            RestyleError: the encoder or the disk fails. The writer is then of no more use.
        """
        if self._done:
            raise RuntimeError("the writer has finished")
        if (frame.height, frame.width) != (self.height, self.width):
            raise RestyleError(
                f"{self.path}: a frame of {frame.width}x{frame.height} for a video of {self.width}x{self.height}"
            )
        pts = self._ticks(frame.pts, frame.time_base) - round(self._shift / self._time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        duration = self._ticks(frame.duration, frame.time_base) if frame.duration else 0
        if self._last_pts is not None:
            self._step = pts - self._last_pts
            if abs(self._last_duration - self._step) > 1:
                self._durations_lie = True
            if self._last_pts in self._durations:
                self._durations[self._last_pts] = self._step
        self._last_pts, self._last_duration = pts, duration
        self._durations[pts] = duration or self._step
        picture = self._picture(frame)
        picture.pts = pts
        picture.time_base = self._time_base
        try:
            for packet in self._context.encode(picture):
                self._mux_video(packet)
            self._copy_until(float(pts * self._time_base) + _LEAD)
        except OSError as error:
            raise self._failure(error) from error
        except Exception as error:
            if isinstance(error, RestyleError):
                raise
            raise self._failure(error) from error
        self.summary.frames += 1

    def finish(self) -> WriteSummary:
        """Flush the encoder, copy the rest, and put the file in its place.

        Returns:
            what went into it.

        Raises:
            RestyleError: the disk is full, or no frame was written. Nothing is left then.
        """
        if self._done:
            return self.summary
        if not self.summary.frames:
            self.abort()
            raise RestyleError(f"{self.path}: no frame was written")
        self._settle_last_duration()
        try:
            for packet in self._context.encode(None):
                self._mux_video(packet)
            self._copy_until(None)
            for track in self._tracks.values():
                for packet in track.flush():
                    self._container.mux_one(packet)
            self._container.close()
            self._container = None
            os.replace(self._temporary, self.path)
        except Exception as error:
            self.abort()
            raise self._failure(error) from error
        except BaseException:
            self.abort()
            raise
        self._done = True
        self._let_go()
        for track in self._tracks.values():
            note = getattr(track, "note", None)
            if note:
                self.summary.notes.append(note)
        return self.summary

    def _settle_last_duration(self) -> None:
        """How long the last picture is shown: as its frame says, unless the others' durations have proved wrong.

        (MP4 stores the time between decoding times, which with B-frames and a variable rate is not that of showing.)
        """
        info, base = self._reader.info, self._time_base
        if not self._durations_lie or self._last_pts not in self._durations:
            return
        duration = round(1 / (info.average_rate or _FALLBACK_RATE) / base)
        alone = len(self._reader.container.streams) == 1
        if alone and info.duration and not self._reader.is_cut:
            left = round(Fraction(info.container_start + info.duration) / base) - self._last_pts
            duration = left if left > 0 else duration
        self._durations[self._last_pts] = max(1, duration)

    def abort(self) -> None:
        """Stop and leave nothing behind. Does nothing after `finish`."""
        if not self._done:
            self._done = True
            self._discard()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _discard(self) -> None:
        # Unlinked first, so that closing does not spend time on completing a file nobody wants; again for systems
        # that do not unlink open files.
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(Exception):
                container.close()
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)
        self._let_go()

    def _let_go(self) -> None:
        if self._retained:
            self._retained = False
            self._reader.release()

    def _failure(self, error: BaseException) -> RestyleError:
        if isinstance(error, RestyleError):
            return error
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return RestyleError(f"{self.path}: the disk is full; nothing was kept")
        return RestyleError(f"{self.path}: writing failed ({reason(error)}); nothing was kept")

    def _ticks(self, stamp: int, base: Fraction) -> int:
        return stamp if base == self._time_base else round(stamp * base / self._time_base)

    def _picture(self, frame: Frame) -> VideoFrame:
        """The frame in a buffer of the encoder's own kind: one copy of each plane."""
        from av.video.frame import VideoFrame

        # A fresh buffer each time: the encoder keeps some for its lookahead, and FFmpeg recycles memory of one size.
        full = self._pix_fmt == "yuv444p"
        picture = VideoFrame(self.width, self.height, "yuv444p" if full else "yuv420p")
        planes = (frame.y, frame.u, frame.v)
        expected = chroma_shape(self.height, self.width)
        if frame.u.shape != expected or frame.v.shape != expected:
            raise RestyleError(f"{self.path}: chroma planes of {frame.u.shape}, {expected} were expected")
        for target, source in zip(picture.planes, planes, strict=True):
            view = plane_view(target)
            if full and source is not frame.y:
                source = source.repeat(2, axis=0).repeat(2, axis=1)[: self.height, : self.width]
            np.copyto(view, source)
        picture.color_range = self._context.color_range
        picture.colorspace = self._context.colorspace
        picture.color_primaries = self._context.color_primaries
        picture.color_trc = self._context.color_trc
        return picture

    def _mux_video(self, packet: Packet[Any]) -> None:
        packet.stream = self._stream
        if packet.pts is not None:
            # Not every encoder hands the duration on, and the container needs that of the last frame.
            packet.duration = self._durations.pop(packet.pts, self._step)
            if len(self._durations) > 16 * _ENCODER_DELAY:
                self._durations.clear()
        self._container.mux_one(packet)

    def _copy_until(self, time: float | None) -> None:
        for packet in self._reader.tape.take(None if time is None else time + float(self._shift)):
            if self._shift:
                shift_packet(packet, -self._shift)
            track = self._tracks.get(packet.stream_index)
            if track is not None:
                for out in track.feed(packet):
                    self._container.mux_one(out)


class _Copied:
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
        if self._last is not None and packet.dts <= self._last and self._stream.type == "audio":
            packet.dts = self._last + 1
            packet.pts = max(packet.pts, packet.dts)
        self._last = packet.dts
        self._next = packet.dts + (packet.duration or 1)
        packet.stream = self._stream
        yield packet

    def flush(self) -> Iterable[Packet[Any]]:
        return ()


class _ConvertedText:
    """Subtitles that are text in another notation: each line is decoded and written in the container's own."""

    def __init__(self, stream: Any, source: Any) -> None:
        self._stream = stream
        self._source = source

    @classmethod
    def create(cls, container: Any, source: Any, codec: str) -> _ConvertedText | None:
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
        _copy_tags(source, stream)
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


class _ReencodedAudio:
    """An audio track that the container cannot hold: decoded, resampled to what the encoder takes, encoded."""

    def __init__(self, stream: Any, source: Any, codec: str) -> None:
        self.codec = codec
        self._stream = stream
        self._source = source
        self._resampler: Any = None
        self._bad = 0

    @classmethod
    def create(cls, container: Any, source: Any, encoders: tuple[str, ...]) -> _ReencodedAudio | None:
        """A track in `container`, with the first of `encoders` that this build has; None where it cannot be done."""
        from av.codec.codec import Codec, UnknownCodecError

        if source.codec_context is None or not source.codec_context.sample_rate:
            return None
        for name in encoders:
            try:
                codec = Codec(name, "w")
            except UnknownCodecError:
                continue
            rates = codec.audio_rates or []
            rate = source.codec_context.sample_rate
            if rates and rate not in rates:
                # The nearest rate that loses nothing; else the highest there is.
                rate = min((r for r in rates if r >= rate), default=max(rates))
            stream = container.add_stream(name, rate=rate)
            context = stream.codec_context
            layout = source.codec_context.layout
            context.layout = layout.name if layout.nb_channels <= 8 else "stereo"
            context.bit_rate = (
                96_000 * max(1, min(8, layout.nb_channels))
                if "opus" not in name
                else (64_000 * max(1, min(8, layout.nb_channels)))
            )
            stream.time_base = context.time_base = Fraction(1, rate)
            _copy_tags(source, stream)
            return cls(stream, source, str(codec.canonical_name))
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
            yield from self._stream.encode(None)

    def _encode(self, frame: Any) -> Iterable[Packet[Any]]:
        from av.audio.resampler import AudioResampler

        if self._resampler is None:
            context = self._stream.codec_context
            self._resampler = AudioResampler(
                format=context.format.name,
                layout=context.layout.name,
                rate=context.sample_rate,
                frame_size=context.frame_size or None,
            )
        for piece in self._resampler.resample(frame):
            yield from self._stream.encode(piece)


def _limited(info: Any) -> int:
    """The range tag of a source that is not full range: limited if it says so (or was converted), else none."""
    return 1 if info.tagged_range or info.pix_fmt.startswith(("rgb", "bgr", "gbr")) else 0


def _scaled_matrix(matrix: tuple[int, ...]) -> tuple[int, ...]:
    """A display matrix without its translation, which is in pixels of the source's size and which players ignore."""
    return (*matrix[:2], 0, *matrix[3:5], 0, 0, 0, 1 << 30)


def _lasting(tags: dict[str, str]) -> dict[str, str]:
    """Tags that still hold for another encoding of the same content."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _STALE_TAGS and not key.lower().startswith(_STALE_PREFIXES)
    }


def _copy_tags(source: Any, target: Any) -> None:
    target.metadata.update(_lasting(dict(source.metadata)))
    target.disposition = int(source.disposition)
