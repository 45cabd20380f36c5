"""What is in an MP4's header and PyAV does not tell: how long each track is shown, and what is cut off of it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from realtime.media.files.cropping import Margins

_HEADER = struct.Struct(">I4s")
_LARGEST_MOOV = 1 << 28
_SAMPLE_ENTRY = 78
"""Bytes of a picture's sample entry before the boxes in it."""


def shown_seconds(path: str | os.PathLike[str]) -> dict[int, float]:
    """For each track of an MP4 or MOV file, by its id, for how many seconds it is shown, edits and pauses included.

    FFmpeg adds up the time between decoding one picture and the next. With B-frames and an uneven rate that is not the
    time between showing them, and how long the last one stays cannot be told from it.

    Returns:
        nothing for other files, for fragmented ones, whose header says 0, and where the header makes no sense.
    """
    try:
        return _durations(_moov(path))
    except (OSError, struct.error):
        return {}


def cropping(path: str | os.PathLike[str]) -> dict[int, Margins]:
    """For each track of an MP4 or MOV file, by its id, what is outside of its clean aperture (`clap`).

    Returns:
        tracks that have one; nothing for other files, and where the header makes no sense.
    """
    try:
        return dict(_apertures(_moov(path)))
    except (OSError, struct.error, ZeroDivisionError):
        return {}


def _moov(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return _find_moov(file, Path(path).stat().st_size) or b""


def _find_moov(file: BinaryIO, length: int) -> bytes | None:
    at = 0
    while at + 8 <= length:
        file.seek(at)
        size, name = _HEADER.unpack(file.read(8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            head = 16
        elif size == 0:
            size = length - at
        if size < head:
            return None
        if name == b"moov":
            return file.read(size - head) if size < _LARGEST_MOOV else None
        at += size
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, name = _HEADER.unpack_from(data, at)
        if size < 8:
            return
        yield name, data[at + 8 : at + size]
        at += size


def _durations(moov: bytes) -> dict[int, float]:
    boxes = list(_boxes(moov))
    scale = next(
        (struct.unpack_from(">I", body, 20 if body[0] else 12)[0] for name, body in boxes if name == b"mvhd"), 0
    )
    found: dict[int, float] = {}
    for name, body in boxes:
        if name != b"trak" or not scale:
            continue
        for inner, head in _boxes(body):
            if inner == b"tkhd":
                number, duration = _track(head)
                if 0 < duration < (1 << 32) - 1 or (head[0] and 0 < duration < 1 << 62):
                    found[number] = duration / scale
    return found


def _track(head: bytes) -> tuple[int, int]:
    """(id, duration) of a track header."""
    number, _, duration = struct.unpack_from(">IIQ" if head[0] else ">III", head, 20 if head[0] else 12)
    return number, duration


def _inside(data: bytes, *names: bytes) -> bytes:
    """The body of the first box of a name in the first box of another, and so on; empty where there is none."""
    for name in names:
        data = next((body for found, body in _boxes(data) if found == name), b"")
    return data


def _apertures(moov: bytes) -> Iterator[tuple[int, Margins]]:
    for name, track in _boxes(moov):
        entries = _inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:] if name == b"trak" else b""
        for _, entry in _boxes(entries):
            clap = _inside(entry[_SAMPLE_ENTRY:], b"clap")
            if len(clap) < 32:
                continue
            width, height = struct.unpack_from(">HH", entry, 24)
            # four fractions: size, and how far its middle is from the picture's
            wide, tall, right, down = (
                Fraction(*struct.unpack_from(kind, clap, 8 * n)) for n, kind in enumerate((">II", ">II", ">iI", ">iI"))
            )
            left, top = round((width - wide) / 2 + right), round((height - tall) / 2 + down)
            yield (
                _track(_inside(track, b"tkhd"))[0],
                Margins(left, top, width - left - round(wide), height - top - round(tall)),
            )
