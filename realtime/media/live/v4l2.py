"""Video devices of Linux, asked through the kernel's own interface (Video4Linux2): names, formats, sizes, rates."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

KNOWN = sys.platform.startswith("linux")
"""Whether this system has the interface."""

Ioctl = Callable[[int, int, bytearray], int]

_QUERYCAP = 0x80685600
_ENUM_FMT = 0xC0405602
_ENUM_FRAMESIZES = 0xC02C564A
_ENUM_FRAMEINTERVALS = 0xC034564B

_CAPTURE, _OUTPUT, _CAPTURE_PLANES, _OWN_CAPS = 0x1, 0x2, 0x1000, 0x80000000
_VIDEO_CAPTURE = 1
_DISCRETE = 1
_MOST = 256  # a driver that never ends its list must not hold us up

_STANDARD_SIZES = ((640, 360), (640, 480), (1280, 720), (1920, 1080))
"""What is listed of a device that takes any size between two."""

PIXEL_FORMATS = {
    "YUYV": "yuyv422",
    "UYVY": "uyvy422",
    "YVYU": "yvyu422",
    "YU12": "yuv420p",
    "NV12": "nv12",
    "422P": "yuv422p",
    "RGB3": "rgb24",
    "BGR3": "bgr24",
    "GREY": "gray",
    "MJPG": "mjpeg",
    "JPEG": "mjpeg",
    "H264": "h264",
}
"""FFmpeg's `input_format` by the kernel's code."""

_TO_DECODE = {"mjpeg": 1, "h264": 2}
"""Formats that cost decoding, the dearer the higher; all others come as they are."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way in which a camera can work.

    Attributes:
        pixel: FFmpeg's name of the format: "mjpeg", "yuyv422", ...
        width, height: in pixels.
        rate: frames per second; 0 where the driver does not say.
    """

    pixel: str
    width: int
    height: int
    rate: float

    def __str__(self) -> str:
        return f"{self.pixel} {self.width}x{self.height}" + (f" {self.rate:g} fps" if self.rate else "")


@dataclass(frozen=True, slots=True)
class Device:
    """A video device.

    Attributes:
        path: "/dev/video0".
        title: the driver's name of it.
        driver: the driver's own name; "v4l2 loopback" is a virtual camera.
        captures: pictures can be read from it.
        modes: as the driver lists them.
        problem: why it could not be asked; empty where it could.
    """

    path: str
    title: str
    driver: str = ""
    captures: bool = False
    modes: tuple[Mode, ...] = ()
    problem: str = ""


def devices() -> list[Device]:
    """All video devices, in the order of their numbers; an empty list on other systems than Linux."""
    if not KNOWN:
        return []
    paths = sorted(Path("/dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    return [examine(str(path)) for path in paths]


def examine(path: str, ioctl: Ioctl | None = None) -> Device:
    """What the kernel says of one device. Never raises: what went wrong is in `problem`.

    Args:
        path: "/dev/video0".
        ioctl: stands in for the kernel in tests.
    """
    title = _title(path)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except PermissionError:
        return Device(path, title, problem="no permission; add yourself to the group 'video'")
    except OSError as error:
        return Device(path, title, problem=error.strerror or str(error))
    try:
        return _ask(path, title, handle, ioctl or _kernel)
    except OSError as error:
        return Device(path, title, problem=error.strerror or str(error))
    finally:
        os.close(handle)


def _ask(path: str, title: str, handle: int, ioctl: Ioctl) -> Device:
    answer = bytearray(104)
    ioctl(handle, _QUERYCAP, answer)
    driver, card, _, _, everything, own = struct.unpack_from("16s32s32sIII", answer)
    can = own if everything & _OWN_CAPS else everything
    captures = bool(can & (_CAPTURE | _CAPTURE_PLANES))
    modes = tuple(_modes(handle, ioctl)) if can & _CAPTURE else ()
    return Device(path, title or _text(card), _text(driver), captures, modes)


def _modes(handle: int, ioctl: Ioctl) -> Iterator[Mode]:
    for code in _entries(lambda n: _format(handle, ioctl, n)):
        name = PIXEL_FORMATS.get(code.to_bytes(4, "little").decode("latin-1"))
        if name is None:
            continue
        for width, height in dict.fromkeys(_sizes(handle, ioctl, code)):
            for rate in list(_rates(handle, ioctl, code, width, height)) or [0.0]:
                yield Mode(name, width, height, round(rate, 3))


def _entries(entry: Callable[[int], T]) -> Iterator[T]:
    for number in range(_MOST):
        try:
            yield entry(number)
        except OSError:  # EINVAL: the end of the list; ENOTTY: the driver has no such list
            return


def _format(handle: int, ioctl: Ioctl, number: int) -> int:
    data = bytearray(64)
    struct.pack_into("II", data, 0, number, _VIDEO_CAPTURE)
    ioctl(handle, _ENUM_FMT, data)
    return int(struct.unpack_from("I", data, 44)[0])


def _sizes(handle: int, ioctl: Ioctl, code: int) -> Iterator[tuple[int, int]]:
    def entry(number: int) -> list[tuple[int, int]]:
        data = bytearray(44)
        struct.pack_into("II", data, 0, number, code)
        ioctl(handle, _ENUM_FRAMESIZES, data)
        kind, a, b, _, c, d, _ = struct.unpack_from("7I", data, 8)
        if kind == _DISCRETE:
            return [(a, b)]
        if number:  # a range is one entry; some drivers repeat it for ever
            raise OSError
        return [(w, h) for w, h in _STANDARD_SIZES if a <= w <= b and c <= h <= d] or [(b, d)]

    for sizes in _entries(entry):
        yield from sizes


def _rates(handle: int, ioctl: Ioctl, code: int, width: int, height: int) -> Iterator[float]:
    def entry(number: int) -> float:
        data = bytearray(52)
        struct.pack_into("IIII", data, 0, number, code, width, height)
        ioctl(handle, _ENUM_FRAMEINTERVALS, data)
        kind, numerator, denominator = struct.unpack_from("3I", data, 16)
        if (kind != _DISCRETE and number) or not numerator:
            raise OSError
        return float(denominator / numerator)  # of a range the shortest interval, which stands first

    yield from _entries(entry)


def _kernel(handle: int, request: int, data: bytearray) -> int:
    import fcntl

    return int(fcntl.ioctl(handle, request, data))


def _title(path: str) -> str:
    try:
        return (Path("/sys/class/video4linux") / Path(path).name / "name").read_text(errors="replace").strip()
    except OSError:
        return ""


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace").strip()


def choose_mode(modes: tuple[Mode, ...], *, size: tuple[int, int] = (1280, 720), rate: float = 30.0) -> Mode | None:
    """The mode to ask a camera for; None where nothing is known of its modes.

    The rate comes first, then the nearest size, and then plain pictures before compressed ones: MJPEG costs decoding,
    and is asked for where only it lets the camera reach the rate at that size.

    Args:
        modes: what the camera has.
        size: the wanted (width, height) in pixels.
        rate: the wanted frames per second.
    """
    if not modes:
        return None
    reached = min(rate, max(mode.rate for mode in modes))
    quick = [mode for mode in modes if mode.rate >= reached - 0.5]

    def distance(mode: Mode) -> tuple[float, int, float]:
        off = abs(mode.width - size[0]) / size[0] + abs(mode.height - size[1]) / size[1]
        return off, _TO_DECODE.get(mode.pixel, 0), abs(mode.rate - rate)

    return min(quick, key=distance)
