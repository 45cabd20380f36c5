"""Video encoders: which there are, and the settings with which each is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime.errors import InputError

SMALLEST_SIDE: Mapping[str, int] = {"libx265": 64}
"""Pixels of the shorter side below which an encoder is not safe: x265 4.1 writes past its memory at 48x32."""

CODES_ASPECT = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs that store the pixel aspect in their own headers. PyAV cannot store it in those of Matroska and WebM."""

EVEN_SIZES = frozenset({"h264", "hevc", "mpeg2video", "msmpeg4v3", "mpeg1video"})
"""Codecs whose 4:2:0 form needs an even width and height."""


@dataclass(frozen=True)
class EncoderSettings:
    """How to open an encoder.

    Attributes:
        options: the encoder's own options, by name.
        attributes: attributes of PyAV's codec context.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Recipe:
    """Settings of an encoder with a quality number: its option, default and range, and further options."""

    option: str
    default: float
    low: float
    high: float
    options: Mapping[str, str] = field(default_factory=dict)
    immediate: Mapping[str, str] = field(default_factory=dict)
    fractions: bool = False


_NO_LOOKAHEAD = {"lag-in-frames": "0"}
_NVENC = {"preset": "p4", "rc": "vbr"}
_NVENC_IMMEDIATE = {"delay": "0", "tune": "ll"}
_X265 = {"preset": "superfast", "x265-params": "log-level=error"}
_VP8 = {"deadline": "realtime", "cpu-used": "6"}
_VP9 = {"deadline": "realtime", "cpu-used": "7", "row-mt": "1"}
_AOM = {"usage": "realtime", "cpu-used": "8", "row-mt": "1"}

_RECIPES: Mapping[str, _Recipe] = {
    # veryfast: at 640x360 it takes 2 ms of one core a frame (7 ms at 1280x720).
    "libx264": _Recipe("crf", 20, 0, 51, {"preset": "veryfast"}, {"tune": "zerolatency"}, fractions=True),
    "libx265": _Recipe("crf", 24, 0, 51, _X265, {"tune": "zerolatency"}, fractions=True),
    "libvpx-vp9": _Recipe("crf", 28, 0, 63, _VP9, _NO_LOOKAHEAD),
    "libvpx": _Recipe("crf", 8, 0, 63, _VP8, _NO_LOOKAHEAD),
    "libsvtav1": _Recipe("crf", 32, 0, 63, {"preset": "10"}),
    "libaom-av1": _Recipe("crf", 30, 0, 63, _AOM, _NO_LOOKAHEAD),
    "h264_nvenc": _Recipe("cq", 21, 0, 51, _NVENC, _NVENC_IMMEDIATE, fractions=True),
    "hevc_nvenc": _Recipe("cq", 24, 0, 51, _NVENC, _NVENC_IMMEDIATE),
    "av1_nvenc": _Recipe("cq", 28, 0, 63, _NVENC),
    "h264_qsv": _Recipe("global_quality", 21, 1, 51, {"preset": "fast"}),
    "hevc_qsv": _Recipe("global_quality", 24, 1, 51, {"preset": "fast"}),
}

_QUANTISER_ENCODERS = frozenset({"mpeg4", "mpeg2video", "mpeg1video", "msmpeg4", "mjpeg", "flv"})
_LAMBDA = 118
"""FFmpeg's FF_QP2LAMBDA: `global_quality` is a quantiser times this."""
_HUGE = 4096 * 2304
"""Pixels of a picture of which libx264 holds few at a time."""
_PRORES = frozenset({"prores", "prores_aw", "prores_ks"})


