"""What is in a media file: `probe(path)` opens it, decodes one picture, and tells."""

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

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ATTACHED_PICTURE = 1 << 10
"""FFmpeg's AV_DISPOSITION_ATTACHED_PIC: cover art, a still that is not "the video"."""
DEFAULT_TRACK = 1

_RANGE_FULL = 2
_MATRIX_RGB = 0
_BT709 = 1
_PACKETS_TO_FIRST_PICTURE = 2000


@dataclass(frozen=True)
class AudioInfo:
    """One audio track.

    Attributes:
        index: index of the stream in the file.
        codec: name of the codec ("aac", "vorbis", ...).
        channels: number of channels.
        sample_rate: samples per second.
        language: as the file names it (ISO 639-2), None where it does not.
    """

    index: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None = None


@dataclass(frozen=True)
class SubtitleInfo:
    """One subtitle track: its index in the file, codec ("subrip", "mov_text", ...) and language."""

    index: int
    codec: str
    language: str | None = None


@dataclass(frozen=True)
class MediaInfo:
    """What is in a media file.

    Attributes:
        path: the file, as given.
        formats: FFmpeg's names of the container ("mov", "mp4", ...).
        video_index: index of the stream that is "the video".
        width, height: size in pixels, before rotation and aspect are applied and after the file's own cropping.
        frames: number of pictures, an estimate; None where nothing tells.
        duration: seconds from the first to the last of picture and sound; None where unknown.
        average_rate: frames per second; None where unknown.
        time_base: seconds per unit of the video's pts.
        start_time: time of the first picture in seconds, on the file's own clock.
        container_start: time of the earliest packet that is shown, of any stream, in seconds on the same clock.
        rotation: degrees counter-clockwise by which a player turns the picture.
        display_matrix: the nine integers behind `rotation` (they may mirror as well); None where there are none.
        sample_aspect_ratio: width of a pixel over its height; None where unspecified.
        pix_fmt: FFmpeg's name of the pixel format.
        bit_depth: bits per sample.
        color: matrix, range and the source's own colour codes.
        codec: name of the video codec.
        tagged_range: whether the source itself says which range it has.
        audio, subtitles: the other tracks.
        other: further streams (data, attachments, cover art, second videos), in words.
        chapters: number of chapters.
        metadata: the container's own tags.
        cropped: what the file cuts off of its decoded pictures; None where it cuts off nothing.
        shown: seconds for which the video's own header says that it is shown; None where there is no such header.
        file_size: bytes; None where it is no plain file.
        other_bit_rate: bits per second of all sound, as far as the file tells.
        interlaced: whether the first picture is.
    """

    path: Path
    formats: tuple[str, ...]
    video_index: int
    width: int
    height: int
    frames: int | None
    duration: float | None
    average_rate: Fraction | None
    time_base: Fraction
    start_time: float
    rotation: int
    display_matrix: tuple[int, ...] | None
    sample_aspect_ratio: Fraction | None
    pix_fmt: str
    bit_depth: int
    color: ColorTags
    codec: str
    tagged_range: bool = False
    container_start: float = 0.0
    audio: tuple[AudioInfo, ...] = ()
    subtitles: tuple[SubtitleInfo, ...] = ()
    other: tuple[str, ...] = ()
    chapters: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    cropped: Margins | None = None
    shown: float | None = None
    file_size: int | None = None
    other_bit_rate: int = 0
    interlaced: bool = False

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) after rotation, in coded pixels (the pixel aspect is not applied)."""
        return (self.height, self.width) if self.rotation % 180 else (self.width, self.height)


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Tell what is in a media file.

    Args:
        path: a file with a video stream.

    Raises:
        MediaError: the file is missing, a folder, empty, not readable, not a media file, or has no video that can be
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
    """Open a file for reading, or say in one line why it cannot be.

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
        # The "file:" prefix keeps a name such as "a:b.mp4" from being taken for a protocol.
        return av.open("file:" + name, mode="r", metadata_errors="replace")
    except av.error.PermissionError:
        raise MediaError(f"{name}: cannot be read (permission denied)") from None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise MediaError(f"{name}: not a media file, or damaged beyond reading ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """What a PyAV or OS error says, without numbers and file names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


def pick_video(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    """The stream that is "the video": the first default track that is not cover art, else the first that is not.

    Raises:
        MediaError: there is none, or no decoder for it.
    """
    name = os.fspath(path)
    candidates = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PICTURE]
    if not candidates:
        what = "only audio" if container.streams.audio else "no video"
        raise MediaError(f"{name}: has {what}; a file with a video track is needed")
    stream = next((s for s in candidates if int(s.disposition) & DEFAULT_TRACK), candidates[0])
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


def color_tags(
    *, pix_fmt: str, is_rgb: bool, codec: str, height: int, space: int, primaries: int, transfer: int, color_range: int
) -> ColorTags:
    """The colour tags of the 4:2:0 planes that the reader hands on, from what the source says of its own.

    RGB has no matrix of its own: it is converted to limited-range BT.709.
    """
    if is_rgb:
        return ColorTags("bt709", "limited", _BT709, primaries, transfer)
    if space == _MATRIX_RGB:
        space = UNSPECIFIED
    full = color_range == _RANGE_FULL or pix_fmt.startswith("yuvj")
    if color_range == 0 and pix_fmt.startswith("gray"):
        # Stills codecs mean 0..255 by an untagged gray; video codecs mean a luma plane like any other.
        full = codec not in ("h264", "hevc", "av1", "vp8", "vp9", "mpeg2video", "mpeg4")
    value_range: Range = "full" if full else "limited"
    return ColorTags(guess_matrix(space, height), value_range, space, primaries, transfer)


def frame_color(frame: VideoFrame, codec: str) -> ColorTags:
    """`color_tags` of one decoded picture."""
    return color_tags(
        pix_fmt=frame.format.name,
        is_rgb=frame.format.is_rgb,
        codec=codec,
        height=frame.height,
        space=int(frame.colorspace),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        color_range=int(frame.color_range),
    )


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The nine integers of a picture's display matrix, None where it has none or it changes nothing."""
    side_data: Any = frame.side_data  # PyAV's stubs call it a dictionary
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            raw = bytes(data)
            values = memoryview(raw[:36]).cast("i").tolist()
            identity = values[:2] == [0x10000, 0] and values[3:5] == [0, 0x10000]
            return None if identity else tuple(values)
    return None


def _first_picture(container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]) -> VideoFrame:
    import av.error

    last: BaseException | None = None
    try:
        # One picture: threads would only read ahead.
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
    """What the container's header cuts off of a track's pictures."""
    if "mov" in container.format.name:
        return mp4_header.cropping(path).get(stream.id)
    if "matroska" in container.format.name:
        tracks = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PICTURE]
        return dict(zip((s.index for s in tracks), matroska_header.cropping(path), strict=False)).get(stream.index)
    return None


