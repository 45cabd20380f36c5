"""Cropping in a Matroska header, which FFmpeg reads and PyAV does not offer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from realtime.media.files.cropping import Margins

_EBML, _SEGMENT, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0x1F43B675
_ENTRY, _TYPE, _VIDEO = 0xAE, 0x83, 0xE0
_BOTTOM, _TOP, _LEFT, _RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
_VIDEO_TRACK = 1
_LARGEST_TRACKS = 1 << 24
_ELEMENTS = 1000


def cropping(path: str | os.PathLike[str]) -> list[Margins]:
    """The margins of each video track of a Matroska or WebM file, in order; nothing for other files."""
    try:
        with open(path, "rb") as file:
            tracks = _tracks(file)
    except OSError:
        return []
    found = []
    for name, entry in _elements(tracks):
        parts = list(_elements(entry)) if name == _ENTRY else []
        if _number(dict(parts).get(_TYPE, b"")) == _VIDEO_TRACK:
            video = {n: _number(v) for n, v in _elements(dict(parts).get(_VIDEO, b""))}
            found.append(Margins(*(video.get(side, 0) for side in (_LEFT, _TOP, _RIGHT, _BOTTOM))))
    return found


def _tracks(file: BinaryIO) -> bytes:
    """The body of the element that describes the tracks; empty where there is none before the pictures."""
    inside = False
    for _ in range(_ELEMENTS):
        head = _head(file)
        if head is None or head[0] == _CLUSTER or (not inside and head[0] not in (_EBML, _SEGMENT)):
            return b""
        name, size = head
        if name == _SEGMENT:
            inside = True
        elif size is None:
            return b""
        elif name == _TRACKS:
            return file.read(size) if size < _LARGEST_TRACKS else b""
        else:
            file.seek(size, os.SEEK_CUR)
    return b""


def _head(file: BinaryIO) -> tuple[int, int | None] | None:
    """(name, size) of the next element; size None where unknown; None at the end and where there is none."""
    first = file.read(1)
    if not first or not first[0] >= 0x10:
        return None
    name = int.from_bytes(first + file.read(4 - first[0].bit_length() + 4))
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    size = int.from_bytes(first + file.read(more)) & (1 << 7 * (more + 1)) - 1
    return name, None if size == (1 << 7 * (more + 1)) - 1 else size


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(name, body) of the elements in a body."""
    file = BytesIO(data)
    while (head := _head(file)) is not None and head[1] is not None:
        yield head[0], file.read(head[1])


def _number(body: bytes) -> int:
    return int.from_bytes(body)