def encoder_settings(
    name: str, quality: float | None, *, known: frozenset[str], width: int, height: int, rate: float
) -> EncoderSettings:
    """The settings for an encoder.

    Args:
        name: FFmpeg's name of the encoder.
        quality: the encoder's own quality number (CRF, CQ or quantiser: lower is better); None for our default.
        known: names of the options that this build's encoder has.
        width, height: size of the pictures in pixels.
        rate: frames per second.

    Raises:
        InputError: the quality is out of the encoder's range, or the encoder takes none.
    """
    if name in _RECIPES:
        return _by_recipe(name, quality, known, width * height, rate)
    if name in _QUANTISER_ENCODERS:
        value = _in_range(name, quality, 3, 1, 31)
        # Motion JPEG in limited range is outside its standard, but every player reads the tag.
        options = {"strict": "unofficial"} if name == "mjpeg" else {}
        return EncoderSettings(options, {"qscale": True, "global_quality": round(value * _LAMBDA)})
    if name == "gif" or name in _PRORES:
        if quality is not None:
            raise InputError(f"--quality: {name} has no quality number; leave the option out")
        return EncoderSettings({} if name == "gif" else {"profile": "hq" if name == "prores_ks" else "3"})
    if quality is None:
        # The default rate of many hardware encoders suits thumbnails only.
        return EncoderSettings({}, {"bit_rate": round(0.12 * width * height * rate)})
    option = next((o for o in ("crf", "cq", "qp", "q") if o in known), None)
    if option is None:
        raise InputError(f"--quality: the encoder {name} has no quality number; leave the option out")
    return EncoderSettings({option: f"{quality:g}"})


def _by_recipe(name: str, quality: float | None, known: frozenset[str], pixels: int, rate: float) -> EncoderSettings:
    recipe = _RECIPES[name]
    value = _in_range(name, quality, recipe.default, recipe.low, recipe.high)
    options = {k: v for k, v in recipe.options.items() if not known or k in known or k == "row-mt"}
    options[recipe.option] = f"{value:g}" if recipe.fractions else str(round(value))
    if name == "libx264" and pixels > _HUGE:
        # Each picture that it holds takes some 150 MB at 7680x4320: so it looks 2 ahead, not 10, without B-frames.
        return EncoderSettings({**options, "rc-lookahead": "2"}, {"max_b_frames": 0})
    # The CRF of libvpx has an effect only below a bit rate.
    return EncoderSettings(options, {"bit_rate": round(0.3 * pixels * rate)} if name == "libvpx" else {})


def immediate_options(name: str) -> Mapping[str, str]:
    """Options with which an encoder returns each picture as soon as it gets it, so that a crash loses none."""
    return _RECIPES[name].immediate if name in _RECIPES else {}


def _in_range(name: str, value: float | None, default: float, low: float, high: float) -> float:
    if value is None:
        return default
    if not low <= value <= high:
        raise InputError(f"--quality {value:g}: {name} takes {low:g} (best) to {high:g}")
    return value


_PREFERRED_FORMATS = (
    "yuv420p yuvj420p nv12 yuv422p yuvj422p yuv444p yuvj444p yuv420p10le yuv422p10le".split()  # the best first
)


def choose_pix_fmt(codec: Any, *, width: int, height: int) -> str | None:
    """The pixel format in which 4:2:0 frames are encoded; None where the encoder has none that is near.

    `codec` is PyAV's of the encoder. Odd sizes are encoded with full-size chroma by codecs that cannot store half of an
    odd number of pixels.
    """
    formats = [f.name for f in codec.video_formats or []]
    if (width % 2 or height % 2) and codec.canonical_name in EVEN_SIZES:
        return "yuv444p" if "yuv444p" in formats else None
    if not formats:
        return "yuv420p"
    return next((name for name in _PREFERRED_FORMATS if name in formats), None)


def check_encoder(name: str) -> Any:
    """PyAV's `Codec` of a video encoder.

    Raises:
        InputError: no such encoder in this build, or not one for video.
    """
    from av.codec.codec import Codec, UnknownCodecError

    try:
        codec = Codec(name, "w")
    except (UnknownCodecError, ValueError):
        raise InputError(f"encoder {name!r} is not in this build of FFmpeg; there are {video_encoder_list()}") from None
    if codec.type != "video":
        raise InputError(f"encoder {name!r} is for {codec.type}, not for video; there are {video_encoder_list()}")
    return codec


def video_encoder_list() -> str:
    """For messages: the video encoders in this build that take 4:2:0 or 4:4:4 planes, the well-known ones first."""
    import av
    from av.codec.codec import Codec

    names = []
    for name in sorted(av.codecs_available):
        try:
            codec = Codec(name, "w")
        except ValueError:
            continue
        if codec.type != "video" or codec.name != name:
            continue
        formats = [f.name for f in codec.video_formats or []]
        if not formats or any(f in formats for f in _PREFERRED_FORMATS):
            names.append(name)
    first = [name for name in _RECIPES if name in names]
    return ", ".join([*first, *(name for name in names if name not in first)])
