"""Writing pictures as a sequence of image files: `frames/%05d.png`."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from realtime.errors import DiskFull, InputError, RestyleError
from realtime.frames import Frame
from realtime.media.convert.geometry import shape
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.disk_space import SpaceWatch
from realtime.media.files.probe import codec_name
from realtime.media.files.stills import IMAGE_SUFFIXES, check_image_target, write_image
from realtime.media.files.writer import Origin, WriteSummary

_NUMBER = re.compile(r"%(0\d+)?d")
FIRST = 1
"""Number of the first picture."""


def is_sequence(path: str | os.PathLike[str]) -> bool:
    """Whether an output is a sequence of images: its name has a number's place (%d, %05d) and an image's ending."""
    path = Path(path)
    return path.suffix.lower() in IMAGE_SUFFIXES and _NUMBER.search(path.name) is not None


class SequenceWriter:
    """Writes each frame into a file of its own, upright and with square pixels. The interface is `VideoWriter`'s.

    The files appear under their names when all of them are complete.

    Attributes:
        path: the pattern.
        encoder: "png", "jpg": the kind of image.
        summary: what has been written so far.
    """

    def __init__(self, path: str | os.PathLike[str], reader: Origin, *, overwrite: bool = False) -> None:
        """Open an output.

        Args:
            path: a pattern (see `is_sequence`) in a folder that exists.
            reader: where the frames come from.
            overwrite: replace files that are there.

        Raises:
            InputError: no such folder, the pattern has two numbers, or files of such names are there.
        """
        self.path = Path(path)
        if len(_NUMBER.findall(self.path.name)) != 1 or self.path.name.count("%") != 1:
            raise InputError(f"{self.path}: one number is needed in the name, such as %05d")
        check_image_target(self._name(FIRST), overwrite=overwrite)
        info = reader.info
        self._shape = shape(
            reader.width,
            reader.height,
            reader.sample_aspect_ratio,
            info.display_matrix,
            suffix=self.path.suffix,
            keeps_rotation=False,
            keeps_mirroring=False,
            keeps_aspect=False,
        )
        self.encoder = self.path.suffix.lower().lstrip(".")
        self.summary = WriteSummary(encoder=self.encoder, notes=[*self._shape.notes, "image files hold no times"])
        if reader.container is not None:
            self._drop_others(reader)
        self._overwrite = overwrite
        self._space = SpaceWatch(self.path.parent)
        self._folder = self.path.parent / f".{self.path.stem.replace('%', '_')}.{secrets.token_hex(4)}.part"
        try:
            self._folder.mkdir()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from None

    def _name(self, number: int) -> Path:
        return self.path.with_name(_NUMBER.sub(lambda match: match[0] % number, self.path.name))

    def _drop_others(self, reader: Origin) -> None:
        for stream in reader.container.streams:
            if stream.index != reader.info.video_index:
                self.summary.dropped.append(f"{stream.type} {stream.index} ({codec_name(stream)}): images hold none")
        if chapters := reader.chapters():
            self.summary.dropped.append(f"{len(chapters)} chapters: images hold none")

    def write(self, frame: Frame) -> None:
        """Write one frame.

        Raises:
            RestyleError: the disk fails.
        """
        if self._space.full():
            raise DiskFull(f"{self.path}: the disk is all but full; nothing was kept")
        number = FIRST + self.summary.frames
        try:
            write_image(self._folder / self._name(number).name, rgb_from_frame(self._shape.apply(frame)))
        except RestyleError as error:
            if getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"{self.path}: the disk is full; nothing was kept") from error
            raise
        self.summary.frames += 1

    def finish(self) -> WriteSummary:
        """Put the files in their places.

        Raises:
            RestyleError: no frame was written, or a file of such a name has appeared in the meantime.
        """
        if not self.summary.frames:
            self.abort()
            raise RestyleError(f"{self.path}: no frame was written")
        numbers = range(FIRST, FIRST + self.summary.frames)
        try:
            there = [self._name(n) for n in numbers if self._name(n).exists()]
            if there and not self._overwrite:
                raise InputError(f"{there[0]}: exists; use --overwrite to replace it")
            for number in numbers:
                os.replace(self._folder / self._name(number).name, self._name(number))
        except OSError as error:
            raise RestyleError(f"{self.path}: writing failed ({error.strerror})") from error
        finally:
            self.abort()
        return self.summary

    def abort(self) -> None:
        """Stop and leave nothing behind. Does nothing after `finish`."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> SequenceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
