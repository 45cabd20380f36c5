"""Decoding: the pictures of the video's packets, deinterlaced, their times, and a count of what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from realtime.media.convert.deinterlace import Deinterlacer
from realtime.media.files.probe import MediaInfo
from realtime.media.files.surfaces import in_software

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ONE_PICTURE_A_PACKET = frozenset(
    {"h264", "hevc", "av1", "mpeg2video", "mjpeg", "ffv1", "prores", "png", "dnxhd", "rawvideo", "gif"}
)
_CLOCK_SET_BACK = 1.0
"""Seconds. Times that go back by more are those of a clock that was set back; by less, a faulty time stamp."""


class PictureDecoder:
    """Decodes packets of a stream.

    Args:
        stream: the video, as opened.
        on_device: whether pictures may come out on a GPU; interlaced ones then come to the CPU.

    Attributes:
        pictures_out: pictures decoded so far.
        hidden: packets so far whose pictures an edit list hides.
    """

    def __init__(self, stream: VideoStream, *, on_device: bool) -> None:
        self._stream, self._on_device = stream, on_device
        self._deinterlacer = Deinterlacer()
        self._packets_in = self._bad_packets = self._bad_pictures = 0
        self.pictures_out = self.hidden = 0

    def pictures(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        """Pictures of a packet, in the order of showing; of the empty packet, those that the decoder still holds."""
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
        self._packets_in += bool(packet.size) and not packet.is_discard
        self.hidden += packet.is_discard
        self.pictures_out += len(pictures)
        for picture in pictures:
            self._bad_pictures += picture.is_corrupt
            if self._on_device and (picture.interlaced_frame or self._deinterlacer.count):
                picture = in_software(picture)  # the deinterlacer works on the CPU
            yield picture

    def notes(self) -> Iterator[str]:
        """What was done to the pictures, in words."""
        if self._deinterlacer.count:
            yield f"{self._deinterlacer.count} interlaced pictures were deinterlaced ({self._deinterlacer.filter})"

    def problems(self, codec: str, *, whole: bool) -> Iterator[str]:
        """What could not be decoded, in words; `whole` tells whether all packets of the file came here."""
        if self._bad_packets:
            yield f"{self._bad_packets} damaged video packets were skipped"
        silent = self._packets_in - self.pictures_out
        if silent > 0 and codec in _ONE_PICTURE_A_PACKET and not self._deinterlacer.count and whole:
            yield f"{silent} video packets gave no picture"
        if self._bad_pictures:
            yield f"{self._bad_pictures} pictures are damaged"


class PictureTimes:
    """Gives each decoded picture a time after that of the one before, whatever the file says.

    Attributes:
        offset: by which all times are moved since the clock was set back, in units of the stream's time base.
    """

    def __init__(self, info: MediaInfo) -> None:
        self._info = info
        self._last: int | None = None
        self._missing = self._backward = self.offset = 0

    def of(self, picture: VideoFrame) -> tuple[int, int]:
        """(pts, duration) of the next picture in units of the stream's time base; duration 0 where unknown."""
        info, last = self._info, self._last
        duration = step = int(picture.duration or 0)
        if not step and info.average_rate:
            step = round(1 / (info.average_rate * info.time_base))
        step = max(1, step)
        pts = picture.pts
        if pts is None:
            self._missing += 1
            pts = picture.dts if picture.dts is not None else (0 if last is None else last + step)
            if last is not None and pts <= last:
                pts = last + step
        pts += self.offset
        if last is not None and pts <= last:
            self._backward += 1
            if (last - pts) * info.time_base > _CLOCK_SET_BACK:
                # Files joined end to end: all that follows is moved as well.
                self.offset += last + step - pts
                pts = last + step
            else:
                pts = last + 1
        self._last = pts
        return pts, duration

    def problems(self) -> Iterator[str]:
        """What was wrong with the file's time stamps, in words."""
        if self._missing:
            yield f"{self._missing} pictures had no time stamp; times were derived"
        if self._backward:
            yield f"{self._backward} time stamps went backwards; they were corrected"
