"""The folder of networks that were made from pictures, in the user's cache.

Files are found by what they were made from: the picture's content, the network that takes any painting, and the
options. Where the folder cannot be written, a temporary one serves until the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from realtime.cache_folder import cache_folder
from realtime.errors import InputError, RestyleError
from realtime.release import __version__
from realtime.style.painting import PREPARATION
from realtime.transnet.gallery import any_painting_files

MOST_FILES = 400
MOST_BYTES = 256 * 2**20
"""What the folder holds at most; the files that were not used for the longest time are removed."""


def folder() -> Path:
    """Where the files are. It may not exist yet."""
    return cache_folder() / "styles"


def file_digest(path: Path) -> str:
    """A digest of a file's content, which is read only if its size or its time has changed since the last time.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        status = path.stat()
        return _digest(path, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


@lru_cache(maxsize=64)
def _digest(path: Path, state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name(what: str, **made_from: Any) -> str:
    """The name of a file.

    Args:
        what: kind of its content; the name begins with it.
        made_from: all that its content depends on, as JSON holds it.
    """
    text = json.dumps({"restyle": __version__, **made_from}, sort_keys=True)
    return f"{what}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"


def network_digests() -> dict[str, str]:
    """What all networks for pictures depend on: the content of the network that takes any painting and its encoder.

    Raises:
        InputError: one of their files cannot be read.
    """
    network, encoder = any_painting_files()
    return {"network": file_digest(network), "encoder": file_digest(encoder)}


def statistics_file(picture: Path) -> str:
    """The name of the file with the statistics of a picture.

    Raises:
        InputError: the picture cannot be read.
    """
    return file_name("statistics", picture=file_digest(picture), preparation=PREPARATION, **network_digests())


def is_stored(name: str) -> bool:
    """Whether there is a file of this name, whole or not."""
    return any((place / name).is_file() for place in (folder(), *_temporary_if_made()))


def find(name: str, is_whole: Callable[[Path], bool]) -> Path | None:
    """The file of a name; None where there is none.

    Args:
        name: of `file_name`.
        is_whole: whether a file's content can be used. One that cannot counts as none.
    """
    for place in (folder(), *_temporary_if_made()):
        path = place / name
        if path.is_file() and is_whole(path):
            with contextlib.suppress(OSError):
                os.utime(path)  # used just now
            return path
    return None


def store(name: str, write: Callable[[Path], None]) -> Path:
    """Stores a file, and removes old ones.

    Args:
        name: of `file_name`.
        write: writes the content to a path, whole or not at all.

    Returns:
        where it is.

    Raises:
        RestyleError: neither the user's cache nor the temporary folder can be written.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        write(folder() / name)
    except (OSError, RestyleError):
        path = temporary_folder() / name
        write(path)
        return path
    _remove_old()
    return folder() / name


@cache
def temporary_folder() -> Path:
    """A folder of this process that is removed when it ends.

    Raises:
        RestyleError: it cannot be made.
    """
    try:
        path = tempfile.mkdtemp(prefix="restyle-styles-")
    except OSError as error:
        raise RestyleError(f"no folder for the style's network can be written: {error.strerror or error}") from error
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def _temporary_if_made() -> list[Path]:
    return [temporary_folder()] if temporary_folder.cache_info().currsize else []


def _remove_old() -> None:
    """Removes the files that were used the longest time ago, until the folder is within its limits.

    Other processes may remove the same files at the same time.
    """
    with contextlib.suppress(OSError):
        entries = []
        for entry in os.scandir(folder()):
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime_ns, status.st_size, entry.path))
        entries.sort(reverse=True)
        size = 0
        for number, (_, bytes_, path) in enumerate(entries):
            size += bytes_
            if number >= MOST_FILES or size > MOST_BYTES:
                with contextlib.suppress(OSError):
                    os.unlink(path)
