"""Writing a video file, put together from its parts: encoder, side streams, and the container that takes both."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from realtime.errors import DiskFull, RestyleError
from realtime.frames import Frame
from realtime.media.files.disk_space import RESERVE, SpaceWatch, megabytes
from realtime.media.files.muxer import Muxer
from realtime.media.files.output_spec import OutputSpec, SourceVideo
from realtime.media.files.side_streams import SideOutput, SideStreams
from realtime.media.files.timeline import Timeline
from realtime.media.files.video_encoder import VideoEncoder
from realtime.media.files.write_summary import WriteSummary
from realtime.media.messages import reason

if TYPE_CHECKING:
    from av.packet import Packet

    from realtime.media.files.reader import VideoReader
    from realtime.media.files.surfaces import CudaSurfaces

_LEAD = 0.5
"""Seconds by which other packets may run ahead of the video, so that a player's buffer finds both."""
_VIDEO = -1


class PacketMaker(Protocol):
    """Makes the video's packets of frames; see `VideoEncoder`."""

    def encode(self, frame: Frame, pts: int) -> Iterable[Packet[Any]]: ...
    def flush(self) -> Iterable[Packet[Any]]: ...


class OutputWriter:
    """Takes frames and writes them into a file as a specification says.

    The file appears at its path when `finish` succeeds, not before; on any error, and on `abort`, nothing is left. Of a
    growing file, what was written is kept however the writing ends.

    Attributes:
        spec: what is written.
        summary: what has been written so far.
    """

    def __init__(
        self,
        spec: OutputSpec,
        open_side: Callable[[Muxer, Any, WriteSummary], SideOutput] | None = None,
        *,
        packet_maker: PacketMaker | None = None,
        folder: Path | None = None,
        kept: str = "nothing was kept",
    ) -> None:
        """Open the output and its encoders.

        Args:
            spec: what is to be written.
            open_side: adds what is written beside the video; takes the output's video stream, too. None for nothing.
            packet_maker: takes the place of the output's own encoder.
            folder: where the file is until it is complete; beside its path where None.
            kept: what is left of the work after an error, in words.

        Raises:
            InputError: the file cannot be written, or an encoder cannot be opened.
        """
        self.spec = spec
        self.summary = WriteSummary(encoder=spec.encoder, notes=[*spec.notes])
        self._kept = kept
        self._done = False
        with ExitStack() as opened:
            self._muxer = Muxer(spec, folder)
            opened.callback(self._muxer.abort)
            encoder = VideoEncoder(spec, self._muxer.container)
            self._stream = encoder.stream
            self._side = SideOutput() if open_side is None else open_side(self._muxer, self._stream, self.summary)
            opened.callback(self._side.close)
            self._muxer.start()
            opened.pop_all()
        self._packet_maker = encoder if packet_maker is None else packet_maker
        self._timeline = Timeline(spec, self._stream)
        self._space = SpaceWatch(spec.path.parent)

    @property
    def takes_surfaces(self) -> bool:
        """Whether frames that lie on the device are encoded there, without a copy."""
        return self.spec.surfaces is not None

    def write(self, frame: Frame) -> None:
        """Encode one frame, and write the packets that belong beside it.

        Args:
            frame: planes of the source's size; its pts must be later than that of the frame before.

        Raises:
            RestyleError: the encoder or the disk fails. The writer is then of no more use.
        """
        path, source = self.spec.path, self.spec.source
        if self._done:
            raise RuntimeError("the writer has finished")
        if (frame.height, frame.width) != (source.height, source.width):
            raise RestyleError(
                f"{path}: a frame of {frame.width}x{frame.height} for a video of {source.width}x{source.height}"
            )
        if self._space.full():
            free = f"{megabytes(RESERVE)} are left in {path.parent}"
            raise DiskFull(f"{path}: the disk is all but full ({free}); {self._what_is_kept()}")
        pts = self._timeline.place(frame)
        if pts is None:
            return
        with self.reporting_errors():
            self._mux_video(self._packet_maker.encode(frame, pts))
            self._side.advance(float(pts * self.spec.time_base) + _LEAD, self._timeline.shift)
        self.summary.frames += 1

    def _mux_video(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            packet.stream = self._stream
            if packet.pts is not None:
                packet.duration = self._timeline.duration(packet.pts)
            # What is refused now may be a damaged packet of another stream that has waited for this one.
            self._muxer.mux(packet, _VIDEO if self._side.may_be_damaged else None)

    def finish(self) -> WriteSummary:
        """Flush the encoder, write the rest, and move the file into its place.

        Returns:
            what went into it.

        Raises:
            RestyleError: the disk is full, or no frame was written. Nothing is left then.
        """
        if self._done:
            return self.summary
        with ExitStack() as on_error:
            on_error.callback(self.abort)
            if not self.summary.frames:
                raise RestyleError(f"{self.spec.path}: no frame was written")
            self._timeline.end(self.summary.frames)
            with self.reporting_errors():
                self._mux_video(self._packet_maker.flush())
                self._side.finish(self._timeline.shift)
                self._muxer.finish()
            on_error.pop_all()
        self._done = True
        self._side.close()
        if omitted := self._timeline.omitted:
            self.summary.dropped.append(f"{omitted} pictures: {self.spec.path.suffix} shows 50 a second at most")
        for index, count in sorted(self._muxer.refused.items()):
            whose = "of other streams" if index == _VIDEO else f"of stream {index}"
            self.summary.dropped.append(f"{count} packets {whose}: damaged")
        return self.summary

    def abort(self) -> None:
        """Stop and leave nothing behind (of a growing file, what was written). Does nothing after `finish`."""
        if not self._done:
            self._done = True
            self._muxer.abort(keep=self.spec.growing and self.summary.frames > 0)
            self._side.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.abort()

    @contextmanager
    def reporting_errors(self) -> Iterator[None]:
        """Turn errors of FFmpeg and of the system into a `RestyleError` that names the file."""
        try:
            yield
        except RestyleError:
            raise
        except Exception as error:
            path, kept = self.spec.path, self._what_is_kept()
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"{path}: the disk is full; {kept}") from error
            raise RestyleError(f"{path}: writing failed ({reason(error)}); {kept}") from error

    def _what_is_kept(self) -> str:
        return "what was written is kept" if self.spec.growing and self.summary.frames else self._kept


class VideoWriter(OutputWriter):
    """Writes frames into a file, beside the other streams of their source."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        reader: VideoReader,
        *,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
        surfaces: CudaSurfaces | None = None,
    ) -> None:
        """Open an output.

        Args:
            path: the file to make; its extension names the container.
            reader: the source: times, colours, rotation, tags and the other streams are taken from it. It must not
                have been iterated yet.
            encoder, quality, overwrite, surfaces: see `OutputSpec`.

        Raises:
            InputError: the output cannot be made as asked; the message says why and what to do.
        """
        spec = OutputSpec(
            path, SourceVideo.of(reader), encoder=encoder, quality=quality, overwrite=overwrite, surfaces=surfaces
        )
        super().__init__(spec, lambda *opened: SideStreams(spec, reader, *opened))
