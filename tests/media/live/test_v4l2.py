"""Linux's video devices, with a stand-in for the kernel, and the choice of a mode."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest

from realtime.media.live import v4l2
from realtime.media.live.v4l2 import Mode, choose_mode

FORMATS = {"YUYV": {(640, 480): [30, 15], (1280, 720): [10]}, "MJPG": {(1280, 720): [30], (1920, 1080): [30, 24]}}


def code(name: str) -> int:
    return int.from_bytes(name.encode(), "little")


def kernel(handle: int, request: int, data: bytearray) -> int:
    """A USB camera."""
    if request == 0x80685600:
        struct.pack_into("16s32s32sIII", data, 0, b"uvcvideo", b"Good Camera", b"usb-1", 0, 0x84A00001, 0x04200001)
        return 0
    names = [*FORMATS, "ZZZZ"]
    number = struct.unpack_from("I", data)[0]
    try:
        if request == 0xC0405602:
            struct.pack_into("I", data, 44, code(names[number]))
        elif request == 0xC02C564A:
            sizes = FORMATS[_name(data)]
            struct.pack_into("III", data, 8, 1, *list(sizes)[number])
        elif request == 0xC034564B:
            width, height = struct.unpack_from("II", data, 8)
            struct.pack_into("III", data, 16, 1, 1, FORMATS[_name(data)][width, height][number])
    except LookupError:
        raise OSError(errno.EINVAL, "Invalid argument") from None
    return 0


def _name(data: bytearray) -> str:
    return struct.unpack_from("4s", data, 4)[0].decode()


@pytest.fixture
def device(tmp_path: Path) -> str:
    path = tmp_path / "video0"
    path.write_bytes(b"")
    return str(path)


def test_a_camera_with_its_modes(device: str) -> None:
    found = v4l2.examine(device, kernel)
    assert (found.title, found.driver, found.captures, found.problem) == ("Good Camera", "uvcvideo", True, "")
    assert Mode("yuyv422", 640, 480, 30) in found.modes and Mode("mjpeg", 1920, 1080, 24) in found.modes
    assert len(found.modes) == 6


def test_a_range_of_sizes_and_rates(device: str) -> None:
    def loopback(handle: int, request: int, data: bytearray) -> int:
        if request == 0xC02C564A:
            struct.pack_into("7I", data, 8, 3, 2, 8192, 1, 1, 8192, 1)
            return 0
        if request == 0xC034564B:
            struct.pack_into("7I", data, 16, 2, 1, 120, 1, 1, 0, 0)
            return 0
        return kernel(handle, request, data)

    found = v4l2.examine(device, loopback)
    assert Mode("yuyv422", 1280, 720, 120) in found.modes
    assert len(found.modes) == 8  # two formats, four usual sizes


def test_devices_that_are_no_cameras(device: str, tmp_path: Path) -> None:
    def output(handle: int, request: int, data: bytearray) -> int:
        struct.pack_into("16s32s32sIII", data, 0, b"v4l2 loopback", b"Virtual", b"", 0, 0x80000002, 0x2)
        return 0

    assert not v4l2.examine(device, output).captures
    assert v4l2.examine(device).problem  # a plain file
    assert "No such file" in v4l2.examine(str(tmp_path / "video7")).problem


CAMERA = tuple(
    Mode(pixel, *size, rate)
    for pixel, sizes in {"yuyv422": FORMATS["YUYV"], "mjpeg": FORMATS["MJPG"]}.items()
    for size, rates in sizes.items()
    for rate in rates
)


@pytest.mark.parametrize(
    ("size", "rate", "wanted"),
    [
        ((1280, 720), 30, Mode("mjpeg", 1280, 720, 30)),  # uncompressed pictures come at 10 a second only
        ((640, 480), 30, Mode("yuyv422", 640, 480, 30)),
        ((1280, 720), 10, Mode("yuyv422", 1280, 720, 10)),
        ((1920, 1080), 24, Mode("mjpeg", 1920, 1080, 24)),
        ((1280, 720), 60, Mode("mjpeg", 1280, 720, 30)),  # the highest rate it has
    ],
)
def test_mjpeg_where_only_it_reaches_the_rate(size: tuple[int, int], rate: float, wanted: Mode) -> None:
    assert choose_mode(CAMERA, size=size, rate=rate) == wanted


def test_unknown_modes() -> None:
    assert choose_mode(()) is None
    assert choose_mode((Mode("yuyv422", 640, 480, 0.0),)) == Mode("yuyv422", 640, 480, 0.0)
