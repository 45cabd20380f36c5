"""Reading a video file: one demux, pictures decoded as planes, everything else put on a tape for the writer."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from realtime.errors import InputError, MediaError, RestyleError
from realtime.frames import ColorTags, Frame, SurfaceFrame
from realtime.media.convert.deinterlace import Deinterlacer
from realtime.media.convert.hdr import SDR, ToneMapper, hdr_kind
from realtime.media.files.cropping import Cropper
from realtime.media.files.discontinuities import JUMPING_FORMATS, SteadyClock
from realtime.media.files.packet_queue import PacketTape, packet_time, shift_packet
from realtime.media.files.probe import MediaInfo, frame_color, open_input, pick_video, probe, reason
from realtime.media.files.surfaces import DECODERS, CudaSurfaces, Decoder, fetched, software, why_not
from realtime.memory import give_back_memory

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane
    from av.video.stream import VideoStream

DIRECT_FORMATS = frozenset({"yuv420p", "yuvj420p", "yuva420p"})
"""Pixel formats whose first three planes are handed on as they lie in the decoder's buffer."""

MAX_SIDE = 16384
_MIN_SIDE = 16
_LONG = 20_000
"""Pictures of a file whose index takes megabytes."""
_ONE_PICTURE_A_PACKET = frozenset(
    {"h264", "hevc", "av1", "mpeg2video", "mjpeg", "ffv1", "prores", "png", "dnxhd", "rawvideo", "gif"}
)
_BACKWARD_JUMP = 1.0
_DEMUX_RETRIES = 8
_SIDE_TAIL = 5.0
SWS_SPACE = {"bt601": 5, "bt709": 1, "bt2020": 9}
"""FFmpeg's numbers of the matrices."""
AV_RANGE = {"limited": 1, "full": 2}
"""FFmpeg's numbers of the ranges."""


