"""Work that can be interrupted: the video is encoded in fragments that are kept, and joined without re-encoding.

When the work is taken up again, the finished fragments at the beginning are not encoded again. As the rest is reached,
all of them go into the output in the same order as in a run without interruption. Decoding times are computed for the
whole, from the order of presentation and the encoder's own delay, and so do not depend on where fragments begin.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media.files.fragments import FRAMES, Fragment, FragmentEncoder, FragmentStore, Part, split, work_folder
from realtime.media.files.output_spec import OutputSpec, SourceVideo
from realtime.media.files.side_streams import SideStreams
from realtime.media.files.video_encoder import PictureMaker
from realtime.media.files.write_summary import WriteSummary
from realtime.media.files.writer import OutputWriter

if TYPE_CHECKING:
    from av.packet import Packet

    from realtime.media.files.reader import VideoReader


class OtherTimes(RestyleError):
    """A finished fragment's pictures have other times than those that are to be written."""


class _FragmentedEncoder:
    """Encodes frames in fragments, and returns the packets of the whole. The interface is `VideoEncoder`'s."""

    def __init__(self, spec: OutputSpec, store: FragmentStore, *, first: int = 0, joins: bool = True) -> None:
        """`first` is the number of the fragment with which the frames begin.

        With `joins`, earlier fragments are used, and packets returned. Else another process joins them.
        """
        self._spec, self._store, self._joins = spec, store, joins
        self._picture = PictureMaker(spec)
        self._index = first * store.frames
        self._encoder: FragmentEncoder | None = None
        self._ready: tuple[int, Fragment] | None = None
        self._decode_times: deque[int] | None = None

    def encode(self, frame: Frame, pts: int) -> Iterator[Packet[Any]]:
        number, place = divmod(self._index, self._store.frames)
        self._index += 1
        if place == 0:
            # Only now is it known how long the last picture of the fragment before is shown.
            yield from self._join()
        is_last = place == self._store.frames - 1
        if self._joins and number < len(self._store.finished):
            fragment = self._store.finished[number]
            if fragment.shown[place] != pts:
                raise OtherTimes(f"{self._store.folder}: holds pictures of other times; begin anew with --overwrite")
            if is_last:
                self._ready = number, fragment
            return
        if self._encoder is None:
            self._encoder = FragmentEncoder(self._spec, self._store, number)
        self._encoder.encode(self._picture(frame, pts))
        if is_last:
            self._complete(self._encoder)

    def flush(self) -> Iterator[Packet[Any]]:
        yield from self._join()
        if self._encoder is not None:
            self._complete(self._encoder)
            yield from self._join()

    def _complete(self, encoder: FragmentEncoder) -> None:
        self._ready = encoder.number, encoder.finish()
        self._encoder = None

    def _join(self) -> Iterator[Packet[Any]]:
        """The packets of the fragment that is ready, under decoding times of the whole."""
        if self._ready is None or not self._joins:
            return
        (number, fragment), self._ready = self._ready, None
        shown = fragment.shown
        if self._decode_times is None:
            step = shown[1] - shown[0] if len(shown) > 1 else self._spec.step
            self._decode_times = deque(shown[0] - step * back for back in range(fragment.delay, 0, -1))
        self._decode_times.extend(shown)
        for pts, packet in zip(fragment.pts, self._store.packets(number, fragment), strict=True):
            packet.dts, packet.time_base = self._decode_times.popleft(), self._spec.time_base
            if packet.dts > pts:
                name = self._spec.encoder
                raise RestyleError(f"{self._spec.path}: the encoder {name} reorders pictures further than it says")
            yield packet

    def abort(self) -> None:
        """Discard the fragment that is not finished."""
        if self._encoder is not None:
            self._encoder.abort()
            self._encoder = None


class ResumableWriter(OutputWriter):
    """A writer whose work outlives an interruption.

    The reader is read from its beginning every time, so that times, sound and the rest are what they would have been.
    Of the first `frames_done` frames only the times are used: they need not be stylized again.

    Attributes:
        frames_done: frames that were encoded in an earlier run.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reader: VideoReader,
        *,
        job: Mapping[str, Any],
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
        discard_existing: bool | None = None,
        part: int | None = None,
        fragment_frames: int = FRAMES,
    ) -> None:
        """Open an output, or take up the work on it.

        Args:
            path, reader, encoder, quality, overwrite: see `VideoWriter`.
            job: plain values that say what the frames are, and may not have changed since the work was begun.
            discard_existing: throw earlier work away; None does so with `overwrite`.
            part: encode only a part of the output, which begins with this fragment: another process has begun the work,
                and joins it. The reader must begin with the part's first frame and end with its last.
            fragment_frames: frames in a fragment, the same in all runs.

        Raises:
            InputError: see `VideoWriter`; or the earlier work is another job's, or another process is at it.
        """
        spec = OutputSpec(path, SourceVideo.of(reader), encoder=encoder, quality=quality, overwrite=overwrite)
        if spec.encoder == "gif":
            raise InputError(f"{spec.path}: a GIF cannot be resumed; leave --resume out")
        store = FragmentStore(work_folder(path), frames=fragment_frames, shared=part is not None)
        with ExitStack() as opened:
            opened.callback(store.close)
            self._fragments = _FragmentedEncoder(spec, store, first=part or 0, joins=part is None)
            super().__init__(
                spec,
                None if part is not None else lambda *output: SideStreams(spec, reader, *output),
                packet_maker=self._fragments,
                folder=store.folder,
                kept="what is done is kept; run it again with --resume",
            )
            opened.callback(super().abort)
            discard = (overwrite if discard_existing is None else discard_existing) and part is None
            store.begin(_whole_job(job, spec, quality), discard_existing=discard)
            opened.pop_all()
        self._store, self._is_part = store, part is not None
        self.frames_done = 0 if self._is_part else fragment_frames * len(store.finished)

    def split(self, times: Sequence[int], processes: int) -> tuple[list[Part], int]:
        """Share the work among processes; see `fragments.split`.

        Args:
            times: pts of all frames in the order of showing.
            processes: how many there are.

        Returns:
            the parts, and how many frames earlier work has encoded.
        """
        frames = self._store.frames
        done = sum(self._store.has(number) for number in range(len(times) // frames))
        return split(times, processes, self._store.has, frames=frames), done * frames

    def finish(self) -> WriteSummary:
        """See `OutputWriter.finish`; the folder of fragments is removed then. A part is only closed."""
        if self._is_part:
            self.abort()
        else:
            super().finish()
            self._store.remove()
        return self.summary

    def close(self) -> None:
        """Stop, and leave the folder as it is: others will go on there."""
        self._store.close(keep_folder=True)
        self.abort()

    def abort(self) -> None:
        """Stop. Fragments that are finished are kept."""
        super().abort()
        self._fragments.abort()
        self._store.close()


def _whole_job(job: Mapping[str, Any], spec: OutputSpec, quality: float | None) -> dict[str, Any]:
    """All that the encoded pictures depend on."""
    import av

    source = spec.source
    status = os.stat(source.path)
    return {
        **job,
        "encoder": spec.encoder,
        "quality": quality,
        "picture": [source.width, source.height, spec.pix_fmt, str(spec.time_base)],
        "source": [os.fspath(source.path.absolute()), status.st_size, status.st_mtime_ns],
        "output": spec.format,
        "libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
    }
