"""Work that can be interrupted: the video is encoded in fragments that are kept, and joined without re-encoding.

A folder beside the output holds them. Every fragment has the same number of pictures, begins with a key frame and
refers to nothing outside itself: an encoder of its own made it. It counts from the moment at which its description
(a small JSON) appears, which happens after its packets are safely on the disk. When the work is taken up again, the
finished fragments at the beginning are not encoded again; as the rest is reached, all of them go into the output in
the same order as in a run without interruption. Decoding times are computed anew for the whole, from the order of
presentation and the encoder's own delay, and so do not know of the joints.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media.capabilities import versions
from realtime.media.files.reader import VideoReader
from realtime.media.files.writer import VideoWriter

FRAMES = 120
"""Pictures in a fragment: what an interruption costs at most. Each fragment costs the bytes of a key frame."""

_STORES = ("nut", "mov", "matroska")
"""Containers for a fragment, the first that takes its codec. Exact times are in the description."""
_GLOBAL_HEADER = 1 << 22
_JOB = "job.json"
PART = ".part"


def work_folder(target: str | os.PathLike[str]) -> Path:
    """Where the unfinished work on an output is kept."""
    path = Path(target)
    return path.with_name(f".{path.name}.resume")


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a finished fragment holds.

    Attributes:
        pts: presentation times in units of the output's time base, in the order in which the pictures are decoded.
        delay: pictures by which the encoder's decoding times run ahead.
        size: bytes of its file.
        store: FFmpeg's name of its container.
    """

    pts: tuple[int, ...]
    delay: int
    size: int
    store: str

    @property
    def shown(self) -> list[int]:
        """Presentation times in the order of showing."""
        return sorted(self.pts)


