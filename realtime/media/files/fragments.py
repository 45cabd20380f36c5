"""Fragments of a video on the disk: how work is kept that can be interrupted.

A folder beside the output holds them. Every fragment but the last has the same number of pictures, begins with a key
frame and refers to nothing outside itself: an encoder of its own made it. It counts from the moment at which its
description (a small JSON) appears, which happens after its packets are safely on the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.errors import InputError
from realtime.media.files.muxer import PART
from realtime.media.files.output_spec import OutputSpec

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame

FRAMES = 120
"""Pictures in a fragment: what an interruption costs at most. Each fragment costs the bytes of a key frame."""

_JOB = "job.json"


def work_folder(target: str | os.PathLike[str]) -> Path:
    """Where the unfinished work on an output is kept."""
    path = Path(target)
    return path.with_name(f".{path.name}.resume")


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a finished fragment holds.

    Attributes:
        pts: presentation times of its packets in units of the output's time base, in the order of decoding.
        sizes: of its packets in bytes.
        keys: which packets are key frames.
        delay: pictures by which the encoder's decoding times run ahead.
    """

    pts: list[int]
    sizes: list[int]
    keys: list[bool]
    delay: int

    @property
    def shown(self) -> list[int]:
        """Presentation times in the order of showing."""
        return sorted(self.pts)


class FragmentStore:
    """The folder of one output's fragments.

    Attributes:
        folder: as given.
        frames: pictures in a fragment.
        finished: fragments that were finished before `begin`, without a gap from the first.
    """

    def __init__(self, folder: Path, *, frames: int = FRAMES, shared: bool = False) -> None:
        """Lock the folder.

        Args:
            folder: made where it is missing.
            frames: pictures in a fragment.
            shared: several processes work on the folder; another one has begun the work.

        Raises:
            InputError: the folder is in use, or cannot be written.
        """
        self.folder, self.frames = folder, frames
        self.finished: list[Fragment] = []
        self._shared = shared
        self._lock: Any = None
        self._is_open = False
        with self._writing():
            folder.mkdir(exist_ok=True)
            self._take_lock()
            self._is_open = True
            for left in () if shared else folder.glob(f"*{PART}*"):  # by a process that was killed
                left.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close(keep_folder=True)
            raise InputError(f"{self.folder}: cannot be written ({error.strerror}), and --resume needs it") from None

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: there, files that are open cannot be replaced, which does as well
            return
        lock = open(self.folder / "lock", "w")  # noqa: SIM115 (held for as long as the work lasts)
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InputError(f"{self.folder}: another restyle is at work on this output") from None
        self._lock = lock

    def begin(self, job: Mapping[str, Any], *, discard_existing: bool = False) -> None:
        """Begin the work, or take it up again.

        Args:
            job: all that the pictures depend on, as plain values.
            discard_existing: throw earlier work away.

        Raises:
            InputError: the folder holds work on another job, or cannot be written.
        """
        with self._writing():
            if discard_existing:
                self._clear()
            self._check_job(json.loads(json.dumps(job)))
        while (found := self._load(len(self.finished))) is not None:
            self.finished.append(found)

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "lock" and PART not in path.name:
                path.unlink(missing_ok=True)

    def _check_job(self, job: dict[str, Any]) -> None:
        path = self.folder / _JOB
        try:
            earlier = json.loads(path.read_text())
        except FileNotFoundError:
            self._clear()
            _write_atomically(path, json.dumps(job, indent=1))
            return
        except ValueError:
            earlier = {}
        differing = sorted(k for k in {*job, *earlier} if job.get(k) != earlier.get(k))
        if differing:
            told = ", ".join(k if k == "style" else f"{k} ({_in_words(earlier.get(k))})" for k in differing)
            raise InputError(
                f"{self.folder}: holds work that was begun with another {told}; run it as it was begun, or begin anew "
                f"with --overwrite"
            )

    def path(self, number: int) -> Path:
        """The file with a fragment's packets, one after the other."""
        return self.folder / f"{number:06}.packets"

    def _load(self, number: int) -> Fragment | None:
        try:
            fragment = Fragment(**json.loads(self.path(number).with_suffix(".json").read_text()))
            size = self.path(number).stat().st_size
            complete = len(fragment.pts) == self.frames and size == sum(fragment.sizes)
        except (OSError, ValueError, TypeError):
            return None
        return fragment if complete else None

    def has(self, number: int) -> bool:
        """Whether a fragment is finished, whatever there is before it."""
        return self._load(number) is not None

    def save(self, number: int, fragment: Fragment) -> None:
        """Write the description of a finished fragment; its packets must be in their file."""
        _write_atomically(self.path(number).with_suffix(".json"), json.dumps(asdict(fragment)))

    def packets(self, number: int, fragment: Fragment) -> Iterator[Packet[Any]]:
        """The packets of a finished fragment, with their presentation times, in the order of decoding."""
        from av.packet import Packet

        with open(self.path(number), "rb") as file:
            for pts, size, is_key in zip(fragment.pts, fragment.sizes, fragment.keys, strict=True):
                packet: Packet[Any] = Packet(file.read(size))
                packet.pts, packet.is_keyframe = pts, is_key
                yield packet

    def close(self, *, keep_folder: bool = False) -> None:
        """Let others work on the folder. It is removed where no fragment is finished, unless it is to be kept."""
        if self._is_open and not (self._shared or keep_folder or any(self.folder.glob("[0-9]*.json"))):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._is_open = False
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()


