"""What this machine's FFmpeg can do, found out by trying: encoders, hardware decoding, cameras."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from realtime.errors import RestyleError
from realtime.media import opencv
from realtime.media.live import v4l2
from realtime.media.live.sound import microphones
from realtime.media.live.sources import list_cameras

ENCODERS = (
    "libx264",
    "libx265",
    "libsvtav1",
    "libvpx-vp9",
    "h264_nvenc",
    "hevc_nvenc",
    "av1_nvenc",
    "h264_qsv",
    "h264_amf",
    "h264_vaapi",
    "h264_videotoolbox",
)


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether something can be used.

    Attributes:
        name: FFmpeg's name, or a device's.
        works: it was opened.
        reason: why not, in one line; empty where it works.
    """

    name: str
    works: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CameraCapability(Capability):
    """A camera.

    Attributes:
        modes: formats, sizes and rates, as the driver lists them; empty where it does not.
    """

    modes: tuple[str, ...] = ()


def versions() -> dict[str, str]:
    """Versions of PyAV, FFmpeg, its libraries, and OpenCV."""
    import av

    found = {"av": av.__version__, "ffmpeg": str(getattr(av, "ffmpeg_version_info", "unknown"))}
    found |= {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}
    try:
        found["opencv"] = str(opencv.load().__version__)
    except RestyleError as error:
        found["opencv"] = str(error)
    return found


def quiet_libraries() -> None:
    """Call before an encoder is opened: SVT-AV1 writes to stderr past FFmpeg's log, unless told not to.

    It asks once in a process. A level that the user has set in SVT_LOG holds.
    """
    os.environ.setdefault("SVT_LOG", "-1")


def encoders(names: tuple[str, ...] = ENCODERS) -> list[Capability]:
    """Tries to open each encoder, for that a build has it says nothing about the hardware and the driver."""
    return [_try_encoder(name) for name in names]


def _try_encoder(name: str) -> Capability:
    import av
    from av.codec.codec import UnknownCodecError
    from av.video.codeccontext import VideoCodecContext

    try:
        context = av.CodecContext.create(name, "w")
    except UnknownCodecError:
        return Capability(name, False, "not in this build of FFmpeg")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = 640, 360
    formats = [form.name for form in context.codec.video_formats or ()]
    context.pix_fmt = "yuv420p" if "yuv420p" in formats or not formats else formats[0]
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    quiet_libraries()
    if name == "libx265":  # writes to stderr by itself
        context.options = {"x265-params": "log-level=none"}
    with messages() as said:
        try:
            context.open()
        except Exception as error:  # each kind of failure has an exception of its own
            return Capability(name, False, said() or _one_line(error))
    return Capability(name, True)


def hardware_decoders() -> list[Capability]:
    """The kinds of hardware decoding in this build, each tried by opening its device."""
    import av
    from av.codec.hwaccel import HWAccel, hwdevices_available

    found = []
    codec = av.Codec("h264", "r")
    taken = {config.device_type.name for config in codec.hardware_configs if config.is_supported}
    for kind in hwdevices_available():
        if kind not in taken:
            found.append(Capability(kind, False, "not for H.264 in this build of FFmpeg"))
            continue
        with messages() as said:
            try:
                HWAccel(kind, allow_software_fallback=False).create(codec)
            except Exception as error:  # as above
                found.append(Capability(kind, False, said() or _one_line(error)))
            else:
                found.append(Capability(kind, True))
    return found


def cameras() -> list[CameraCapability]:
    """Cameras, with the modes that they offer. Only Linux tells the modes without opening the camera."""
    if not v4l2.KNOWN:
        return [CameraCapability(f"{number} ({title})", True) for number, title in list_cameras()]
    found = []
    for device in v4l2.devices():
        if not device.captures and not device.problem:
            continue  # the other end of a virtual camera, or a camera's own notes
        name = f"{device.path} ({device.title})" if device.title else device.path
        modes = tuple(str(mode) for mode in device.modes)
        found.append(CameraCapability(name, not device.problem, device.problem, modes))
    return found


def listed_microphones() -> list[Capability]:
    """Microphones that can be listed, by what `--sound` takes. They are not opened: that would switch them on."""
    return [Capability(name, True) for name in microphones()]


@contextmanager
def messages() -> Iterator[_Said]:
    """Catches what FFmpeg logs, which says more than its error codes ("Cannot load libcuda.so.1")."""
    import av.logging

    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as entries:
            yield _Said(entries)
    finally:
        av.logging.set_level(before)


class _Said:
    """The first thing that FFmpeg has said, in one line."""

    def __init__(self, entries: list[tuple[int, str, str]]) -> None:
        self.entries = entries

    def __call__(self) -> str:
        return _one_line(self.entries[0][2]) if self.entries else ""


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
