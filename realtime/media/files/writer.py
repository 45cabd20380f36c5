"""Writing a video file: styled frames are encoded, the source's other streams are copied from the reader's tape."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from realtime.errors import DiskFull, InputError, RestyleError
from realtime.frames import Frame, SurfaceFrame, chroma_shape
from realtime.media.convert.geometry import Shape, shape
from realtime.media.convert.palette import Palette
from realtime.media.convert.reformat import AV_RANGE, SWS_SPACE
from realtime.media.convert.views import plane_view
from realtime.media.files.disk_space import RESERVE, SpaceWatch, megabytes
from realtime.media.files.encoders import (
    AUDIO_ENCODERS,
    AUTO_ENCODERS,
    CODES_ASPECT,
    COPYABLE_DATA,
    FASTSTART,
    FIXED_RATE,
    GROWING,
    HALVED_CHROMA,
    KEEPS_ASPECT,
    KEEPS_CHAPTERS,
    KEEPS_MIRRORING,
    KEEPS_ROTATION,
    KNOWN_EXTENSIONS,
    PICTURES_ONLY,
    SMALLEST_SIDE,
    TEXT_CODECS,
    TEXT_SUBTITLES,
    check_encoder,
    choose_pix_fmt,
    copies_audio,
    copies_subtitles,
    encoder_settings,
    immediate,
    video_encoder_list,
)
from realtime.media.files.packet_queue import PacketTape, shift_packet
from realtime.media.files.probe import ATTACHED_PICTURE, MediaInfo, codec_name
from realtime.media.files.side_streams import ConvertedText, Copied, ReencodedAudio, Track, copy_tags, lasting
from realtime.media.files.surfaces import AUTO_SURFACE_ENCODERS, CudaSurfaces
from realtime.media.live.sound import Sound, SoundTrack
from realtime.media.messages import quiet_libraries, reason
from realtime.memory import give_back_memory

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame

_LEAD = 0.5
"""Seconds by which copied packets may run ahead of the video, so that a player's buffer finds both."""

_LOOSE_CLOCKS = frozenset({"mpegts", "mpeg", "hls"})
_FALLBACK_RATE = Fraction(30)
_GIF_CLOCK = Fraction(1, 100)
_GIF_SHORTEST = 2
"""Ticks: players show anything shorter for a tenth of a second."""
_HEADER_PRECISION = Fraction(2, 1000)
_FINEST_RATE = Fraction(1000)
_KEY_SECONDS = 2
_MPEG4_MAX_DENOMINATOR = 65535
_ENCODER_DELAY = 64
_PACKETS = 1 << 15
"""After so many packets the index of an MP4 has grown by megabytes."""


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


class Origin(Protocol):
    """What a writer asks of where its frames come from. A `VideoReader` answers, and so does a live source.

    Attributes:
        path, info, tape, width, height, time_base, sample_aspect_ratio, is_cut, chapters, retain, release: see
            `VideoReader`.
        container: the PyAV container to copy streams and tags from; None where there is no file.
    """

    @property
    def path(self) -> os.PathLike[str]: ...
    @property
    def info(self) -> MediaInfo: ...
    @property
    def tape(self) -> PacketTape: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def time_base(self) -> Fraction: ...
    @property
    def sample_aspect_ratio(self) -> Fraction | None: ...
    @property
    def is_cut(self) -> bool: ...
    @property
    def container(self) -> Any: ...
    def chapters(self) -> list[dict[str, Any]]: ...
    def retain(self) -> None: ...
    def release(self) -> None: ...


