"""The file itself: it grows under a hidden name, and is moved into its place when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.errors import InputError
from realtime.media.files.output_spec import OutputSpec
from realtime.media.messages import quiet_libraries, reason
from realtime.memory import give_back_memory

if TYPE_CHECKING:
    from av.packet import Packet

PART = ".part"
"""In the names of files that are not complete."""
_PACKETS = 1 << 15
"""After so many packets the index of an MP4 has grown by megabytes."""


class Muxer:
    """Writes packets of all streams into a container; FFmpeg interleaves them.

    A growing file is written under its own name from the beginning. A file that it replaces is put back if it cannot be
    started.

    Attributes:
        container: PyAV's, to which streams are added before `start`.
        refused: how many damaged packets the container did not take, by source.
    """

    def __init__(self, spec: OutputSpec, folder: Path | None = None) -> None:
        """Make an empty file, which finds out whether the folder really can be written to.

        Args:
            spec: what is to be written.
            folder: where the file is until it is complete; beside its path where None.

        Raises:
            InputError: it cannot be written there.
        """
        import av

        self.refused: Counter[int] = Counter()
        path = spec.path
        self._path, self._encoder = path, spec.encoder
        self._packets = 0
        self._done = False
        name = f"{secrets.token_hex(4)}{PART}{path.suffix}"
        hidden = path.with_name(f".{path.stem}.{name}") if folder is None else folder / name
        self._file = path if spec.growing else hidden
        self._replaced = hidden if spec.growing and path.exists() else None
        if self._replaced is not None:
            os.replace(path, self._replaced)
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            self._put_back()
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        self.container: Any = av.open("file:" + os.fspath(self._file), mode="w", metadata_errors="replace")
        self.container.container_options.update(spec.muxer_options)

    def start(self) -> None:
        """Open the encoders and write the header. No stream can be added from here on.

        Raises:
            InputError: the file cannot be written, or an encoder cannot be opened.
        """
        import av.error

        quiet_libraries()
        try:
            self.container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            why = reason(error)
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
                raise InputError(f"{self._path}: cannot be written ({why})") from None
            hint = "" if self._encoder == "libx264" else "; try --encoder libx264"
            raise InputError(f"{self._path}: the encoder {self._encoder} cannot be used here ({why}){hint}") from None
        if self._replaced is not None:
            self._replaced.unlink()
            self._replaced = None

    def mux(self, packet: Packet[Any], source: int | None = None) -> None:
        """Write a packet.

        Args:
            packet: of one of the container's streams.
            source: a number for where it comes from. Then, if the container refuses it, it is counted and left out.
        """
        from av.error import ArgumentError, InvalidDataError, PatchWelcomeError

        self._packets += 1
        if self._packets % _PACKETS == 0:
            give_back_memory()  # an MP4's index has moved as it grew, and what it left lies free
        try:
            self.container.mux_one(packet)
        except (ArgumentError, InvalidDataError, PatchWelcomeError):
            if source is None:
                raise
            self.refused[source] += 1

    def finish(self) -> None:
        """Complete the file and move it into its place."""
        give_back_memory()  # an MP4's index is written twice, by way of buffers
        self.container.close()
        if self._packets > _PACKETS:
            give_back_memory()
        if self._file != self._path:
            os.replace(self._file, self._path)
        self._done = True

    def abort(self, *, keep: bool = False) -> None:
        """Close, and leave nothing behind, or with `keep` what there is. Does nothing after `finish`."""
        if self._done:
            return
        self._done = True
        # Unlinked first, so that closing does not spend time on completing a file that nobody wants; again for systems
        # that do not unlink open files.
        if not keep:
            self._unlink()
        with contextlib.suppress(Exception):
            self.container.close()
        if not keep:
            self._unlink()
            self._put_back()

    def _unlink(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._file)

    def _put_back(self) -> None:
        if self._replaced is not None:
            os.replace(self._replaced, self._path)
