"""What the text of `--camera` means, and what to say when it cannot be opened."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from realtime.errors import InputError, MediaError
from realtime.media.files.probe import reason
from realtime.media.live import v4l2

Kind = Literal["camera", "screen", "stream", "file", "generated"]

_PROTOCOLS = frozenset("http https rtmp rtmps rtmpt rtp rtsp rtsps srt tcp tls udp unix".split())
_SCREENS = {"linux": "x11grab", "win32": "gdigrab", "darwin": "avfoundation"}
_SCREEN_FORMATS = frozenset({"x11grab", "gdigrab", "kmsgrab", "fbdev"})
_CAMERA_FORMATS = frozenset({"v4l2", "video4linux2", "dshow", "avfoundation", "android_camera"})


@dataclass(frozen=True, slots=True)
class Target:
    """What FFmpeg is to open.

    Attributes:
        text: what the user wrote; for messages.
        kind: "camera" and "screen" come at their own pace, "stream" comes over a network, a "file" and what is
            "generated" come at any speed and are held to their own.
        url: FFmpeg's name of it.
        format: FFmpeg's name of the input format; None lets it find out.
        options: FFmpeg's options.
    """

    text: str
    kind: Kind
    url: str
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def comes_back(self) -> bool:
        """Whether it makes sense to open it again when it ends."""
        return self.kind in ("camera", "screen", "stream")


def parse_source(text: str, *, platform: str = sys.platform, formats: frozenset[str] | None = None) -> Target:
    """What the text of `--camera` means.

    Args:
        text: a camera's number or device, "screen", a URL, a file, or FORMAT:SOURCE.
        platform: as `sys.platform`.
        formats: FFmpeg's input formats; None asks this build.

    Raises:
        MediaError: it means nothing; the message says what there is.
    """
    text = text.strip()
    system = "linux" if platform.startswith("linux") else platform
    if text.isdigit():
        return _numbered_camera(text, system)
    if text == "screen":
        return _screen(system)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    if scheme:
        if scheme[1].lower() not in _PROTOCOLS and scheme[1].lower() != "file":
            raise MediaError(f"{text}: no protocol {scheme[1]!r}; use one of {', '.join(sorted(_PROTOCOLS))}")
        kind: Kind = "file" if scheme[1].lower() == "file" else "stream"
        return Target(text, kind, text, None, _stream_options(scheme[1].lower()))
    if text.startswith("/dev/video"):
        return Target(text, "camera", text, "v4l2")
    form, colon, rest = text.partition(":")
    if colon and len(form) > 1 and not os.path.exists(text):  # one letter is a drive of Windows
        known = _input_formats() if formats is None else formats
        if form not in known:
            raise MediaError(
                f"{text}: no such file, and no input format {form!r} in this build of FFmpeg"
                f" (there are {', '.join(sorted(known & _WELL_KNOWN))} and {len(known - _WELL_KNOWN)} more)"
            )
        if not rest:
            raise MediaError(f"{text}: name a source after the colon, such as lavfi:testsrc2=size=640x360:rate=30")
        return Target(text, _kind_of(form, rest), rest, form, _stream_options("") if "://" in rest else {})
    if os.path.isdir(text):
        raise MediaError(f"{text}: is a folder; name a camera, a stream or a file")
    if not os.path.exists(text):
        raise MediaError(
            f"{text}: no such file; --camera takes a number (0), a device, a URL, a file, or FORMAT:SOURCE"
        )
    return Target(text, "file", "file:" + text)


_WELL_KNOWN = frozenset({"lavfi", "x11grab", "gdigrab", "avfoundation", "dshow", "v4l2", "kmsgrab", "fbdev", "mpegts"})


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
    # A second is enough to find what is in a stream; FFmpeg would look for five, and all of that would come late.
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
            raise MediaError(f"camera {number}: {_there_are(names)}")
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
    """(what to give to `--camera`, title) of the cameras of this machine."""
    if platform.startswith("linux"):
        return [(device.path, device.title) for device in v4l2.devices() if device.captures]
    form = {"darwin": "avfoundation", "win32": "dshow"}.get(platform, "")
    names = _listed(form) if form else []
    return [(str(number), name) for number, name in enumerate(names)]


def _there_are(names: list[str]) -> str:
    if not names:
        return "this machine has no camera; --camera also takes a stream, a file, or FORMAT:SOURCE"
    return f"there are {', '.join(f'{number} ({name})' for number, name in enumerate(names))}"


class Refused(InputError):
    """A connection was not to be had.

    Attributes:
        worth_another_try: other options might do.
    """

    def __init__(self, message: str, *, worth_another_try: bool = False) -> None:
        super().__init__(message)
        self.worth_another_try = worth_another_try


def why_ended(error: BaseException) -> str:
    import av.error

    if isinstance(error, av.error.ExitError):  # our own time-out
        return "nothing arrives any more"
    return reason(error)


def refusal(target: Target, error: BaseException, seconds: float, said: str = "") -> Refused:
    """One line for whatever FFmpeg says when it cannot open a source.

    Args:
        target: what was to be opened.
        error: what PyAV raised.
        seconds: how long was waited.
        said: what else is known; empty where nothing is.
    """
    import av.error

    text, number = target.text, getattr(error, "errno", None)
    if isinstance(error, av.error.ExitError):
        return Refused(f"{text}: nothing arrived within {seconds:g} s; is the sender running?")
    if isinstance(error, ValueError) and "no container format" in str(error):
        return Refused(f"{text}: this build of FFmpeg has no input format {target.format!r}")
    if target.kind == "camera":
        return _camera_refusal(target, error, number)
    if target.kind == "screen":
        return Refused(f"{text}: the screen cannot be captured ({said or reason(error)}); does the display exist?")
    if target.kind == "generated":
        return Refused(f"{text}: FFmpeg cannot make this ({reason(error)}); check the names of the filters")
    if target.kind == "file":
        return Refused(f"{text}: not a media file, or damaged beyond reading ({reason(error)})")
    if number == errno.ECONNREFUSED:
        return Refused(f"{text}: the connection was refused; is the sender running, and is the port right?")
    return Refused(f"{text}: the stream cannot be opened ({reason(error)})")


def _camera_refusal(target: Target, error: BaseException, number: int | None) -> Refused:
    name = target.text if not target.text.isdigit() else f"camera {target.text}"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        there = [f"{title} at {which}" if title else which for which, title in list_cameras()]
        return Refused(f"{name}: not found; {_cameras_there(there)}")
    if number == errno.EBUSY:
        return Refused(f"{name}: is in use by another program; close that one")
    if number in (errno.EACCES, errno.EPERM):
        hint = "add yourself to the group 'video'" if sys.platform.startswith("linux") else "allow it in the settings"
        return Refused(f"{name}: no permission; {hint}")
    if number == errno.ENOTTY:
        return Refused(f"{name}: is not a camera")
    return Refused(
        f"{name}: cannot be opened ({reason(error)}); `restyle doctor` lists cameras", worth_another_try=True
    )


def _cameras_there(there: list[str]) -> str:
    if not there:
        return "this machine has no camera (--camera also takes a stream, a file, or FORMAT:SOURCE)"
    return f"there {'is' if len(there) == 1 else 'are'} {', '.join(there)}"