class VideoReader:
    """Decodes the video of a file into `Frame`s, in order, each exactly once.

    Frames of 8-bit 4:2:0 sources are strided views of the decoder's own buffers: they stay valid for as long as they
    are held, also after the reader has gone on or is closed, and must not be written to. Any other pixel format is
    converted, once, to 8-bit 4:2:0 with the matrix and range of the source (RGB: limited-range BT.709).

    One thread reads; the tape may be drained by another.

    Attributes:
        decoder: "cuda" where pictures are decoded on the device and stay there, as `SurfaceFrame`s; else "software".
        info: what `probe` says of the file; its colour is that of the frames that come out.
        width, height: size of the frames that come out.
        sample_aspect_ratio: pixel aspect of the frames that come out; None where unspecified.
        tape: packets of the streams that the writer asked for.
        warnings: what went wrong without stopping the work, in words; complete once the iteration has ended.
        notes: what is done to the pictures beyond copying their planes, in words; complete then, too.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        start: float | None = None,
        end: float | None = None,
        size: int | tuple[int, int] | None = None,
        threads: int = 0,
        hdr: Literal["tonemap", "error"] = "tonemap",
        decoder: Decoder = "auto",
        surfaces: CudaSurfaces | None = None,
        part: tuple[int, int | None] | None = None,
    ) -> None:
        """Open a file.

        Args:
            path: a file with a video stream.
            start, end: seconds after the first picture; frames with start <= time < end come out, and then their times
                begin at 0.
            size: the shorter side in pixels (the aspect is kept, both sides become even), or (width, height) as
                shown, that is after rotation; there the pixel aspect is changed so that the shape shown stays.
            threads: decoder threads, 0 for as many as there are cores.
            hdr: what becomes of PQ and HLG: "tonemap" converts them to SDR in bt709, "error" refuses them.
            decoder: "cuda" decodes on the device of `surfaces`; "auto" does where that works, and else in software.
            surfaces: the device on which pictures may stay; None decodes in software.
            part: only pictures with first <= pts < stop come out, in units of the stream's time base (None: to the
                end). They keep the times that they have in the whole.

        Raises:
            MediaError: the file cannot be read, holds no picture, or is HDR and that was refused.
            InputError: the range or the size makes no sense, or the decoder that was asked for cannot be used.
        """
        self.info: MediaInfo = probe(path)
        self._check_range(start, end)
        kind = hdr_kind(self.info.color.transfer)
        if kind is not None and hdr == "error":
            name = os.fspath(path)
            raise MediaError(f"{name}: is HDR ({kind}), and --hdr error keeps it out; --hdr tonemap makes it SDR")
        self.width, self.height, self.sample_aspect_ratio = output_shape(self.info, size)
        self.start = start or 0.0
        self.end = end
        self.tape = PacketTape()
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.frames_read = 0

        self._part = part
        self._threads = threads
        self._surfaces, why = self._choose_decoder(decoder, surfaces, tone_mapped=kind is not None)
        if self._surfaces is not None:
            why = self._open_on_device()
        if why and decoder == "cuda":
            raise InputError(f"{os.fspath(path)}: --decoder cuda: {why}; --decoder software decodes it")
        if why or self._surfaces is None:
            self._surfaces = None
            self._open()
        # Building the index of a long MP4 takes several times what the index takes, and it has been built twice by now.
        give_back_memory()
        self.decoder: Literal["software", "cuda"] = "software" if self._surfaces is None else "cuda"
        if why and surfaces is not None:
            self.notes.append(f"decoded in software, not on the GPU: {why}")
        self._lock = Lock()
        self._users = 0
        self._closed = False
        self._begun = False

        self._clock = SteadyClock() if JUMPING_FORMATS & set(self.info.formats) else None
        self._deinterlacer = Deinterlacer()
        self._cropper = None if self.info.cropped is None else Cropper(self.info.cropped)
        if self.info.cropped is not None:
            shown = f"{self.info.width}x{self.info.height}"
            self.notes.append(f"the pictures were cropped to {shown}, as the file asks for")
        self._tone: ToneMapper | None = None
        if kind is not None:
            self._tone = ToneMapper(kind, self.width, self.height)
            self.info = replace(self.info, color=SDR)
            self.notes.append(f"HDR ({kind}) was tone-mapped to SDR in bt709")
        if has_alpha(self.info.pix_fmt):
            self.notes.append(f"transparency ({self.info.pix_fmt}) was left out")
        self._reformatter: Any = None
        self._source_shape: tuple[int, int, str] | None = None
        self._bad_packets = 0
        self._packets_in = self._pictures_out = self._hidden = 0
        self._latest = Fraction(0)
        self._bad_frames = 0
        self._bad_times = 0
        self._missing_times = 0
        self._resized = 0
        self._read_error: str | None = None
        self._off_surface = 0

    def _choose_decoder(
        self, wanted: Decoder, surfaces: CudaSurfaces | None, *, tone_mapped: bool
    ) -> tuple[CudaSurfaces | None, str]:
        """Where to decode, and why not on the device where that was out of the question."""
        if wanted not in DECODERS:
            raise InputError(f"decoder {wanted!r}: choose {', '.join(DECODERS)}")
        if wanted == "software":
            return None, ""
        if surfaces is None:
            return None, "it needs the torch backend on a CUDA device, and pictures as they are"
        if tone_mapped:
            return None, "it is HDR, and tone-mapped on the CPU"
        scaled = (self.width, self.height) != (self.info.width, self.info.height)
        why = why_not(self.info, scaled=scaled)
        return (None, why) if why else (surfaces, "")

    def _open_on_device(self) -> str:
        """Open the file for the device's decoder, or say why that cannot be."""
        try:
            self._open()
        except RestyleError as error:
            return str(error)
        if _is_accelerated(self._stream):
            return ""
        self._container.close()
        return f"the GPU has no decoder for {self.info.codec}"

    def _open(self) -> None:
        """Open the file at its beginning."""
        path = self.info.path
        if self._surfaces is None:
            self._container = open_input(path)
            self._stream = pick_video(self._container, path)
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.thread_count = self._threads
        else:
            self._container = self._surfaces.open_input(path)
            self._stream = pick_video(self._container, path)
            # Frame threads are of no use beside a device that decodes; slices serve where it refuses the pictures.
            self._stream.thread_type = "SLICE"

    # What the writer needs to know

    @property
    def path(self) -> os.PathLike[str]:
        """The file, as given."""
        return self.info.path

    @property
    def is_cut(self) -> bool:
        """Whether only a range is read; then times begin at 0."""
        return self.start > 0 or self.end is not None

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the frames' pts."""
        return self.info.time_base

    @property
    def total_frames(self) -> int | None:
        """An estimate of how many frames will come out; None where nothing tells."""
        frames, duration = self.info.frames, self.info.duration
        if not self.is_cut or frames is None:
            return frames
        if not duration:
            return None
        span = min(self.end if self.end is not None else duration, duration) - self.start
        return max(1, min(frames, round(frames * span / duration)))

    @property
    def container(self) -> Any:
        """The PyAV container, for the writer to copy stream parameters from."""
        return self._container

    def chapters(self) -> list[dict[str, Any]]:
        """Chapters of the range, as PyAV's dictionaries, with times moved as the frames' are."""
        out: list[dict[str, Any]] = []
        for chapter in self._container.chapters():
            base = chapter["time_base"]
            if not base:
                continue
            entry: dict[str, Any] = dict(chapter)
            if self.is_cut:
                zero = Fraction(self.info.start_time).limit_denominator(10**6) + Fraction(self.start)
                last = None if self.end is None else Fraction(self.end - self.start)
                begin, finish = chapter["start"] * base - zero, chapter["end"] * base - zero
                if finish <= 0 or (last is not None and begin >= last):
                    continue
                finish = finish if last is None else min(finish, last)
                entry["start"], entry["end"] = round(max(begin, Fraction(0)) / base), round(finish / base)
            out.append(entry)
        return out

    # Life

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Frames that were handed out stay valid."""
        if self._tone is not None:
            self._tone.close()
        with self._lock:
            self._closed = True
            idle = self._users == 0
        if idle:
            self._end()

    def retain(self) -> None:
        """Keep the file open until `release`, even past `close`: packets on the tape still refer to its streams."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Give back what `retain` took."""
        with self._lock:
            self._users -= 1
            idle = self._closed and self._users == 0
        if idle:
            self._end()

    def _end(self) -> None:
        self._container.close()
        if (self.info.frames or 0) > _LONG:
            give_back_memory()  # its index

    # Frames

    def __iter__(self) -> Iterator[Frame]:
        """Frames in presentation order. A reader can be iterated once.

        Raises:
            MediaError: not one picture could be decoded, or none lies in the range.
        """
        if self._begun:
            raise RuntimeError("a VideoReader can be read once; open the file again")
        self._begun = True
        return self._read()

    def _read(self) -> Iterator[Frame]:
        base = self.info.time_base
        first = round(Fraction(self.info.start_time) / base)
        begin = first + math.ceil(self.start / base - Fraction(1, 1000)) if self.start > 0 else None
        stop = first + math.ceil(self.end / base - Fraction(1, 1000)) if self.end is not None else None
        if self._part is not None:
            begin, stop = self._part
        self._zero: Fraction | None = None if self.is_cut else Fraction(0)
        self._waiting: list[Packet[Any]] = []
        self._stop_time = None if stop is None else stop * base
        if begin is not None:
            self._seek(begin)

        last: int | None = None
        last_end: Fraction | None = None
        origin = 0
        done = False
        packets = self._packets()
        for packet in packets:
            if packet.stream_index != self.info.video_index:
                self._put(packet)
                continue
            if done:
                continue
            for picture in self._whole(packet):
                pts, duration = self._time_of(picture, last)
                last = pts
                if begin is not None and pts < begin:
                    continue
                if stop is not None and pts >= stop:
                    done = True
                    break
                if self._zero is None:
                    origin = pts
                    self._zero = pts * base
                    self._flush_waiting()
                last_end = (pts + duration) * base
                self.frames_read += 1
                yield self._frame(picture, pts - origin, duration)
            if done and self._finished_by(packets):
                break
        self._waiting.clear()
        self._conclude(last_end)

    def _finished_by(self, packets: Iterator[Packet[Any]]) -> bool:
        """After the last picture of a range: read on until the copied streams have reached its end, too."""
        assert self._stop_time is not None
        audio = {s.index for s in self._container.streams.audio} & self.tape.wanted
        if not self.tape.wanted:
            return True
        for packet in packets:
            time = packet_time(packet)
            if packet.stream_index == self.info.video_index:
                if time is not None and time > self._stop_time + _SIDE_TAIL:
                    return True
                continue
            self._put(packet)
            if time is not None and time >= self._stop_time:
                audio.discard(packet.stream_index)
                if not audio:
                    return True
        return True

    def _packets(self) -> Iterator[Packet[Any]]:
        """Packets of the video and of every stream on the tape; last, the empty packet that flushes the decoder."""
        import av.error

        wanted = [self._stream, *(s for s in self._container.streams if s.index in self.tape.wanted)]
        kept = {s.index for s in wanted}
        for stream in self._container.streams:
            if stream.index not in kept:
                stream.discard = 48  # type: ignore[assignment]  # AVDISCARD_ALL
        failures = 0
        while True:
            try:
                for packet in self._container.demux(wanted):
                    if packet.size == 0 and packet.dts is None and packet.pts is None:
                        break  # PyAV's own flushing packets, which do not say whose they are
                    failures = 0
                    if self._clock is not None:
                        self._clock.settle(packet)
                    yield packet
                yield self._flush_packet()
                return
            except av.error.FFmpegError as error:
                # A damaged stretch: demuxers often find their way again. One that does not is at its end.
                failures += 1
                self._read_error = reason(error)
                if failures > _DEMUX_RETRIES:
                    yield self._flush_packet()
                    return

    def _flush_packet(self) -> Packet[Any]:
        from av.packet import Packet

        packet: Packet[Any] = Packet()
        packet.stream = self._stream
        return packet

    def _whole(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        """Pictures of a packet (the empty one: those left in the decoder), deinterlaced where they need it."""
        for picture in self._decode(packet):
            yield from self._deinterlacer.feed(picture)
        if not packet.size:
            yield from self._deinterlacer.flush()

    def _decode(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        import av.error

        try:
            pictures = self._stream.decode(packet if packet.size else None)
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, ValueError):
            self._bad_packets += 1
            return
        # A picture that an edit list hides comes out of no packet.
        self._packets_in += bool(packet.size) and not packet.is_discard
        self._hidden += packet.is_discard
        self._pictures_out += len(pictures)
        for picture in pictures:
            if picture.is_corrupt:
                self._bad_frames += 1
            if self._surfaces is not None and (picture.interlaced_frame or self._deinterlacer.count):
                picture = software(picture)  # what deinterlaces works on the CPU
            yield picture

    def _time_of(self, picture: VideoFrame, last: int | None) -> tuple[int, int]:
        """(pts, duration) of a picture in units of the stream's time base, strictly after `last`."""
        duration = int(picture.duration or 0)
        step = duration
        if not step and self.info.average_rate:
            step = round(1 / (self.info.average_rate * self.info.time_base))
        step = max(1, step)
        pts = picture.pts
        if pts is None:
            self._missing_times += 1
            pts = picture.dts if picture.dts is not None else (0 if last is None else last + step)
            if last is not None and pts <= last:
                pts = last + step
        pts += self._jump
        if last is not None and pts <= last:
            self._bad_times += 1
            if float((last - pts) * self.info.time_base) > _BACKWARD_JUMP:
                # The clock itself went back (files joined end to end): all that follows is moved with it.
                self._jump += last + step - pts
                pts = last + step
            else:
                pts = last + 1
        return pts, duration

    _jump = 0

    def _frame(self, picture: VideoFrame, pts: int, duration: int) -> Frame:
        if self._cropper is not None:
            picture = self._cropper(picture)
        color = frame_color(picture, self.info.codec)
        tone = self._tone
        if tone is not None:
            picture, color = tone.convert(picture, full_range=color.range == "full"), SDR
        surface = None if self._surfaces is None else self._surfaces.surface(picture)
        shape = (picture.width, picture.height, picture.format.name)
        if self._source_shape is None:
            self._source_shape = shape
            self._color = color
        elif shape != self._source_shape:
            self._resized += shape[:2] != self._source_shape[:2]
        target = self._color
        same = (color.matrix, color.range) == (target.matrix, target.range)
        if surface is not None and shape[:2] == (self.width, self.height) and same:
            return self._surface_frame(surface, pts, duration, target)
        self._off_surface += self._surfaces is not None
        if shape[2] in DIRECT_FORMATS and shape[:2] == (self.width, self.height) and same:
            planes = picture
        else:
            planes = self._convert(picture, color.matrix, color.range, target.matrix, target.range)
        y, u, v = (plane_view(plane) for plane in planes.planes[:3])
        return Frame(y, u, v, pts, duration, self.info.time_base, target)

    def _surface_frame(self, picture: VideoFrame, pts: int, duration: int, color: ColorTags) -> SurfaceFrame:
        luma, chroma = picture.planes[:2]
        return SurfaceFrame(
            luma,
            chroma,
            size=(picture.width, picture.height),
            fetch=partial(fetched, picture),
            owner=picture,
            pts=pts,
            duration=duration,
            time_base=self.info.time_base,
            color=color,
        )

    def _convert(self, picture: VideoFrame, matrix: str, value_range: str, to_matrix: str, to_range: str) -> VideoFrame:
        from av.video.reformatter import Interpolation, VideoReformatter

        if self._reformatter is None:
            # One for the whole file: a new one per picture costs megabytes and milliseconds each time.
            self._reformatter = VideoReformatter()
        scaled = (picture.width, picture.height) != (self.width, self.height)
        rgb = picture.format.is_rgb
        method = Interpolation.BICUBIC if scaled else Interpolation.BILINEAR
        result: VideoFrame = self._reformatter.reformat(
            picture,
            self.width,
            self.height,
            "yuv420p",
            src_colorspace=None if rgb else SWS_SPACE[matrix],
            dst_colorspace=SWS_SPACE[to_matrix],
            src_color_range=None if rgb else AV_RANGE[value_range],
            dst_color_range=AV_RANGE[to_range],
            interpolation=method | Interpolation.ACCURATE_RND if rgb else method,
            threads=1,
        )
        return result

    # Range

    def _check_range(self, start: float | None, end: float | None) -> None:
        for name, value in (("start", start), ("end", end)):
            if value is not None and (not math.isfinite(value) or value < 0):
                raise InputError(f"--{name} {value}: a time in seconds, 0 or more, is needed")
        if end is not None and end <= (start or 0):
            raise InputError(f"--end {end} must lie after --start {start or 0}")
        if start and self.info.duration and start >= self.info.duration + 1:
            raise InputError(f"--start {start}: {self.info.path} is only {self.info.duration:.2f} s long")

    def _seek(self, pts: int) -> None:
        """Go to the key frame at or before `pts`; to the beginning where the format cannot seek that way."""
        import av.error

        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(pts, stream=self._stream, backward=True)
            for packet in self._container.demux(self._stream):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None and stamp <= pts and packet.is_keyframe:
                    # Found: go there again, as this packet has been taken.
                    self._container.seek(pts, stream=self._stream, backward=True)
                    return
                break
        self._container.close()
        self._open()

    def _put(self, packet: Packet[Any]) -> None:
        time = packet_time(packet)
        if time is not None:
            self._latest = max(self._latest, time + (packet.duration or 0) * Fraction(packet.time_base))
        if not self.is_cut:
            if self._jump:
                shift_packet(packet, Fraction(self._jump) * self.info.time_base)
            self.tape.put(packet)
        elif self._zero is None:
            # Where the range begins is known once its first picture is decoded.
            if packet.stream_index in self.tape.wanted:
                self._waiting.append(packet)
        else:
            self._put_cut(packet)

    def _flush_waiting(self) -> None:
        for packet in self._waiting:
            self._put_cut(packet)
        self._waiting.clear()

    def _put_cut(self, packet: Packet[Any]) -> None:
        """Put a packet on the tape if it sounds (or shows) within the range, moved to the range's own clock."""
        assert self._zero is not None
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            return
        base = Fraction(packet.time_base)
        begin = stamp * base
        if begin + (packet.duration or 0) * base <= self._zero:
            return
        if self._stop_time is not None and begin >= self._stop_time:
            return
        shift_packet(packet, -self._zero)
        if packet.stream.type == "subtitle" and packet.pts is not None and packet.pts < 0:
            packet.duration = (packet.duration or 0) + packet.pts
            packet.pts = packet.dts = 0
        self.tape.put(packet)

    # The end

    def _conclude(self, last_end: Fraction | None) -> None:
        name = os.fspath(self.info.path)
        if not self.frames_read:
            if self.is_cut:
                raise MediaError(f"{name}: holds no picture between {self.start} s and {self.end or 'the end'} s")
            raise MediaError(f"{name}: not one picture of its video can be decoded; is the file damaged?")
        say = self.warnings.append
        interlaced, how = self._deinterlacer.count, self._deinterlacer.filter
        if interlaced and how is not None:
            self.notes.append(f"{interlaced} interlaced pictures were deinterlaced ({how})")
        elif interlaced:
            say(f"{name}: {interlaced} pictures are interlaced, and this build of FFmpeg has no filter for that")
        if self._surfaces is not None:
            beside = f", {self._off_surface} of them in software" if self._off_surface else ""
            self.notes.append(f"{self.frames_read} pictures were decoded on the GPU{beside}")
        if self._bad_packets:
            say(f"{name}: {self._bad_packets} damaged video packets were skipped")
        silent = self._packets_in - self._pictures_out
        one_each = self.info.codec in _ONE_PICTURE_A_PACKET and not self._deinterlacer.count
        if silent > 0 and one_each and not self.is_cut and self._part is None:
            say(f"{name}: {silent} video packets gave no picture")
        if self._bad_frames:
            say(f"{name}: {self._bad_frames} pictures are damaged")
        if self._missing_times:
            say(f"{name}: {self._missing_times} pictures had no time stamp; times were derived")
        if self._bad_times:
            say(f"{name}: {self._bad_times} time stamps went backwards; they were corrected")
        if self._clock is not None and self._clock.jumps:
            say(
                f"{name}: its clock jumped {self._clock.jumps} times; what follows a jump was joined to what was before"
            )
        if self._resized:
            say(f"{name}: {self._resized} pictures had another size; they were scaled to {self.width}x{self.height}")
        if self._read_error is not None:
            say(f"{name}: reading failed in places ({self._read_error})")
        jumped = self._clock is not None and self._clock.jumps
        if not self.is_cut and self._part is None and last_end is not None and not jumped:
            self._check_length(float(last_end))

    def _check_length(self, last_end: float) -> None:
        """Say so where the file's header promises more than came."""
        name, say = os.fspath(self.info.path), self.warnings.append
        promised = self._stream.frames - self._hidden
        if 0 < self._pictures_out < promised:
            say(f"{name}: {promised - self._pictures_out} of {promised} pictures could not be read")
            return
        length = self._stream.duration
        if length:
            expected, reached = float(length * self.info.time_base), last_end - self.info.start_time
            slack = max(1.0, 0.05 * expected)
        elif {s.index for s in self._container.streams if s.type in ("audio", "subtitle")} - self.tape.wanted:
            return  # what reaches furthest may be among what was not read
        else:
            # Only the whole file's length is known: what reaches furthest of all that is read must come near it.
            expected = self.info.duration or 0.0
            reached = max(last_end, float(self._latest)) - self.info.container_start
            slack = max(0.3, 0.05 * expected)
        if reached < expected - slack:
            say(f"{name}: it ends at {reached:.2f} s of {expected:.2f} s; the file seems to be cut off")


def _is_accelerated(stream: VideoStream) -> bool:
    """Whether a device decodes a stream, or will try to."""
    return bool(stream.codec_context.is_hwaccel)


def has_alpha(pix_fmt: str) -> bool:
    """Whether a pixel format stores transparency."""
    from av.video.format import VideoFormat

    return any(component.is_alpha for component in VideoFormat(pix_fmt).components)


def plane_view(plane: VideoPlane) -> np.ndarray:
    """A plane of 8-bit samples as (H, W) uint8, without a copy; the view keeps the picture's buffer alive."""
    stride = plane.line_size
    if stride < 0:
        flipped: np.ndarray = np.ndarray((plane.height, -stride), np.uint8, buffer=plane)  # type: ignore[arg-type]
        return flipped[::-1, : plane.width]
    shape = (plane.height, plane.width)
    return np.ndarray(shape, np.uint8, buffer=plane, strides=(stride, 1))  # type: ignore[arg-type]


def output_shape(info: MediaInfo, size: int | tuple[int, int] | None) -> tuple[int, int, Fraction | None]:
    """(width, height, sample aspect ratio) of the frames that a reader hands on.

    Args:
        info: the source.
        size: see `VideoReader`.

    Raises:
        InputError: the size is not positive, or too large.
    """
    width, height, aspect = info.width, info.height, info.sample_aspect_ratio
    if size is None:
        return width, height, aspect
    if isinstance(size, int):
        short = min(width, height)
        if size == short:
            return width, height, aspect
        scale = Fraction(size, short)
        new = (max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2)))
        said = str(size)
    else:
        new = (int(size[0]), int(size[1]))
        said = f"{size[0]}x{size[1]}"
        if info.rotation % 180:
            new = (new[1], new[0])
        square = aspect if aspect is not None else Fraction(1)
        square = square * width * new[1] / (height * new[0])
        aspect = aspect if (aspect is None and square == 1) else square.limit_denominator(10000)
    if min(new) < _MIN_SIDE or max(new) > MAX_SIDE:
        raise InputError(f"--size {said}: sides from {_MIN_SIDE} to {MAX_SIDE} pixels are possible")
    return new[0], new[1], aspect
