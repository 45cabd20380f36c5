"""Description of a media file, found by opening it and decoding one picture."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.errors import MediaError
from realtime.frames import UNSPECIFIED, ColorTags, Range, guess_matrix
from realtime.media.files import matroska_header, mp4_header
from realtime.media.files.cropping import Cropper, Margins
from realtime.media.messages import reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ATTACHED_PICTURE = 1 << 10
"""FFmpeg's AV_DISPOSITION_ATTACHED_PIC: cover art, a still that is not "the video"."""
_DEFAULT_TRACK = 1
"""AV_DISPOSITION_DEFAULT."""

_RANGE_FULL, _MATRIX_RGB, _BT709 = 2, 0, 1
_PACKETS_TO_FIRST_PICTURE = 2000
_VIDEO_CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg2video", "mpeg4"})


@dataclass(frozen=True)
class AudioInfo:
    """One audio track."""

    index: int  # of the stream in the file
    codec: str  # FFmpeg's name ("aac", "vorbis", ...)
    channels: int
    sample_rate: int
    language: str | None = None  # ISO 639-2; None where the file names none


@dataclass(frozen=True)
class SubtitleInfo:
    """One subtitle track; see `AudioInfo`."""

    index: int
    codec: str
    language: str | None = None


@dataclass(frozen=True)
class MediaInfo:
    """Description of a media file. Times are in seconds on the file's own clock; None stands for unknown."""

    path: Path  # as given
    formats: tuple[str, ...]  # FFmpeg's names of the container ("mov", "mp4", ...)
    video_index: int  # index of the stream that is "the video"
    width: int  # in pixels, after the file's own cropping and before rotation and pixel aspect
    height: int
    frames: int | None  # number of pictures, an estimate
    duration: float | None  # from the first to the last of picture and sound
    average_rate: Fraction | None  # frames per second
    time_base: Fraction  # seconds per unit of the video's pts
    start_time: float  # time of the first picture
    rotation: int  # degrees counter-clockwise by which a player turns the picture
    display_matrix: tuple[int, ...] | None  # the nine integers behind `rotation`, which may mirror as well
    sample_aspect_ratio: Fraction | None  # width of a pixel over its height
    pix_fmt: str  # FFmpeg's name of the pixel format
    bit_depth: int  # bits per sample
    color: ColorTags
    codec: str  # FFmpeg's name of the video codec
    tagged_range: bool = False  # whether the source itself tells its range
    container_start: float = 0.0  # time of the earliest packet shown, of any stream
    audio: tuple[AudioInfo, ...] = ()
    subtitles: tuple[SubtitleInfo, ...] = ()
    chapters: int = 0  # number of chapters
    metadata: dict[str, str] = field(default_factory=dict)  # the container's tags
    cropped: Margins | None = None  # what the file cuts off its decoded pictures; None for nothing
    shown: float | None = None  # seconds for which the video is shown by its own header
    file_size: int | None = None  # bytes; None where it is no regular file
    other_bit_rate: int = 0  # bits per second of all sound, as far as the file tells
    interlaced: bool = False  # whether the first picture is


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Describe a media file.

    Args:
        path: a file with a video stream.

    Raises:
        MediaError: the file is missing, a folder, empty, unreadable, not a media file, or has no video that can be
            decoded. The message names the file and the reason.
    """
    container = open_input(path)
    try:
        stream = pick_video(container, path)
        picture, margins = _first_picture(container, stream, path), _margins(container, stream, path)
        if margins is None or margins.size(picture.width, picture.height) is None:
            return _describe(container, stream, picture, Path(path))
        return replace(_describe(container, stream, Cropper(margins)(picture), Path(path)), cropped=margins)
    finally:
        container.close()


def open_input(path: str | os.PathLike[str]) -> InputContainer:
    """Open a file for reading.

    Raises:
        MediaError: see `probe`.
    """
    import av
    import av.error

    name = os.fspath(path)
    try:
        status = os.stat(name)
    except FileNotFoundError:
        raise MediaError(f"{name}: no such file") from None
    except OSError as error:
        raise MediaError(f"{name}: cannot be read ({error.strerror})") from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{name}: is a folder, not a video file")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise MediaError(f"{name}: the file is empty")
    if not os.access(name, os.R_OK):
        raise MediaError(f"{name}: cannot be read (permission denied)")
    try:
        # Without the prefix, a name such as "a:b.mp4" would be taken for a protocol.
        return av.open("file:" + name, mode="r", metadata_errors="replace")
    except av.error.PermissionError:
        raise MediaError(f"{name}: cannot be read (permission denied)") from None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise MediaError(f"{name}: not a media file, or damaged beyond reading ({reason(error)})") from None


def pick_video(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    """The stream that is "the video": the first default track that is not cover art, else the first such track.

    Raises:
        MediaError: there is none, or no decoder for it.
    """
    name = os.fspath(path)
    candidates = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PICTURE]
    if not candidates:
        what = "only audio" if container.streams.audio else "no video"
        raise MediaError(f"{name}: has {what}; a file with a video track is needed")
    stream = next((s for s in candidates if int(s.disposition) & _DEFAULT_TRACK), candidates[0])
    if stream.codec_context is None:
        raise MediaError(
            f"{name}: this build of FFmpeg has no decoder for its video ({codec_name(stream)}); convert the file to "
            f"H.264 with another program first"
        )
    return stream


def codec_name(stream: Any) -> str:
    """FFmpeg's name of a stream's codec (not of the decoder in use: "av1", not "libdav1d")."""
    context = stream.codec_context
    if context is None:
        return getattr(stream, "name", None) or "unknown"
    return str(context.codec.canonical_name)


def frame_color(frame: VideoFrame, codec: str) -> ColorTags:
    """Colour tags of the 4:2:0 planes of a decoded picture; RGB becomes limited-range BT.709."""
    name, space, color_range = frame.format.name, int(frame.colorspace), int(frame.color_range)
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    if frame.format.is_rgb:
        return ColorTags("bt709", "limited", _BT709, primaries, transfer)
    if space == _MATRIX_RGB:
        space = UNSPECIFIED
    full = color_range == _RANGE_FULL or name.startswith("yuvj")
    if color_range == 0 and name.startswith("gray"):
        # In stills codecs, untagged gray is 0..255; in video codecs it is a luma plane like any other.
        full = codec not in _VIDEO_CODECS
    value_range: Range = "full" if full else "limited"
    return ColorTags(guess_matrix(space, frame.height), value_range, space, primaries, transfer)


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The nine integers of a picture's display matrix; None where it has none or it changes nothing."""
    side_data: Any = frame.side_data  # PyAV's stubs call it a dictionary
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            values = memoryview(bytes(data)[:36]).cast("i").tolist()
            identity = values[:2] == [0x10000, 0] and values[3:5] == [0, 0x10000]
            return None if identity else tuple(values)
    return None