class VideoWriter:
    """Encodes frames into a file beside the streams that a reader does not decode.

    The file appears at its path when `finish` succeeds, not before; on any error, and on `abort`, nothing is left.
    Everything about the output is checked, and the encoder opened, before the first frame is asked for.

    A growing file is the other way round: it grows under its own name, in pieces that can be played by themselves, and
    what was written is kept however the writing ends. Killed at any moment, it lacks its last second at most.

    Attributes:
        path: the output.
        encoder: name of the encoder in use.
        width, height: size of the frames to be written.
        summary: what has been written so far.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reader: Origin,
        *,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
        width: int | None = None,
        height: int | None = None,
        threads: int = 0,
        growing: bool = False,
        sound: bool = False,
        surfaces: CudaSurfaces | None = None,
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
            growing: see above; the encoder then gives out each picture at once.
            sound: make a track for `hear`.
            surfaces: a device on which frames may stay: "auto" then takes its encoder where it can be opened.

        Raises:
            InputError: the output cannot be made as asked; the message says why and what to do.
        """
        self.path = Path(path)
        self.width = width or reader.width
        self.height = height or reader.height
        self.summary = WriteSummary()
        self._reader = reader
        self._growing = growing
        self._surfaces = surfaces
        self._check_target(overwrite)
        hidden = self._hidden_path()
        self._temporary = self.path if growing else hidden
        self._sound: SoundTrack | None = None
        self._container: Any = None
        self._retained = False
        self._tracks: dict[int, Track] = {}
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._last_duration = 0
        self._step = 0
        self._durations_lie = False
        self._done = False
        self._space = SpaceWatch(self.path.parent)
        self._palette: Palette | None = None
        self._to_rgb: Any = None
        self._left_out = self._packets = 0
        self._refused: Counter[int] = Counter()
        self._shortest = 1
        info = reader.info
        # Broadcast formats start their clock anywhere; a file is to start at 0. Others are kept to the tick.
        loose = bool(_LOOSE_CLOCKS & set(info.formats)) and not reader.is_cut
        self._shift = Fraction(info.container_start).limit_denominator(90000) if loose else Fraction(0)
        aside = growing and self.path.exists()
        if aside:
            os.replace(self.path, hidden)
        try:
            self._open(encoder, quality, threads, sound)
        except BaseException:
            self._discard()
            if aside:
                os.replace(hidden, self.path)
            raise
        if aside:
            os.unlink(hidden)

    # Opening

    def _hidden_path(self) -> Path:
        """Where the file grows until it is complete."""
        return self.path.with_name(f".{self.path.stem}.{secrets.token_hex(4)}.part{self.path.suffix}")

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

    def _open(self, encoder: str, quality: float | None, threads: int, sound: bool) -> None:
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
        if self._growing:
            if self._format not in GROWING:
                raise InputError(
                    f"{path}: {path.suffix} cannot be played before it is complete; record to .mkv, .mp4, .mov or .webm"
                )
            container.container_options.update(GROWING[self._format])
            # Sound that stays away must not keep pictures from the disk: FFmpeg would wait ten seconds for it.
            container.container_options.update(flush_packets="1", max_interleave_delta="500000")

        name = encoder
        if encoder == "auto":
            name = AUTO_ENCODERS.get(self._format, "")
            if not name:
                raise InputError(f"{path}: {path.suffix} does not hold video as we write it; use {KNOWN_EXTENSIONS}")
            name = self._on_device(name)
        self._add_video(name, quality, threads)
        quiet_libraries()
        self._reader.retain()
        self._retained = True
        if self._reader.container is not None:
            self._add_others()
        if sound:
            self._add_sound()
        self._add_tags()
        try:
            container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise InputError(f"{path}: cannot be written ({reason(error)})") from None
            hint = "" if name == "libx264" else "; try --encoder libx264"
            raise InputError(f"{path}: the encoder {name} cannot be used here ({reason(error)}){hint}") from None
        self._reader.tape.want(self._tracks)
        # Two pictures never share a tick of the container's own clock (a millisecond in Matroska).
        self._shortest = max(1, math.ceil(Fraction(self._stream.time_base or self._time_base) / self._time_base))

    def _on_device(self, name: str) -> str:
        """The device's encoder for an automatic one, where it can be used; says so where it cannot."""
        there = AUTO_SURFACE_ENCODERS.get(name)
        if self._surfaces is None or there is None:
            return name
        problem = self._surfaces.encoder_problem(there, self.width, self.height)
        if problem:
            self.summary.notes.append(f"encoded in software ({name}), not on the GPU: {there}: {problem}")
            return name
        return there

    @property
    def takes_surfaces(self) -> bool:
        """Whether frames that lie on the device are encoded there, without a copy."""
        return self._surface_encoder is not None

    def _add_video(self, name: str, quality: float | None, threads: int) -> None:
        path, reader, info = self.path, self._reader, self._reader.info
        codec = check_encoder(name)
        canonical = str(codec.canonical_name)
        formats = [f.name for f in codec.video_formats or []]
        shaped = self._shape = shape(
            self.width,
            self.height,
            reader.sample_aspect_ratio,
            info.display_matrix,
            suffix=path.suffix,
            keeps_rotation=self._format in KEEPS_ROTATION,
            keeps_mirroring=self._format in KEEPS_MIRRORING,
            keeps_aspect=self._format in KEEPS_ASPECT or canonical in CODES_ASPECT,
        )
        self.summary.notes.extend(shaped.notes)
        pix_fmt: str | None
        if canonical == "gif":
            pix_fmt = "pal8"
            self._palette = Palette(shaped.width, shaped.height, _GIF_CLOCK)
        else:
            pix_fmt = choose_pix_fmt(canonical, formats, width=shaped.width, height=shaped.height)
        if min(shaped.width, shaped.height) < SMALLEST_SIDE.get(codec.name, 0):
            raise InputError(
                f"encoder {name!r} crashes on pictures as small as {shaped.width}x{shaped.height}; use libx264"
            )
        if pix_fmt is None:
            raise InputError(f"encoder {name!r} takes no 4:2:0 video of {shaped.width}x{shaped.height}; try libx264")
        rate = info.average_rate or _FALLBACK_RATE
        self._surface_encoder = self._device_encoder(codec.name, shaped)
        accelerator = None
        if self._surface_encoder is not None:
            accelerator = self._surface_encoder.encoder_accelerator(codec.name)
            pix_fmt = pix_fmt if accelerator is None else "nv12"
        try:
            stream = self._container.add_stream(codec.name, rate=rate, hwaccel=accelerator)
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
            width=shaped.width,
            height=shaped.height,
            rate=float(rate),
        )
        attributes: dict[str, Any] = {
            "width": shaped.width,
            "height": shaped.height,
            "pix_fmt": pix_fmt,
            "thread_count": threads,
            "thread_type": "AUTO",
            **settings.attributes,
        }
        options = dict(settings.options)
        if self._growing:
            options.update(immediate(codec.name))
            attributes.update(max_b_frames=0, gop_size=round(_KEY_SECONDS * rate))

        base = reader.time_base
        if self._format in FIXED_RATE:
            # It has no presentation times either: pictures must come in the order in which they are shown.
            attributes["max_b_frames"] = 0
            rate = self._steady_rate(rate)
            base = 1 / rate
            self.summary.notes.append(f"{path.suffix} has one frame rate: times are rounded to {float(rate):g} fps")
            if not reader.is_cut:
                self._shift = Fraction(info.start_time).limit_denominator(90000)
        elif canonical == "gif":
            base = _GIF_CLOCK
            self.summary.notes.append(f"{path.suffix} has a clock of 100 ticks a second, and 256 colours a picture")
        elif canonical == "mpeg4" and base.denominator > _MPEG4_MAX_DENOMINATOR:
            base = Fraction(1, 60000)
        stream.time_base = attributes["time_base"] = base
        self._time_base = base
        self._step = max(1, round(1 / (rate * base)))

        color = info.color
        attributes.update(
            color_range=2 if color.range == "full" else _limited(info),
            colorspace=color.space,
            color_primaries=color.primaries,
            color_trc=color.transfer,
        )
        if color.chroma_location:
            names = ("unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom")
            options["chroma_sample_location"] = names[color.chroma_location]
        attributes["options"] = options
        if shaped.aspect:
            attributes["sample_aspect_ratio"] = shaped.aspect
        for key, value in attributes.items():
            setattr(context, key, value)
        self._attributes = attributes
        self._rate = rate
        if shaped.matrix is not None:
            stream.set_display_matrix(_scaled_matrix(shaped.matrix))
        if reader.container is not None:
            copy_tags(reader.container.streams[info.video_index], stream)
        if pix_fmt == "yuv444p" and canonical in HALVED_CHROMA:
            self.summary.notes.append(
                f"{shaped.width}x{shaped.height} is odd: encoded as 4:4:4, which not every player shows"
            )
        if info.bit_depth > 8:
            self.summary.notes.append(f"the source's {info.bit_depth} bits a sample become 8")
        self.summary.encoder = codec.name
        self.encoder = str(codec.name)
        self._stream = stream
        self._context = context
        self._pix_fmt = pix_fmt

    def _device_encoder(self, name: str, shaped: Shape) -> CudaSurfaces | None:
        """The device, where this encoder takes its surfaces as they are."""
        surfaces = self._surfaces
        if surfaces is None or not surfaces.takes(name) or self.width % 2 or self.height % 2:
            return None
        changed = shaped.stretch is not None or shaped.transposed or shaped.mirrored or shaped.flipped
        return None if changed else surfaces

    def _steady_rate(self, average: Fraction) -> Fraction:
        """The frame rate for a container that knows no times: fine enough for all of the source's, within reason."""
        if self._reader.container is None:
            return average
        finest = self._reader.container.streams[self._reader.info.video_index].base_rate
        return min(Fraction(finest), _FINEST_RATE) if finest else average

    def _add_others(self) -> None:
        summary, reader = self.summary, self._reader
        has_chapters = bool(reader.container.chapters())
        for stream in reader.container.streams:
            if stream.index == reader.info.video_index:
                continue
            codec = codec_name(stream)
            what = f"{stream.type} {stream.index} ({codec})"
            if stream.type in ("audio", "subtitle", "data") and self._format in PICTURES_ONLY:
                summary.dropped.append(f"{what}: {self.path.suffix} holds pictures only")
            elif stream.type == "audio":
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
            elif stream.type == "data" and codec in COPYABLE_DATA.get(self._format, ()) and self._copy(stream):
                summary.copied.append(what)
            elif stream.type == "video":
                summary.dropped.append(f"{what}: only one video track is styled")
            else:
                summary.dropped.append(f"{what}: {self.path.suffix} cannot hold it as FFmpeg writes it")

    def _add_sound(self) -> None:
        track = SoundTrack.create(self._container, AUDIO_ENCODERS.get(self._format, ("aac",)))
        if track is None:
            raise InputError(f"{self.path}: this build of FFmpeg has no encoder for the sound of {self.path.suffix}")
        self._sound = track
        self.summary.audio_streams += 1

    def _add_audio(self, stream: Any, codec: str, what: str) -> None:
        steady = self._format in FIXED_RATE
        late = steady and not self._begins_at_zero(stream)
        if not late and copies_audio(self._format, codec) and self._copy(stream):
            self.summary.copied.append(what)
        else:
            encoders = AUDIO_ENCODERS.get(self._format, ("aac",))
            track = ReencodedAudio.create(self._container, stream, encoders, steady=steady)
            if track is None:
                self.summary.dropped.append(f"{what}: cannot be decoded, and {self.path.suffix} cannot hold it")
                return
            self._tracks[stream.index] = track
            why = "when it begins" if late and copies_audio(self._format, codec) else codec
            how = ", mixed to stereo" if track.mixed else ""
            self.summary.converted.append(f"{what} to {track.codec}{how}: {self.path.suffix} cannot hold {why}")
        self.summary.audio_streams += 1

    def _begins_at_zero(self, stream: Any) -> bool:
        """Whether a stream's clock begins with the first picture, to a millisecond."""
        if stream.start_time is None or self._reader.is_cut:
            return False
        return bool(abs(stream.start_time * Fraction(stream.time_base) - self._shift) < Fraction(1, 1000))

    def _copy(self, stream: Any) -> bool:
        """Add an output stream for packets to be copied to; False where the container refuses the codec."""
        import av.error

        try:
            copy = self._container.add_stream_from_template(stream, opaque=True)
        except (ValueError, av.error.FFmpegError):
            return False
        copy_tags(stream, copy)
        self._tracks[stream.index] = Copied(copy)
        return True

    def _convert_subtitles(self, stream: Any, codec: str) -> bool:
        target = TEXT_SUBTITLES.get(self._format)
        if target is None or codec not in TEXT_CODECS:
            return False
        track = ConvertedText.create(self._container, stream, target)
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
        self._container.metadata.update(lasting(self._reader.info.metadata))
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
        if self._space.full():
            raise DiskFull(
                f"{self.path}: the disk is all but full ({megabytes(RESERVE)} are left in {self.path.parent}); "
                f"{self._kept()}"
            )
        pts = self._ticks(frame.pts, frame.time_base) - round(self._shift / self._time_base)
        if self._last_pts is None and pts < 0:
            # What lies before 0 would be hidden by an edit list. Sound and the rest move along.
            self._shift += pts * self._time_base
            pts = 0
        if self._last_pts is not None and self._palette is not None and pts < self._last_pts + _GIF_SHORTEST:
            self._left_out += 1
            return
        if self._last_pts is not None and pts < self._last_pts + self._shortest:
            pts = self._last_pts + self._shortest
        duration = self._ticks(frame.duration, frame.time_base) if frame.duration else 0
        if self._last_pts is not None:
            self._step = pts - self._last_pts
            if abs(self._last_duration - self._step) > 1:
                self._durations_lie = True
            if self._last_pts in self._durations:
                self._durations[self._last_pts] = self._step
        self._last_pts, self._last_duration = pts, duration
        self._durations[pts] = duration or self._step
        try:
            self._encode(frame, pts)
            self._copy_until(float(pts * self._time_base) + _LEAD)
        except OSError as error:
            raise self._failure(error) from error
        except Exception as error:
            if isinstance(error, RestyleError):
                raise
            raise self._failure(error) from error
        self.summary.frames += 1

    def hear(self, sound: Sound, time: float) -> None:
        """Encode a piece of sound into the track that `sound` asked for.

        Args:
            sound: see `SoundTrack.feed`.
            time: of its first sample, in seconds on the clock of the frames.

        Raises:
            RestyleError: the encoder or the disk fails.
        """
        if self._done or self._sound is None:
            raise RuntimeError("the writer has finished, or was made without sound")
        try:
            for packet in self._sound.feed(sound, time):
                self._mux(packet)
        except Exception as error:
            raise self._failure(error) from error

    @property
    def sound_codec(self) -> str | None:
        """FFmpeg's name of the encoder of the track for `hear`; None without one."""
        return None if self._sound is None else self._sound.codec

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
            self._flush()
            self._copy_until(None)
            for index, track in self._tracks.items():
                for packet in track.flush():
                    self._mux_beside(packet, index)
            if self._sound is not None:
                for packet in self._sound.flush():
                    self._mux(packet)
            give_back_memory()  # an MP4's index is written twice, by way of buffers
            self._container.close()
            self._container = None
            if self._packets > _PACKETS:
                give_back_memory()
            if not self._growing:
                os.replace(self._temporary, self.path)
        except Exception as error:
            self.abort()
            raise self._failure(error) from error
        except BaseException:
            self.abort()
            raise
        self._done = True
        self._let_go()
        if self._left_out:
            most = 1 / (_GIF_SHORTEST * _GIF_CLOCK)
            self.summary.dropped.append(f"{self._left_out} pictures: {self.path.suffix} shows {most} a second at most")
        for index, count in sorted(self._refused.items()):
            whose = f"of stream {index}" if index >= 0 else "of other streams"
            self.summary.dropped.append(f"{count} packets {whose}: damaged")
        for track in self._tracks.values():
            note = getattr(track, "note", None)
            if note:
                self.summary.notes.append(note)
        return self.summary

    def _settle_last_duration(self) -> None:
        """How long the last picture is shown: as the file's header or its frame says.

        (MP4 stores the time between decoding times, which with B-frames and a variable rate is not that of showing. So
        where there is no header, and the other pictures' durations have proved wrong, it is the mean.)
        """
        info, base = self._reader.info, self._time_base
        if self._last_pts not in self._durations:
            return
        if info.shown and not self._reader.is_cut and info.frames == self.summary.frames:
            # From zero on, with the pause before a late first picture.
            left = round(Fraction(info.shown) / base) - self._last_pts
            if left > 0 and abs(left - self._durations[self._last_pts]) * base > _HEADER_PRECISION:
                self._durations[self._last_pts] = left
            return
        if not self._durations_lie:
            return
        duration = round(1 / (info.average_rate or _FALLBACK_RATE) / base)
        alone = self._reader.container is not None and len(self._reader.container.streams) == 1
        if alone and info.duration and not self._reader.is_cut:
            left = round(Fraction(info.container_start + info.duration) / base) - self._last_pts
            duration = left if left > 0 else duration
        self._durations[self._last_pts] = max(1, duration)

    def abort(self) -> None:
        """Stop and leave nothing behind (of a growing file, what was written). Does nothing after `finish`."""
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
        wanted = self._growing and self.summary.frames > 0
        if not wanted:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(Exception):
                container.close()
        if not wanted:
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
        kept = self._kept()
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return DiskFull(f"{self.path}: the disk is full; {kept}")
        return RestyleError(f"{self.path}: writing failed ({reason(error)}); {kept}")

    def _kept(self) -> str:
        return "what was written is kept" if self._growing and self.summary.frames else "nothing was kept"

    def _ticks(self, stamp: int, base: Fraction) -> int:
        return stamp if base == self._time_base else round(stamp * base / self._time_base)

    def _picture(self, frame: Frame, pts: int) -> VideoFrame:
        """The frame in a buffer of the encoder's own kind: one copy of each plane."""
        from av.video.frame import VideoFrame

        if self._surface_encoder is not None and isinstance(frame, SurfaceFrame) and not frame.fetched:
            surface = self._surface_encoder.picture(frame)
            surface.pts, surface.time_base = pts, self._time_base
            self._tag(surface)
            return surface
        # A fresh buffer each time: the encoder keeps some for its lookahead, and FFmpeg recycles memory of one size.
        full = self._pix_fmt == "yuv444p"
        frame = self._shape.apply(frame)
        width, height = frame.width, frame.height
        picture = VideoFrame(width, height, "yuv444p" if full else "yuv420p")
        picture.pts, picture.time_base = pts, self._time_base
        planes = (frame.y, frame.u, frame.v)
        expected = chroma_shape(height, width)
        if frame.u.shape != expected or frame.v.shape != expected:
            raise RestyleError(f"{self.path}: chroma planes of {frame.u.shape}, {expected} were expected")
        for target, source in zip(picture.planes, planes, strict=True):
            view = plane_view(target)
            if full and source is not frame.y:
                source = source.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
            np.copyto(view, source)
        self._tag(picture)
        return picture

    def _tag(self, picture: VideoFrame) -> None:
        """Colour tags, as the encoder was given them."""
        picture.color_range = self._context.color_range
        picture.colorspace = self._context.colorspace
        picture.color_primaries = self._context.color_primaries
        picture.color_trc = self._context.color_trc

    def _encode(self, frame: Frame, pts: int) -> None:
        if self._palette is not None:
            self._encode_palette(frame, pts)
            return
        for packet in self._context.encode(self._picture(frame, pts)):
            self._mux_video(packet)

    def _encode_palette(self, frame: Frame | None, pts: int) -> None:
        assert self._palette is not None
        picture = None
        if frame is not None:
            plain = self._picture(frame, pts)
            if self._to_rgb is None:
                from av.video.reformatter import VideoReformatter

                self._to_rgb = VideoReformatter()
            color = frame.color
            picture = self._to_rgb.reformat(
                plain,
                format="bgra",
                src_colorspace=SWS_SPACE[color.matrix],
                src_color_range=AV_RANGE[color.range],
                dst_color_range=AV_RANGE["full"],
            )
            picture.pts, picture.time_base = pts, self._time_base
        for reduced in self._palette.feed(picture):
            for packet in self._context.encode(reduced):
                self._mux_video(packet)

    def _flush(self) -> None:
        if self._palette is not None:
            self._encode_palette(None, 0)
        for packet in self._context.encode(None):
            self._mux_video(packet)

    def _mux_video(self, packet: Packet[Any]) -> None:
        packet.stream = self._stream
        if packet.pts is not None:
            # Not every encoder hands the duration on, and the container needs that of the last frame.
            packet.duration = self._durations.pop(packet.pts, self._step)
            if len(self._durations) > 16 * _ENCODER_DELAY:
                self._durations.clear()
        if self._tracks:
            # What is refused now may be a damaged packet of another stream that has waited for this one.
            self._mux_beside(packet, -1)
        else:
            self._mux(packet)

    def _copy_until(self, time: float | None) -> None:
        for packet in self._reader.tape.take(None if time is None else time + float(self._shift)):
            if self._shift:
                shift_packet(packet, -self._shift)
            track = self._tracks.get(packet.stream_index)
            if track is not None:
                for out in track.feed(packet):
                    self._mux_beside(out, packet.stream_index)

    def _mux_beside(self, packet: Packet[Any], source: int) -> None:
        """Write a packet of another stream; one that is damaged so that the container refuses it is left out."""
        from av.error import ArgumentError, InvalidDataError, PatchWelcomeError

        try:
            self._mux(packet)
        except (ArgumentError, InvalidDataError, PatchWelcomeError):
            self._refused[source] += 1

    def _mux(self, packet: Packet[Any]) -> None:
        self._packets += 1
        if self._packets % _PACKETS == 0:
            give_back_memory()  # an MP4's index has moved as it grew, and what it left lies free
        self._container.mux_one(packet)


def _limited(info: Any) -> int:
    """The range tag of a source that is not full range: limited if it says so (or was converted), else none."""
    return 1 if info.tagged_range or info.pix_fmt.startswith(("rgb", "bgr", "gbr")) else 0


def _scaled_matrix(matrix: tuple[int, ...]) -> tuple[int, ...]:
    """A display matrix without its translation, which is in pixels of the source's size and which players ignore."""
    return (*matrix[:2], 0, *matrix[3:5], 0, 0, 0, 1 << 30)
