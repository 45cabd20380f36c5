"""Live sources by name: what the text of `--camera` stands for, and the cameras of this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from realtime.errors import MediaError
from realtime.media.live import v4l2

Kind = Literal["camera", "screen", "stream", "file", "generated"]

_PROTOCOLS = frozenset("http https rtmp rtmps rtmpt rtp rtsp rtsps srt tcp tls udp unix".split())
_SCREENS = {"linux": "x11grab", "win32": "gdigrab", "darwin": "avfoundation"}
_SCREEN_FORMATS = frozenset({"x11grab", "gdigrab", "kmsgrab", "fbdev"})
_CAMERA_FORMATS = frozenset({"v4l2", "video4linux2", "dshow", "avfoundation", "android_camera"})
_WELL_KNOWN = frozenset({"lavfi", "x11grab", "gdigrab", "avfoundation", "dshow", "v4l2", "kmsgrab", "fbdev", "mpegts"})

NO_CAMERA = "this machine has no camera; --camera also takes a stream, a file, or FORMAT:SOURCE"


@dataclass(frozen=True, slots=True)
class Target:
    """A source as FFmpeg opens it.

    A "camera" and a "screen" come at their own pace, a "stream" over a network. A "file" and "generated" pictures can
    be read at any speed, and are held to their own times.
    """

    text: str  # what the user wrote, for messages
    kind: Kind
    url: str  # FFmpeg's name of the source
    format: str | None = None  # FFmpeg's name of the input format; None lets it find out
    options: Mapping[str, str] = field(default_factory=dict)  # FFmpeg's

    @property
    def comes_back(self) -> bool:
        """Whether to open it again when it ends."""
        return self.kind in ("camera", "screen", "stream")


def parse_source(text: str, *, platform: str = sys.platform, formats: frozenset[str] | None = None) -> Target:
    """The source that the text of `--camera` stands for.

    Args:
        text: a camera's number or device, "screen", a URL, a file, or FORMAT:SOURCE.
        platform: as `sys.platform`.
        formats: FFmpeg's input formats; None asks this build.

    Raises:
        MediaError: there is no such source; the message says what there is.
    """
    text = text.strip()
    system = "linux" if platform.startswith("linux") else platform
    if text.isdigit():
        return _numbered_camera(text, system)
    if text == "screen":
        return _screen(system)
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text):
        protocol = scheme[1].lower()
        if protocol not in _PROTOCOLS and protocol != "file":
            raise MediaError(f"{text}: no protocol {scheme[1]!r}; use one of {', '.join(sorted(_PROTOCOLS))}")
        return Target(text, "file" if protocol == "file" else "stream", text, None, _stream_options(protocol))
    if text.startswith("/dev/video"):
        return Target(text, "camera", text, "v4l2")
    form, colon, rest = text.partition(":")
    if colon and len(form) > 1 and not os.path.exists(text):  # one letter is a drive of Windows
        return _with_format(text, form, rest, _input_formats() if formats is None else formats)
    if os.path.isdir(text):
        raise MediaError(f"{text}: is a folder; name a camera, a stream or a file")
    if not os.path.exists(text):
        raise MediaError(
            f"{text}: no such file; --camera takes a number (0), a device, a URL, a file, or FORMAT:SOURCE"
        )
    return Target(text, "file", "file:" + text)


def _with_format(text: str, form: str, rest: str, known: frozenset[str]) -> Target:
    """The source of FORMAT:SOURCE."""
    if form not in known:
        raise MediaError(
            f"{text}: no such file, and no input format {form!r} in this build of FFmpeg"
            f" (there are {', '.join(sorted(known & _WELL_KNOWN))} and {len(known - _WELL_KNOWN)} more)"
        )
    if not rest:
        raise MediaError(f"{text}: name a source after the colon, such as lavfi:testsrc2=size=640x360:rate=30")
    return Target(text, _kind_of(form, rest), rest, form, _stream_options("") if "://" in rest else {})


def _input_formats() -> frozenset[str]:
    import av

    return frozenset(alias for name in av.formats_available for alias in name.split(","))


def _kind_of(form: str, rest: str) -> Kind:
    if form == "lavfi":
        return "generated"
    if form == "avfoundation" and "screen" in rest.lower():
        return "screen"
    if form in _SCREEN_FORMATS:
        return "screen"
    if form in _CAMERA_FORMATS:
        return "camera"
    return "stream" if "://" in rest else "file"


def _stream_options(protocol: str) -> dict[str, str]:
    # One second is enough to find what a stream holds. FFmpeg's five would all be delay.
    options = {"analyzeduration": "1000000", "probesize": "1000000"}
    if protocol == "rtsp":
        options["rtsp_flags"] = "prefer_tcp"
    if protocol == "udp":
        options |= {"overrun_nonfatal": "1", "fifo_size": "20000"}  # 188-byte packets: 4 MB
    return options


def _numbered_camera(number: str, system: str) -> Target:
    if system == "linux":
        return Target(number, "camera", f"/dev/video{number}", "v4l2")
    if system == "darwin":
        return Target(number, "camera", f"{number}:none", "avfoundation")
    if system == "win32":
        names = _listed("dshow")
        if int(number) >= len(names):
            listed = ", ".join(f"{index} ({name})" for index, name in enumerate(names))
            raise MediaError(f"camera {number}: {f'there are {listed}' if names else NO_CAMERA}")
        return Target(number, "camera", f"video={names[int(number)]}", "dshow")
    raise MediaError(f"camera {number}: cameras by number are not known on {system}; use FORMAT:SOURCE")


def _screen(system: str) -> Target:
    form = _SCREENS.get(system)
    if form is None:
        raise MediaError(f"screen: not known on {system}; use FORMAT:SOURCE")
    if form == "x11grab":
        display = os.environ.get("DISPLAY")
        if not display:
            raise MediaError("screen: no display (DISPLAY is not set)")
        return Target("screen", "screen", display, form)
    return Target("screen", "screen", "desktop" if form == "gdigrab" else "Capture screen 0:none", form)


def _listed(form: str) -> list[str]:
    import av.device

    try:
        found = av.device.enumerate_input_devices(form)
    except (ValueError, OSError):
        return []
    return [entry.description or entry.name for entry in found if "video" in entry.media_types]


def list_cameras(platform: str = sys.platform) -> list[tuple[str, str]]:
    """(text for `--camera`, title) of the cameras of this machine."""
    if platform.startswith("linux"):
        return [(device.path, device.title) for device in v4l2.devices() if device.captures]
    form = {"darwin": "avfoundation", "win32": "dshow"}.get(platform, "")
    names = _listed(form) if form else []
    return [(str(number), name) for number, name in enumerate(names)]
