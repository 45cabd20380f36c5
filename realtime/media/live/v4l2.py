"""Video devices of Linux, by the kernel's interface Video4Linux2: names, formats, sizes, rates."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

KNOWN = sys.platform.startswith("linux")
"""Whether this system has the interface."""

Ioctl = Callable[[int, int, bytearray], int]
Ask = Callable[[int, bytearray], int]

# Requests of linux/videodev2.h. Their numbers contain the size of the structure that the kernel fills in.
_QUERYCAP = 0x80685600
_ENUM_FMT = 0xC0405602
_ENUM_FRAMESIZES = 0xC02C564A
_ENUM_FRAMEINTERVALS = 0xC034564B

_CAPTURE, _CAPTURE_PLANES, _OWN_CAPS = 0x1, 0x1000, 0x80000000
_VIDEO_CAPTURE = 1
_DISCRETE = 1
_MOST = 256  # a driver may never end its list

_STANDARD_SIZES = ((640, 360), (640, 480), (1280, 720), (1920, 1080))
"""Listed for a device that takes any size between two."""

PIXEL_FORMATS = {
    "YUYV": "yuyv422", "UYVY": "uyvy422", "YVYU": "yvyu422", "YU12": "yuv420p", "NV12": "nv12", "422P": "yuv422p",
    "RGB3": "rgb24", "BGR3": "bgr24", "GREY": "gray", "MJPG": "mjpeg", "JPEG": "mjpeg", "H264": "h264",
}  # fmt: skip
"""FFmpeg's `input_format` by the kernel's code."""

_TO_DECODE = {"mjpeg": 1, "h264": 2}
"""Formats that must be decoded; the higher, the more that costs."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of a camera."""

    pixel: str  # FFmpeg's name of the pixel format
    width: int  # in pixels
    height: int
    rate: float  # frames per second; 0 where unknown

    def __str__(self) -> str:
        return f"{self.pixel} {self.width}x{self.height}" + (f" {self.rate:g} fps" if self.rate else "")


@dataclass(frozen=True, slots=True)
class Device:
    """A video device."""

    path: str  # "/dev/video0"
    title: str  # the driver's name of the device
    driver: str = ""  # its own name; "v4l2 loopback" for virtual cameras
    captures: bool = False  # whether pictures can be read
    modes: tuple[Mode, ...] = ()  # as the driver lists them
    problem: str = ""  # why it cannot be examined


def devices() -> list[Device]:
    """All video devices, in the order of their numbers; none on other systems than Linux."""
    if not KNOWN:
        return []
    paths = sorted(Path("/dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    return [examine(str(path)) for path in paths]


def _kernel(handle: int, request: int, data: bytearray) -> int:
    import fcntl

    return int(fcntl.ioctl(handle, request, data))


def examine(path: str, ioctl: Ioctl = _kernel) -> Device:
    """Describe a device. Never raises: what went wrong is in `problem`.

    Args:
        path: "/dev/video0".
        ioctl: asks the kernel (handle, request, structure to fill in).
    """
    title = _title(path)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except PermissionError:
        return Device(path, title, problem="no permission; add yourself to the group 'video'")
    except OSError as error:
        return Device(path, title, problem=error.strerror or str(error))
    try:
        return _describe(path, title, partial(ioctl, handle))
    except OSError as error:
        return Device(path, title, problem=error.strerror or str(error))
    finally:
        os.close(handle)


def _describe(path: str, title: str, ask: Ask) -> Device:
    answer = bytearray(104)
    ask(_QUERYCAP, answer)
    driver, card, _, _, everything, own = struct.unpack_from("16s32s32sIII", answer)
    can = own if everything & _OWN_CAPS else everything
    captures = bool(can & (_CAPTURE | _CAPTURE_PLANES))
    modes = tuple(_modes(ask)) if can & _CAPTURE else ()
    return Device(path, title or _text(card), _text(driver), captures, modes)


def _entries(ask: Ask, request: int, size: int, *keys: int) -> Iterator[tuple[int, bytearray]]:
    """The numbered entries of one of the kernel's lists, of `size` bytes; `keys` follow the number in each."""
    for number in range(_MOST):
        data = bytearray(size)
        struct.pack_into(f"{1 + len(keys)}I", data, 0, number, *keys)
        try:
            ask(request, data)
        except OSError:  # EINVAL: the end of the list; ENOTTY: the driver has no such list
            return
        yield number, data


def _modes(ask: Ask) -> Iterator[Mode]:
    for _, entry in _entries(ask, _ENUM_FMT, 64, _VIDEO_CAPTURE):
        (code,) = struct.unpack_from("I", entry, 44)
        name = PIXEL_FORMATS.get(code.to_bytes(4, "little").decode("latin-1"))
        if name is None:
            continue
        for width, height in dict.fromkeys(_sizes(ask, code)):
            for rate in list(_rates(ask, code, width, height)) or [0.0]:
                yield Mode(name, width, height, round(rate, 3))


def _sizes(ask: Ask, code: int) -> Iterator[tuple[int, int]]:
    for number, entry in _entries(ask, _ENUM_FRAMESIZES, 44, code):
        kind, a, b, _, c, d, _ = struct.unpack_from("7I", entry, 8)
        if kind == _DISCRETE:
            yield a, b
        elif number:  # a range is one entry; some drivers repeat it for ever
            return
        else:
            yield from [(w, h) for w, h in _STANDARD_SIZES if a <= w <= b and c <= h <= d] or [(b, d)]


def _rates(ask: Ask, code: int, width: int, height: int) -> Iterator[float]:
    for number, entry in _entries(ask, _ENUM_FRAMEINTERVALS, 52, code, width, height):
        kind, numerator, denominator = struct.unpack_from("3I", entry, 16)
        if (kind != _DISCRETE and number) or not numerator:
            return
        yield float(denominator / numerator)  # of a range, the shortest interval, which comes first


def _title(path: str) -> str:
    try:
        return (Path("/sys/class/video4linux") / Path(path).name / "name").read_text(errors="replace").strip()
    except OSError:
        return ""


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace").strip()


def choose_mode(modes: tuple[Mode, ...], *, size: tuple[int, int] = (1280, 720), rate: float = 30.0) -> Mode | None:
    """The mode to ask a camera for; None where its modes are unknown.

    The rate comes first, then the nearest size, then uncompressed pictures: MJPEG must be decoded, and is chosen only
    where the camera does not reach the rate at that size without it.

    Args:
        modes: of the camera.
        size: wanted (width, height) in pixels.
        rate: wanted frames per second.
    """
    if not modes:
        return None
    reached = min(rate, max(mode.rate for mode in modes))

    def distance(mode: Mode) -> tuple[float, int, float]:
        off = abs(mode.width - size[0]) / size[0] + abs(mode.height - size[1]) / size[1]
        return off, _TO_DECODE.get(mode.pixel, 0), abs(mode.rate - rate)

    return min((mode for mode in modes if mode.rate >= reached - 0.5), key=distance)