class FragmentStore:
    """The folder of one output's fragments.

    Args:
        folder: made where it is missing.
        job: all that the pictures depend on. Fragments of another job are refused.
        beside: a file in the folder that is none of its own business.
        anew: throw away what is there.
        shared: others work on the folder, too; one of them has made it for this job.

    Attributes:
        folder: as given.
        fragments: those that were finished earlier, without a gap from the beginning.

    Raises:
        InputError: the folder holds fragments of another job, is in use, or cannot be written.
    """

    def __init__(
        self, folder: Path, job: Mapping[str, Any], *, beside: Path, anew: bool = False, shared: bool = False
    ) -> None:
        self.folder, self._beside = folder, beside
        self.fragments: list[Fragment] = []
        self._lock: Any = None
        try:
            folder.mkdir(exist_ok=True)
            self._take_lock(shared=shared)
            if anew:
                self._clear()
            self._check_job(dict(job))
            for left in () if shared else folder.glob("*" + PART + "*"):  # by a process that was killed
                if left != beside:
                    left.unlink(missing_ok=True)
        except OSError as error:
            self.release()
            raise InputError(f"{folder}: cannot be written ({error.strerror}), and --resume needs it") from None
        except BaseException:
            self.release()
            raise
        while (found := self._load(len(self.fragments))) is not None:
            self.fragments.append(found)

    def _take_lock(self, *, shared: bool) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: there, files that are open cannot be replaced, which does as well
            return
        self._lock = open(self.folder / "lock", "w")  # noqa: SIM115 (held for as long as the work lasts)
        try:
            fcntl.flock(self._lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{self.folder}: another restyle is at work on this output") from None

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "lock" and path != self._beside:
                path.unlink(missing_ok=True)

    def _check_job(self, job: dict[str, Any]) -> None:
        path = self.folder / _JOB
        job = json.loads(json.dumps(job))
        try:
            earlier = json.loads(path.read_text())
        except FileNotFoundError:
            self._clear()
            _write_whole(path, json.dumps(job, indent=1).encode())
            return
        except ValueError:
            earlier = {}
        differing = sorted(k for k in {*job, *earlier} if job.get(k) != earlier.get(k))
        if differing:
            told = ", ".join(k if k == "style" else f"{k} ({_plainly(earlier.get(k))})" for k in differing)
            raise InputError(
                f"{self.folder}: holds work that was begun with another {told}; run it as it was begun, or begin anew "
                f"with --overwrite"
            )

    def path(self, number: int, store: str) -> Path:
        """The file of a fragment."""
        return self.folder / f"{number:06}.{store}"

    def _load(self, number: int) -> Fragment | None:
        try:
            said = json.loads((self.folder / f"{number:06}.json").read_text())
            fragment = Fragment(tuple(map(int, said["pts"])), int(said["delay"]), int(said["size"]), str(said["store"]))
            whole = len(fragment.pts) == FRAMES and self.path(number, fragment.store).stat().st_size == fragment.size
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return fragment if whole else None

    def has(self, number: int) -> bool:
        """Whether a fragment is finished, whatever there is before it."""
        return self._load(number) is not None

    def save(self, number: int, fragment: Fragment) -> None:
        """Say that a fragment is finished; its packets must be in their file."""
        said = {"pts": fragment.pts, "delay": fragment.delay, "size": fragment.size, "store": fragment.store}
        _write_whole(self.folder / f"{number:06}.json", json.dumps(said).encode())

    def release(self) -> None:
        """Let others work on the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def _plainly(value: Any) -> str:
    """A setting as people say it, such as "torch bf16" or "off"."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


class OtherTimes(RestyleError):
    """A fragment's pictures have other times than those that are to be written."""


class ResumableWriter(VideoWriter):
    """A `VideoWriter` whose work outlives an interruption. Nothing of it is seen under the output's name either.

    The reader is read from its beginning every time, so that times, sound and the rest are what they would have been.
    Of the first `frames_done` pictures only the times are looked at: they need not be styled again.

    Attributes:
        frames_done: pictures that were encoded in an earlier run.
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
        threads: int = 0,
        anew: bool | None = None,
        shared: bool = False,
    ) -> None:
        """Open an output, or take up the work on it.

        Args:
            path, reader, encoder, quality, overwrite, threads: see `VideoWriter`.
            job: plain values that say what the frames are, and may not have changed since the work was begun.
            anew: throw earlier work away; None does so with `overwrite`.
            shared: see `FragmentStore`.

        Raises:
            InputError: see `VideoWriter` and `FragmentStore`.
        """
        self.frames_done = 0
        self._store: FragmentStore | None = None
        self._folder = work_folder(path)
        self._index = 0
        self._encoder: _FragmentEncoder | None = None
        self._ready: tuple[int, Fragment] | None = None
        self._decode_times: deque[int] = deque()
        self._begun = False
        try:
            super().__init__(path, reader, encoder=encoder, quality=quality, overwrite=overwrite, threads=threads)
        except BaseException:
            with contextlib.suppress(OSError):
                self._folder.rmdir()  # made here, or it is not empty
            raise
        try:
            if self._palette is not None:
                raise InputError(f"{self.path}: a GIF cannot be resumed; leave --resume out")
            info = reader.info
            said = {
                **job,
                "encoder": self.encoder,
                "quality": quality,
                "picture": [self.width, self.height, self._pix_fmt, str(self._time_base)],
                "source": [os.fspath(Path(info.path).absolute()), *_stamp(info.path)],
                "output": self._format,
                "libavcodec": versions()["libavcodec"],
            }
            anew = overwrite if anew is None else anew
            self._store = FragmentStore(self._folder, said, beside=self._temporary, anew=anew, shared=shared)
        except BaseException:
            self.abort()
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            raise
        self.frames_done = FRAMES * len(self._store.fragments)

    def _hidden_path(self) -> Path:
        with contextlib.suppress(OSError):  # opening the file there will say what is wrong
            self._folder.mkdir(exist_ok=True)
        return self._folder / f"{secrets.token_hex(4)}{PART}{self.path.suffix}"

    def _kept(self) -> str:
        return "what is done is kept; run it again with --resume"

    # Pictures

    def _encode(self, frame: Frame, pts: int) -> None:
        assert self._store is not None
        number, place = divmod(self._index, FRAMES)
        self._index += 1
        if place == 0:
            # Only now is it known how long the last picture of the fragment before is shown.
            self._join()
        if number < len(self._store.fragments):
            fragment = self._store.fragments[number]
            if fragment.shown[place] != pts:
                raise OtherTimes(f"{self._folder}: holds pictures of other times; begin anew with --overwrite")
            if place == FRAMES - 1:
                self._ready = number, fragment
            return
        if self._encoder is None:
            self._encoder = _FragmentEncoder(self, self._store, number)
        self._encoder.encode(self._picture(frame, pts))
        if place == FRAMES - 1:
            self._ready = number, self._encoder.finish()
            self._encoder = None

    def _flush(self) -> None:
        self._join()
        if self._encoder is not None:
            number = self._encoder.number
            self._ready = number, self._encoder.finish()
            self._encoder = None
            self._join()

    def _join(self) -> None:
        """Put the packets of the fragment that is ready into the output, under decoding times of the whole."""
        if self._ready is None:
            return
        assert self._store is not None
        (number, fragment), self._ready = self._ready, None
        shown = fragment.shown
        if not self._begun:
            self._begun = True
            step = shown[1] - shown[0] if len(shown) > 1 else self._step
            self._decode_times.extend(shown[0] - step * back for back in range(fragment.delay, 0, -1))
        self._decode_times.extend(shown)
        for packet, pts in zip(_packets(self._store.path(number, fragment.store)), fragment.pts, strict=True):
            packet.pts, packet.dts, packet.time_base = pts, self._decode_times.popleft(), self._time_base
            if packet.dts > pts:
                raise RestyleError(f"{self.path}: the encoder {self.encoder} reorders pictures further than it says")
            self._mux_video(packet)

    # The end

    def finish(self) -> Any:
        """See `VideoWriter.finish`; the folder of fragments is gone then."""
        summary = super().finish()
        if self._store is not None:
            self._store.remove()
            self._store = None
        return summary

    def has(self, number: int) -> bool:
        """Whether a fragment is finished, whatever there is before it."""
        return self._store is not None and self._store.has(number)

    def leave(self) -> None:
        """Close, and leave the folder as it is: others will go on there."""
        if self._store is not None:
            self._store.release()
            self._store = None
        ResumableWriter.abort(self)

    def abort(self) -> None:
        """Stop. The fragments that are finished stay."""
        super().abort()
        if self._encoder is not None:
            self._encoder.abandon()
            self._encoder = None
        if self._store is not None:
            if any(self._folder.glob("[0-9]*.json")):
                self._store.release()
            else:  # nothing that would be worth a resumption
                self._store.remove()
            self._store = None


class PartWriter(ResumableWriter):
    """Encodes some fragments of an output, and no more: another process joins them with the others.

    The reader must begin with the first of their pictures, and end with the last.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reader: VideoReader,
        *,
        job: Mapping[str, Any],
        first: int,
        encoder: str = "auto",
        quality: float | None = None,
        overwrite: bool = False,
    ) -> None:
        """Take up the work on an output beside others.

        Args:
            path, reader, job, encoder, quality, overwrite: see `ResumableWriter`.
            first: number of the first fragment, from 0.

        Raises:
            InputError: see `ResumableWriter`; or the work was begun otherwise.
        """
        super().__init__(
            path,
            reader,
            job=job,
            encoder=encoder,
            quality=quality,
            overwrite=overwrite,
            anew=False,
            shared=True,
        )
        self._first = first
        self.frames_done = 0
        reader.tape.want(())

    def _encode(self, frame: Frame, pts: int) -> None:
        assert self._store is not None
        number, place = divmod(self._index, FRAMES)
        self._index += 1
        if self._encoder is None:
            self._encoder = _FragmentEncoder(self, self._store, self._first + number)
        self._encoder.encode(self._picture(frame, pts))
        if place == FRAMES - 1:
            self._encoder.finish()
            self._encoder = None
        self._durations.clear()  # nothing is joined here that would want them

    def finish(self) -> Any:
        """Close. A fragment that is not complete is not kept."""
        self.abort()
        return self.summary

    def abort(self) -> None:
        """Stop. What is finished stays, and so does the folder, where others work."""
        self.leave()


