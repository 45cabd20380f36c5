"""What this machine's FFmpeg can do, found by trying: encoders, hardware decoding, cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from realtime.errors import InputError, RestyleError
from realtime.media import opencv
from realtime.media.live import v4l2
from realtime.media.live.microphone import microphones
from realtime.media.live.sources import list_cameras
from realtime.media.live.virtual_camera import VirtualCamera
from realtime.media.messages import problem_of, quiet_libraries

ENCODERS = tuple(
    "libx264 libx265 libsvtav1 libvpx-vp9 h264_nvenc hevc_nvenc av1_nvenc h264_qsv h264_amf h264_vaapi"
    " h264_videotoolbox".split()
)


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether something can be used."""

    name: str  # FFmpeg's, or a device's
    works: bool
    reason: str = ""  # why it does not, in one line


@dataclass(frozen=True, slots=True)
class CameraCapability(Capability):
    """Whether a camera can be used."""

    modes: tuple[str, ...] = ()  # formats, sizes and rates, where the driver lists them


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


def encoders(names: tuple[str, ...] = ENCODERS) -> list[Capability]:
    """Video encoders, each tried by opening it: a build may have one that the hardware or the driver lacks."""
    quiet_libraries()
    return [Capability(name, not (why := _encoder_problem(name)), why) for name in names]


def _encoder_problem(name: str) -> str:
    import av
    from av.codec.codec import UnknownCodecError

    try:
        context: Any = av.CodecContext.create(name, "w")
    except UnknownCodecError:
        return "not in this build of FFmpeg"
    context.width, context.height = 640, 360
    formats = [form.name for form in context.codec.video_formats or ()]
    context.pix_fmt = "yuv420p" if "yuv420p" in formats or not formats else formats[0]
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    if name == "libx265":  # writes to stderr by itself
        context.options = {"x265-params": "log-level=none"}
    return problem_of(context.open)


def hardware_decoders() -> list[Capability]:
    """Kinds of hardware decoding in this build, each tried by opening its device."""
    import av
    from av.codec.hwaccel import HWAccel, hwdevices_available

    codec = av.Codec("h264", "r")
    supported = {config.device_type.name for config in codec.hardware_configs if config.is_supported}

    def problem(kind: str) -> str:
        if kind not in supported:
            return "not for H.264 in this build of FFmpeg"
        return problem_of(lambda: HWAccel(kind, allow_software_fallback=False).create(codec))

    return [Capability(kind, not (why := problem(kind)), why) for kind in hwdevices_available()]


def cameras(devices: Sequence[v4l2.Device] | None = None) -> list[CameraCapability]:
    """Cameras, with their modes, which only Linux tells without opening the camera.

    Args:
        devices: of Linux; None examines this machine's.
    """
    if devices is None and not v4l2.KNOWN:
        return [CameraCapability(f"{number} ({title})", True) for number, title in list_cameras()]
    found = []
    for device in v4l2.devices() if devices is None else devices:
        if not device.captures and not device.problem:
            continue  # the input of a virtual camera, or a camera's metadata
        name = f"{device.path} ({device.title})" if device.title else device.path
        modes = tuple(str(mode) for mode in device.modes)
        found.append(CameraCapability(name, not device.problem, device.problem, modes))
    return found


def virtual_cameras() -> list[Capability]:
    """The virtual camera of this machine, tried by opening it."""
    try:
        camera = VirtualCamera(640, 360, 30)
    except InputError as error:
        return [Capability("virtual camera", False, str(error).removeprefix("no virtual camera: "))]
    name = f"{camera.device} ({camera.backend})"
    camera.close()
    return [Capability(name, True)]


def listed_microphones() -> list[Capability]:
    """Microphones by what `--sound` takes. They are not opened: that would switch them on."""
    return [Capability(name, True) for name in microphones()]