def _describe(container: InputContainer, stream: VideoStream, frame: VideoFrame, path: Path) -> MediaInfo:
    codec = codec_name(stream)
    time_base = Fraction(stream.time_base or frame.time_base or Fraction(1, 1000))
    rate = Fraction(stream.average_rate) if stream.average_rate else None
    if rate is None and stream.guessed_rate:
        rate = Fraction(stream.guessed_rate)
    length = float(stream.duration * time_base) if stream.duration else None
    # A stream's own duration counts decoding times, and falls short where the frame rate varies.
    duration = container.duration / 1e6 if container.duration else length
    frames = stream.frames or None
    if frames is None and rate and (length or duration):
        frames = max(1, round(float(length or duration or 0) * float(rate)))
    start = stream.start_time if stream.start_time is not None else (frame.pts or 0)
    sar = stream.sample_aspect_ratio
    others = []
    for other in container.streams:
        if other.index == stream.index or other.type in ("audio", "subtitle"):
            continue
        kind = "cover art" if int(other.disposition) & ATTACHED_PICTURE else str(other.type)
        others.append(f"{kind} stream {other.index} ({codec_name(other)})")
    components = frame.format.components
    return MediaInfo(
        path=path,
        formats=tuple(container.format.name.split(",")),
        video_index=stream.index,
        width=frame.width,
        height=frame.height,
        frames=frames,
        duration=duration,
        average_rate=rate,
        time_base=time_base,
        start_time=float(start * time_base),
        rotation=int(frame.rotation),
        display_matrix=display_matrix(frame),
        sample_aspect_ratio=Fraction(sar) if sar else None,
        pix_fmt=frame.format.name,
        bit_depth=max((int(c.bits) for c in components), default=8),
        color=frame_color(frame, codec),
        codec=codec,
        container_start=(container.start_time or 0) / 1e6,
        tagged_range=int(frame.color_range) != 0,
        audio=tuple(
            AudioInfo(
                index=s.index,
                codec=codec_name(s),
                channels=int(s.codec_context.channels) if s.codec_context else 0,
                sample_rate=int(s.codec_context.sample_rate) if s.codec_context else 0,
                language=s.language,
            )
            for s in container.streams.audio
        ),
        subtitles=tuple(SubtitleInfo(s.index, codec_name(s), s.language) for s in container.streams.subtitles),
        other=tuple(others),
        chapters=len(container.chapters()),
        metadata=dict(container.metadata),
        shown=mp4_header.shown_seconds(path).get(stream.id) if "mov" in container.format.name else None,
        file_size=_plain_size(path),
        other_bit_rate=sum(map(_bit_rate, container.streams.audio)),
        interlaced=bool(frame.interlaced_frame),
    )


def _bit_rate(stream: Any) -> int:
    return int(stream.codec_context.bit_rate or 0) if stream.codec_context else 0


def _plain_size(path: Path) -> int | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
