"""The open file: packets of its streams, from the beginning or from a picture on, also past damaged stretches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import TYPE_CHECKING, Any

from realtime.media.files.discontinuities import JUMPING_FORMATS, SteadyClock
from realtime.media.files.probe import MediaInfo, open_input, pick_video
from realtime.media.files.surfaces import CudaSurfaces
from realtime.media.messages import reason
from realtime.memory import give_back_memory

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_RETRIES = 8
_DISCARD_ALL = 48
"""FFmpeg's AVDISCARD_ALL: the demuxer skips the stream."""
_LONG = 20_000
"""Pictures of a file whose index takes megabytes."""


class Demuxer:
    """Reads the packets of a file, which stays open until each of its users has released it: packets refer to it."""

    container: InputContainer
    stream: VideoStream  # the video

    def __init__(self, info: MediaInfo, *, threads: int = 0, surfaces: CudaSurfaces | None = None) -> None:
        """Open a file, for one user.

        Args:
            info: what `probe` says of the file.
            threads: decoder threads, 0 for as many as there are cores.
            surfaces: the device that decodes; None decodes in software.

        Raises:
            RestyleError: the file cannot be opened, or not for the device.
        """
        self._info, self._threads, self._surfaces = info, threads, surfaces
        self._clock = SteadyClock() if JUMPING_FORMATS & set(info.formats) else None
        self._error = ""
        self._lock = Lock()
        self._users = 1
        self._open()
        # Building the index of a long MP4 takes several times its size, and it has been built twice by now.
        give_back_memory()

    def _open(self) -> None:
        path, surfaces = self._info.path, self._surfaces
        self.container = open_input(path) if surfaces is None else surfaces.open_input(path)
        self.stream = pick_video(self.container, path)
        if surfaces is None:
            self.stream.thread_type = "AUTO"
            self.stream.codec_context.thread_count = self._threads
        else:
            # Frame threads do not help a device; slices do for pictures that it refuses.
            self.stream.thread_type = "SLICE"

    def indices(self, kind: str) -> set[int]:
        """Indices of the streams of a kind ("audio", "subtitle", ...)."""
        return {stream.index for stream in self.container.streams if stream.type == kind}

    def seek(self, pts: int) -> None:
        """Go to the key frame at or before a pts of the video; to the beginning where the format cannot seek so."""
        import av.error

        with contextlib.suppress(av.error.FFmpegError):
            self.container.seek(pts, stream=self.stream, backward=True)
            for packet in self.container.demux(self.stream):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None and stamp <= pts and packet.is_keyframe:
                    # Found. This packet has been taken: go there again.
                    self.container.seek(pts, stream=self.stream, backward=True)
                    return
                break
        self.container.close()
        self._open()

    def packets(self, others: AbstractSet[int]) -> Iterator[Packet[Any]]:
        """Packets of the video and of streams by their indices; last, an empty packet that flushes the decoder."""
        import av.error
        from av.packet import Packet

        wanted = [self.stream, *(s for s in self.container.streams if s.index in others)]
        for stream in self.container.streams:
            if stream not in wanted:
                stream.discard = _DISCARD_ALL  # type: ignore[assignment]
        failures = 0
        while failures <= _RETRIES:
            try:
                for packet in self.container.demux(wanted):
                    if packet.size == 0 and packet.dts is None and packet.pts is None:
                        break  # PyAV's own flushing packets, which do not tell their stream
                    failures = 0
                    if self._clock is not None:
                        self._clock.correct(packet)
                    yield packet
                break
            except av.error.FFmpegError as error:
                # A damaged stretch: demuxers often recover. One that does not is at its end.
                failures += 1
                self._error = reason(error)
        last: Packet[Any] = Packet()
        last.stream = self.stream
        yield last

    @property
    def jumps(self) -> int:
        """How often the clock of the file has jumped so far."""
        return 0 if self._clock is None else self._clock.jumps

    def problems(self) -> Iterator[str]:
        """What was wrong with the file's structure, in words."""
        if self.jumps:
            yield f"its clock jumped {self.jumps} times; what follows a jump was joined to what was before"
        if self._error:
            yield f"reading failed in places ({self._error})"

    def retain(self) -> None:
        """Add a user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Close the file if this was its last user."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self.container.close()
            if (self._info.frames or 0) > _LONG:
                give_back_memory()  # that of its index