class FragmentEncoder:
    """Encodes one fragment into its file."""

    def __init__(self, spec: OutputSpec, store: FragmentStore, number: int) -> None:
        """Open an encoder for the fragment of this number, from 0."""
        self.number = number
        self._store = store
        self._context = spec.open_encoder()
        self._file = open(store.path(number), "wb")  # noqa: SIM115 (held until the fragment is complete)
        self._fragment = Fragment([], [], [], 0)
        self._decode_times: list[int] = []

    def encode(self, picture: VideoFrame | None) -> None:
        """Encode a picture; None for what is left in the encoder."""
        for packet in self._context.encode(picture):
            self._file.write(packet)
            self._fragment.pts.append(packet.pts)
            self._fragment.sizes.append(packet.size)
            self._fragment.keys.append(packet.is_keyframe)
            self._decode_times.append(packet.dts)

    def finish(self) -> Fragment:
        """Complete the fragment and its description."""
        self.encode(None)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        first = min(self._fragment.pts)
        fragment = replace(self._fragment, delay=sum(time < first for time in self._decode_times))
        self._store.save(self.number, fragment)
        return fragment

    def abort(self) -> None:
        """Close without completing."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._store.path(self.number).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive fragments that one process makes.

    Attributes:
        first: number of the first of them, from 0.
        count: how many.
        begin: pts of their first picture, in units of the source's time base.
        stop: pts of the first picture after them; None where there is none.
        before: pts of the last picture before them; None where there is none.
    """

    first: int
    count: int
    begin: int
    stop: int | None
    before: int | None


def split(times: Sequence[int], processes: int, done: Callable[[int], bool], *, frames: int = FRAMES) -> list[Part]:
    """Share the complete fragments that are not done yet among processes, as evenly as possible.

    Args:
        times: pts of all pictures in the order of showing.
        processes: how many there are. A process may get several parts, as earlier work can have left holes.
        done: whether a fragment, by its number, is finished.
        frames: pictures in a fragment.
    """
    left = [number for number in range(len(times) // frames) if not done(number)]
    parts: list[Part] = []
    for share in range(processes):
        numbers = left[len(left) * share // processes : len(left) * (share + 1) // processes]
        while numbers:
            first, count = numbers[0], 1
            while count < len(numbers) and numbers[count] == first + count:
                count += 1
            begin, end = first * frames, (first + count) * frames
            stop = times[end] if end < len(times) else None
            parts.append(Part(first, count, times[begin], stop, times[begin - 1] if first else None))
            numbers = numbers[count:]
    return parts


def _in_words(value: Any) -> str:
    """A setting for a message, such as "torch bf16" or "off"."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


def _write_atomically(path: Path, text: str) -> None:
    """Write a small file that is there as a whole or not at all, also after the power has failed."""
    part = path.with_name(path.name + PART)
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
