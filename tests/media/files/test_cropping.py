"""Cropping that a container asks for is applied and reported."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.media.files import matroska_header, mp4_header
from realtime.media.files.cropping import Margins
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.surfaces import surface_obstacle
from tests.helpers.clips import Clip, audio_packets, decoded, psnr
from tests.helpers.media import identity

MARGINS = Margins(8, 4, 24, 12)


def with_aperture(path: Path, margins: Margins) -> Path:
    """An MP4 whose header asks for cropping: a `clap` box in the sample entry, all boxes around it enlarged."""
    data = path.read_bytes()
    at = data.index(b"stsd", data.rindex(b"moov")) + 12  # the first track's sample entry: size, name, 78 bytes, boxes
    width, height = struct.unpack_from(">HH", data, at + 32)
    m = margins
    wide, tall = width - m.left - m.right, height - m.top - m.bottom
    # the distance of the middles, in halves of a pixel
    clap = struct.pack(">IIIIiIiI", wide, 1, tall, 1, m.left - m.right, 2, m.top - m.bottom, 2)
    box = struct.pack(">I4s", 8 + len(clap), b"clap") + clap
    end = at + struct.unpack_from(">I", data, at)[0]
    starts = [at, *(data.rindex(name, 0, at) - 4 for name in (b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"))]
    out = bytearray(data[:end] + box + data[end:])
    assert data.rindex(b"mdat") < starts[-1], "the pictures come first: their places stay"
    for start in starts:
        struct.pack_into(">I", out, start, struct.unpack_from(">I", data, start)[0] + len(box))
    path.write_bytes(out)
    return path


def element(name: int, body: bytes) -> bytes:
    """An EBML element with eight bytes of size."""
    return name.to_bytes((name.bit_length() + 7) // 8) + (1 << 56 | len(body)).to_bytes(8) + body


def with_pixel_crop(path: Path, margins: Margins) -> Path:
    """A live Matroska file (without byte positions in it) whose header asks for cropping."""
    data = path.read_bytes()
    tag = bytes.fromhex("1654ae6b")
    at = data.index(tag, data.index(tag) + 4)  # the first is in the table of contents
    size = 8 - data[at + 4].bit_length() + 1
    length = int.from_bytes(data[at + 4 : at + 4 + size]) & (1 << 7 * size) - 1
    body = data[at + 4 + size : at + 4 + size + length]
    tracks = b""
    m = margins
    sides = ((0x54CC, m.left), (0x54BB, m.top), (0x54DD, m.right), (0x54AA, m.bottom))
    crop = b"".join(element(name, value.to_bytes(2)) for name, value in sides)
    for name, entry in matroska_header._elements(body):
        parts = [(n, v + crop if n == 0xE0 else v) for n, v in matroska_header._elements(entry)]
        tracks += element(name, b"".join(element(n, v) for n, v in parts))
    path.write_bytes(data[:at] + element(0x1654AE6B, tracks) + data[at + 4 + size + length :])
    return path


LIVE = {"live": "1", "write_crc32": "0"}


def cropped(folder: Path, extension: str, margins: Margins = MARGINS, **clip: Any) -> Path:
    if extension == "mkv":
        return with_pixel_crop(Clip(folder / "a.mkv", container_options=LIVE, **clip).make(), margins)
    return with_aperture(Clip(folder / f"a.{extension}", **clip).make(), margins)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
def test_only_what_is_shown_comes_out(tmp_path: Path, extension: str) -> None:
    source = cropped(tmp_path, extension, frames=5, audio=["aac"], color=(1, 1, 1, 1))
    info = probe(source)
    assert (info.width, info.height, info.cropped) == (64, 48, MARGINS)
    target = tmp_path / f"b.{extension}"
    identity(source, target)
    with VideoReader(source) as reader:
        assert reader.notes == ["the pictures were cropped to 64x48, as the file asks for"]
    assert audio_packets(source) == audio_packets(target)
    assert probe(target).cropped is None
    for before, after in zip(decoded(source), decoded(target), strict=True):
        assert before.time == pytest.approx(after.time, abs=0.001)
        shown = before.to_ndarray(format="yuv420p")[:64, :96][4:52, 8:72]
        assert psnr(after.to_ndarray(format="yuv420p")[:48, :64], shown) > 38


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le", "gray"])
def test_other_formats_are_cropped_before_they_are_converted(tmp_path: Path, pix_fmt: str) -> None:
    source = cropped(tmp_path, "mp4", frames=2, pix_fmt=pix_fmt)
    with VideoReader(source) as reader:
        frames = list(reader)
    whole = Clip(tmp_path / "whole.mp4", frames=2, pix_fmt=pix_fmt).make()
    with VideoReader(whole) as reader:
        for got, want in zip(frames, reader, strict=True):
            assert (got.pts, got.duration, got.color) == (want.pts, want.duration, want.color)
            assert np.array_equal(got.y, want.y[4:52, 8:72])


def test_cropped_pictures_do_not_stay_on_a_device(tmp_path: Path) -> None:
    assert "cropping" in surface_obstacle(probe(cropped(tmp_path, "mp4", frames=2)), scaled=False)


def test_turned_and_scaled(tmp_path: Path) -> None:
    def turn(_: Any, video: Any) -> None:
        video.set_display_rotation(90)

    source = cropped(tmp_path, "mp4", frames=2, setup=turn)
    info = probe(source)
    assert (info.rotation, info.width, info.height) == (90, 64, 48)
    with VideoReader(source, size=24) as reader:
        assert [(f.width, f.height) for f in reader] == [(32, 24)] * 2


def test_margins_between_whole_chroma_samples(tmp_path: Path) -> None:
    source = cropped(tmp_path, "mp4", Margins(3, 1, 2, 0), frames=2)
    with VideoReader(source) as reader:
        (frame, _) = list(reader)
    whole = Clip(tmp_path / "whole.mp4", frames=2).make()
    with VideoReader(whole) as reader:
        want = next(iter(reader))
        assert (frame.width, frame.height) == (90, 62)
        assert np.array_equal(frame.y, want.y[:62, 2:92])
        assert np.array_equal(frame.u, want.u[:31, 1:46])


@pytest.mark.parametrize("margins", [Margins(60, 0, 60, 0), Margins(-4, 0, 0, 0), Margins(0, 0, 0, 0)])
def test_impossible_margins_are_ignored(tmp_path: Path, margins: Margins) -> None:
    width = 96 + 2 * abs(min(0, margins.left))
    assert margins.size(width, 64) is None
    if margins.left <= 0 and min(margins.left, margins.right) >= 0:
        source = cropped(tmp_path, "mp4", margins, frames=2)
        assert (probe(source).width, probe(source).cropped) == (96, None)


def test_files_without_cropping(tmp_path: Path) -> None:
    plain = Clip(tmp_path / "a.mp4", frames=2).make()
    other = Clip(tmp_path / "a.mkv", frames=2).make()
    assert mp4_header.cropping(plain) == {} and matroska_header.cropping(plain) == []
    assert mp4_header.cropping(other) == {} and matroska_header.cropping(other) == [Margins(0, 0, 0, 0)]
    for none in (tmp_path, tmp_path / "none.mkv"):
        assert mp4_header.cropping(none) == {} and matroska_header.cropping(none) == []


def test_a_track_without_a_header(tmp_path: Path) -> None:
    """A clean aperture whose track has no header, as in a damaged file, is ignored."""
    path = cropped(tmp_path, "mp4", frames=2)
    path.write_bytes(path.read_bytes().replace(b"tkhd", b"xxxx"))
    assert mp4_header.cropping(path) == mp4_header.shown_seconds(path) == {}


@given(st.binary(max_size=200), st.integers(0, 2**31))
def test_damaged_headers_raise_nothing(tmp_path_factory: pytest.TempPathFactory, noise: bytes, seed: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "cropping"
    folder.mkdir(exist_ok=True)
    known = folder / "known.bin"
    if not known.exists():
        made = [cropped(folder, extension, frames=1).read_bytes()[-4000:] for extension in ("mp4", "mkv")]
        known.write_bytes(made[0] + made[1])
    data = bytearray(known.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(data), 20):
        data[place] = rng.integers(0, 256)
    path = folder / "damaged.bin"
    for body in (noise, bytes(data), bytes.fromhex("1a45dfa380") + noise):
        path.write_bytes(body)
        assert isinstance(mp4_header.cropping(path), dict) and isinstance(matroska_header.cropping(path), list)