def _first_picture(container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]) -> VideoFrame:
    """The first picture that can be decoded."""
    import av.error

    last: BaseException | None = None
    try:
        # Frame threads would read further ahead.
        stream.thread_type = "SLICE"
        for number, packet in enumerate(container.demux(stream)):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.FFmpegError as error:
                last = error
            if number > _PACKETS_TO_FIRST_PICTURE:
                break
    except av.error.FFmpegError as error:
        last = error
    why = f" ({reason(last)})" if last is not None else ""
    raise MediaError(f"{os.fspath(path)}: not one picture of its video can be decoded{why}; is the file damaged?")


def _margins(container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]) -> Margins | None:
    """What the container's header cuts off a track's pictures."""
    if "mov" in container.format.name:
        return mp4_header.cropping(path).get(stream.id)
    if "matroska" in container.format.name:
        tracks = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PICTURE]
        return dict(zip((s.index for s in tracks), matroska_header.cropping(path), strict=False)).get(stream.index)
    return None


def _describe(container: InputContainer, stream: VideoStream, frame: VideoFrame, path: Path) -> MediaInfo:
    codec = codec_name(stream)
    time_base = Fraction(stream.time_base or frame.time_base or Fraction(1, 1000))
    rate = stream.average_rate or stream.guessed_rate
    length = float(stream.duration * time_base) if stream.duration else None
    # A stream's own duration counts decoding times, and is too short where the frame rate varies.
    duration = container.duration / 1e6 if container.duration else length
    frames = stream.frames or None
    if frames is None and rate and (length or duration):
        frames = max(1, round(float(length or duration or 0) * float(rate)))
    start = stream.start_time if stream.start_time is not None else (frame.pts or 0)
    sar, audio = stream.sample_aspect_ratio, container.streams.audio
    status = path.stat()
    return MediaInfo(
        path=path,
        formats=tuple(container.format.name.split(",")),
        video_index=stream.index,
        width=frame.width,
        height=frame.height,
        frames=frames,
        duration=duration,
        average_rate=Fraction(rate) if rate else None,
        time_base=time_base,
        start_time=float(start * time_base),
        rotation=int(frame.rotation),
        display_matrix=display_matrix(frame),
        sample_aspect_ratio=Fraction(sar) if sar else None,
        pix_fmt=frame.format.name,
        bit_depth=max((int(c.bits) for c in frame.format.components), default=8),
        color=frame_color(frame, codec),
        codec=codec,
        container_start=(container.start_time or 0) / 1e6,
        tagged_range=int(frame.color_range) != 0,
        audio=tuple(
            AudioInfo(s.index, codec_name(s), _told(s, "channels"), _told(s, "sample_rate"), s.language) for s in audio
        ),
        subtitles=tuple(SubtitleInfo(s.index, codec_name(s), s.language) for s in container.streams.subtitles),
        chapters=len(container.chapters()),
        metadata=dict(container.metadata),
        shown=mp4_header.shown_seconds(path).get(stream.id) if "mov" in container.format.name else None,
        file_size=status.st_size if stat.S_ISREG(status.st_mode) else None,
        other_bit_rate=sum(_told(s, "bit_rate") for s in audio),
        interlaced=bool(frame.interlaced_frame),
    )


def _told(stream: Any, name: str) -> int:
    """A number that a stream's codec tells; 0 where it does not, or there is no decoder."""
    return int(getattr(stream.codec_context, name, 0) or 0)
