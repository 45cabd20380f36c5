"""Writing frames as a sequence of image files: `frames/%05d.png`."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import DiskFull, InputError, RestyleError
from realtime.frames import Frame
from realtime.media.convert.geometry import shape
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.disk_space import SpaceWatch
from realtime.media.files.probe import codec_name
from realtime.media.files.stills import IMAGE_SUFFIXES, check_image_target, write_image
from realtime.media.files.write_summary import WriteSummary

if TYPE_CHECKING:
    from realtime.media.files.reader import VideoReader

_NUMBER = re.compile(r"%(0\d+)?d")
_FIRST = 1
"""Number of the first image."""


def is_sequence(path: str | os.PathLike[str]) -> bool:
    """Whether an output is a sequence of images: its name has a place for a number (%d, %05d) and an image's suffix."""
    path = Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and _NUMBER.search(path.name) is not None


class SequenceWriter:
    """Writes each frame into a file of its own, upright and with square pixels. The interface is `VideoWriter`'s.

    The files appear under their names when all of them are complete.

    Attributes:
        summary: what has been written so far.
    """

    def __init__(self, path: str | os.PathLike[str], reader: VideoReader, *, overwrite: bool = False) -> None:
        """Open an output.

        Args:
            path: a pattern (see `is_sequence`) in a folder that exists.
            reader: where the frames come from.
            overwrite: replace files that exist.

        Raises:
            InputError: no such folder, the pattern has two numbers, or files of such names exist.
        """
        self._path = Path(path)
        if len(_NUMBER.findall(self._path.name)) != 1 or self._path.name.count("%") != 1:
            raise InputError(f"{self._path}: one number is needed in the name, such as %05d")
        check_image_target(self._target(_FIRST), overwrite=overwrite)
        self._shape = shape(
            reader.width,
            reader.height,
            reader.sample_aspect_ratio,
            reader.info.display_matrix,
            suffix=self._path.suffix,
            keeps_rotation=False,
            keeps_mirroring=False,
            keeps_aspect=False,
        )
        kind = self._path.suffix.lower().lstrip(".")
        self.summary = WriteSummary(encoder=kind, notes=[*self._shape.notes, "image files hold no times"])
        for stream in reader.container.streams:
            if stream.index != reader.info.video_index:
                self.summary.dropped.append(f"{stream.type} {stream.index} ({codec_name(stream)}): images hold none")
        if chapters := reader.chapters():
            self.summary.dropped.append(f"{len(chapters)} chapters: images hold none")
        self._overwrite = overwrite
        self._space = SpaceWatch(self._path.parent)
        self._folder = self._path.parent / f".{self._path.stem.replace('%', '_')}.{secrets.token_hex(4)}.part"
        try:
            self._folder.mkdir()
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror})") from None

    def _target(self, number: int) -> Path:
        return self._path.with_name(_NUMBER.sub(lambda match: match[0] % number, self._path.name))

    def write(self, frame: Frame) -> None:
        """Write one frame.

        Raises:
            RestyleError: the disk fails.
        """
        if self._space.full():
            raise DiskFull(f"{self._path}: the disk is all but full; nothing was kept")
        name = self._target(_FIRST + self.summary.frames).name
        try:
            write_image(self._folder / name, rgb_from_frame(self._shape.apply(frame)))
        except RestyleError as error:
            if getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"{self._path}: the disk is full; nothing was kept") from error
            raise
        self.summary.frames += 1

    def finish(self) -> WriteSummary:
        """Move the files into their places.

        Raises:
            RestyleError: no frame was written, or a file of such a name has appeared in the meantime.
        """
        targets = [self._target(_FIRST + number) for number in range(self.summary.frames)]
        try:
            if not targets:
                raise RestyleError(f"{self._path}: no frame was written")
            existing = next((target for target in targets if target.exists()), None)
            if existing is not None and not self._overwrite:
                raise InputError(f"{existing}: exists; use --overwrite to replace it")
            for target in targets:
                os.replace(self._folder / target.name, target)
        except OSError as error:
            raise RestyleError(f"{self._path}: writing failed ({error.strerror})") from error
        finally:
            self.abort()
        return self.summary

    def abort(self) -> None:
        """Stop and leave nothing behind. Does nothing after `finish`."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> SequenceWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.abort()