@dataclass(frozen=True, slots=True)
class Part:
    """Fragments that one process makes.

    Attributes:
        first: number of the first of them.
        count: how many.
        begin, stop: times of their first picture, and of the first one after them (None: there is none), in units of
            the source's time base.
    """

    first: int
    count: int
    begin: int
    stop: int | None


def split(times: list[int], processes: int, done: Callable[[int], bool]) -> list[Part]:
    """Complete fragments that are not done yet, as evenly as they go among processes; each makes neighbours.

    Args:
        times: of all pictures in the order of showing.
        processes: as many parts at most.
        done: whether a fragment, by its number, is finished.
    """
    whole = len(times) // FRAMES
    left = [number for number in range(whole) if not done(number)]
    parts: list[Part] = []
    for share in range(processes):
        numbers = left[len(left) * share // processes : len(left) * (share + 1) // processes]
        while numbers:  # earlier work may have left holes
            first, count = numbers[0], 1
            while count < len(numbers) and numbers[count] == first + count:
                count += 1
            end = (first + count) * FRAMES
            parts.append(Part(first, count, times[first * FRAMES], times[end] if end < len(times) else None))
            numbers = numbers[count:]
    return parts


class _FragmentEncoder:
    """Encodes one fragment into its file."""

    def __init__(self, writer: ResumableWriter, store: FragmentStore, number: int) -> None:
        self.number = number
        self._store = store
        self._pts: list[int] = []
        self._dts: list[int] = []
        self._open(writer)

    def _open(self, writer: ResumableWriter) -> None:
        import av

        for store in _STORES:
            self._kind = store
            self._path = self._store.path(self.number, store)
            options = {"video_track_timescale": str(writer._time_base.denominator)} if store == "mov" else {}
            self._container: Any = av.open("file:" + os.fspath(self._path), "w", format=store, options=options)
            try:
                self._stream: Any = self._container.add_stream(writer.encoder, rate=writer._rate)
                break
            except ValueError:
                self.abandon()
        else:
            raise RestyleError(f"{writer.path}: {writer.encoder} cannot be resumed; run it without --resume")
        context = self._stream.codec_context
        for key, value in writer._attributes.items():
            setattr(context, key, dict(value) if isinstance(value, dict) else value)
        self._stream.time_base = writer._time_base
        # Whether headers stand in the stream or beside it is for the output's container to say.
        context.flags = (context.flags & ~_GLOBAL_HEADER) | (writer._context.flags & _GLOBAL_HEADER)

    def encode(self, picture: Any) -> None:
        """Encode a picture; None for what is left in the encoder."""
        for packet in self._stream.codec_context.encode(picture):
            self._pts.append(packet.pts)
            self._dts.append(packet.dts)
            packet.stream = self._stream
            self._container.mux_one(packet)

    def finish(self) -> Fragment:
        """Complete the fragment, and say so."""
        self.encode(None)
        self._container.close()
        with open(self._path, "rb+") as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        first = min(self._pts)
        fragment = Fragment(tuple(self._pts), sum(dts < first for dts in self._dts), size, self._kind)
        self._store.save(self.number, fragment)
        return fragment

    def abandon(self) -> None:
        """Close without completing."""
        with contextlib.suppress(Exception):
            self._container.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def _packets(path: Path) -> Any:
    import av

    with av.open("file:" + os.fspath(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet


def _stamp(path: str | os.PathLike[str]) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _write_whole(path: Path, data: bytes) -> None:
    """A small file that is there as a whole or not at all, also after the power has failed."""
    part = path.with_name(path.name + PART)
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
