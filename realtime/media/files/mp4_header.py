"""Facts of an MP4's header that PyAV does not offer: how long each track is shown, and its clean aperture.

(FFmpeg reads the clean aperture, but PyAV shows it only in a dump for the log.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from fractions import Fraction

from realtime.media.files.cropping import Margins

_HEADER = struct.Struct(">I4s")
_LARGEST_MOOV = 1 << 28
_SAMPLE_ENTRY = 78
"""Bytes of a video sample entry before the boxes in it."""


def shown_seconds(path: str | os.PathLike[str]) -> dict[int, float]:
    """For each track of an MP4 or MOV file, by its id, for how many seconds it is shown, edits and pauses included.

    FFmpeg adds up the time between decoding one picture and the next. With B-frames and an uneven rate that is not the
    time between showing them, and it does not tell how long the last one stays.

    Returns:
        nothing for other files, for fragmented ones, whose header says 0, and for damaged headers.
    """
    try:
        moov = _moov(path)
        movie = _inside(moov, b"mvhd")
        (scale,) = struct.unpack_from(">I", movie, 20 if movie[0] else 12) if movie else (0,)
        found: dict[int, float] = {}
        for name, track in _boxes(moov):
            for inner, head in _boxes(track) if name == b"trak" and scale else ():
                if inner == b"tkhd":
                    number, duration = _track(head)
                    if 0 < duration < ((1 << 62) if head[0] else (1 << 32) - 1):
                        found[number] = duration / scale
    except (OSError, struct.error):
        return {}
    return found


def cropping(path: str | os.PathLike[str]) -> dict[int, Margins]:
    """For each track of an MP4 or MOV file, by its id, what is outside of its clean aperture (`clap`).

    Returns:
        tracks that have one; nothing for other files and for damaged headers.
    """
    try:
        return dict(_apertures(_moov(path)))
    except (OSError, struct.error, ZeroDivisionError):
        return {}


def _moov(path: str | os.PathLike[str]) -> bytes:
    """The body of the box that describes the tracks; empty where there is none."""
    with open(path, "rb") as file:
        at, length = 0, os.fstat(file.fileno()).st_size
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
                break
            if name == b"moov":
                return file.read(size - head) if size < _LARGEST_MOOV else b""
            at += size
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, body) of the boxes in a body."""
    at = 0
    while at + 8 <= len(data):
        size, name = _HEADER.unpack_from(data, at)
        if size < 8:
            return
        yield name, data[at + 8 : at + size]
        at += size


def _inside(data: bytes, *names: bytes) -> bytes:
    """The body of the first box of a name in the first box of another, and so on; empty where there is none."""
    for name in names:
        data = next((body for found, body in _boxes(data) if found == name), b"")
    return data


def _track(head: bytes) -> tuple[int, int]:
    """(id, duration) of a track header."""
    long = head[:1] > b"\0"  # a damaged one may be empty
    number, _, duration = struct.unpack_from(">IIQ" if long else ">III", head, 20 if long else 12)
    return number, duration


def _apertures(moov: bytes) -> Iterator[tuple[int, Margins]]:
    for name, track in _boxes(moov):
        entries = _inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:] if name == b"trak" else b""
        for _, entry in _boxes(entries):
            clap = _inside(entry[_SAMPLE_ENTRY:], b"clap")
            if len(clap) < 32:
                continue
            width, height = struct.unpack_from(">HH", entry, 24)
            # Four fractions: its size, and the distance of its middle from the picture's.
            wide, tall, right, down = (
                Fraction(*struct.unpack_from(kind, clap, 8 * n)) for n, kind in enumerate((">II", ">II", ">iI", ">iI"))
            )
            left, top = round((width - wide) / 2 + right), round((height - tall) / 2 + down)
            margins = Margins(left, top, width - left - round(wide), height - top - round(tall))
            yield _track(_inside(track, b"tkhd"))[0], margins
