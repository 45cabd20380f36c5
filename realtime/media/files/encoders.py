"""Which encoder a file gets, with which options: the pure part of writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from realtime.errors import InputError

AUTO_ENCODERS: Mapping[str, str] = {
    "mp4": "libx264",
    "mov": "libx264",
    "ipod": "libx264",
    "matroska": "libx264",
    "avi": "mpeg4",  # its pictures have no times of their own: with H.264, players guess at the order, and begin late
    "mpegts": "libx264",
    "flv": "libx264",
    "webm": "libvpx-vp9",
    "ogg": "libvpx",
    "mpeg": "mpeg2video",
    "asf": "msmpeg4",
    "gif": "gif",
    "3gp": "libx264",
}
"""By FFmpeg's short name of the output format."""

SMALLEST_SIDE: Mapping[str, int] = {"libx265": 64}
"""Pixels of the shorter side below which an encoder is not safe: x265 4.1 writes past its memory at 48x32."""

PICTURES_ONLY = frozenset({"gif"})

KNOWN_EXTENSIONS = ".mp4 .mov .mkv .webm .avi .ts .gif"

AUDIO_ENCODERS: Mapping[str, tuple[str, ...]] = {
    "webm": ("libopus", "opus"),
    "avi": ("libmp3lame", "ac3"),
    "ogg": ("libvorbis", "flac"),
    "mpeg": ("mp2",),
    "asf": ("wmav2",),
}
"""What a track is re-encoded to where it cannot be copied; AAC in every other container."""

_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "dts"})
_MOV_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
COPYABLE_AUDIO: Mapping[str, frozenset[str]] = {
    "mp4": _MP4_AUDIO,
    "ipod": frozenset({"aac", "ac3", "alac", "mp3"}),
    "mov": _MOV_AUDIO,
    "3gp": frozenset({"aac", "amr_nb", "amr_wb"}),
    "webm": frozenset({"opus", "vorbis"}),
    "avi": frozenset({"mp3", "mp2", "ac3", "dts"}),
    "mpegts": frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "dts"}),
    "ogg": frozenset({"opus", "vorbis", "flac", "speex"}),
    "flv": frozenset({"aac", "mp3"}),
    "mpeg": frozenset({"mp2", "ac3"}),
}
"""Audio that players expect in a container. Stricter than FFmpeg's muxers, which would also put Vorbis into MP4."""

COPYABLE_SUBTITLES: Mapping[str, frozenset[str]] = {
    "mp4": frozenset({"mov_text"}),
    "ipod": frozenset({"mov_text"}),
    "mov": frozenset({"mov_text"}),
    "3gp": frozenset({"mov_text"}),
    "webm": frozenset({"webvtt"}),
    "matroska": frozenset(
        {"subrip", "ass", "ssa", "webvtt", "text", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
    ),
    "mpegts": frozenset({"dvb_subtitle", "dvb_teletext"}),
}

COPYABLE_DATA: Mapping[str, frozenset[str]] = {
    "mp4": frozenset({"bin_data"}),  # an action camera's sensors, say
    "mpegts": frozenset({"klv", "timed_id3"}),
}
"""Data streams that FFmpeg's muxers take."""

TEXT_SUBTITLES: Mapping[str, str] = {
    "mp4": "mov_text",
    "ipod": "mov_text",
    "mov": "mov_text",
    "matroska": "subrip",
    "webm": "webvtt",
}
"""What text subtitles are rewritten as where they cannot be copied."""

TEXT_CODECS = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})

KEEPS_ROTATION = frozenset({"mp4", "mov", "ipod", "3gp", "matroska", "webm"})
KEEPS_MIRRORING = KEEPS_ROTATION - {"matroska", "webm"}
KEEPS_ASPECT = frozenset({"mp4", "mov", "ipod", "3gp"})
CODES_ASPECT = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs whose own headers say the pixel aspect. PyAV cannot make Matroska and WebM say it for the others."""

KEEPS_CHAPTERS = frozenset({"mp4", "mov", "ipod", "matroska", "webm", "ogg"})
FASTSTART = frozenset({"mp4", "mov", "ipod"})
_PIECES = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "500000"}
_CLUSTERS = {"cluster_time_limit": "500"}
GROWING: Mapping[str, Mapping[str, str]] = {
    "mp4": _PIECES,
    "mov": _PIECES,
    "ipod": _PIECES,
    "matroska": _CLUSTERS,
    "webm": _CLUSTERS,
    "mpegts": {},
}
"""Containers that can be played before they are complete, and the options for that.

MP4 and MOV are written in fragments of half a second, and become plain ones when they are completed: a player that is
handed either needs to know nothing of it.
"""

FIXED_RATE = frozenset({"avi"})
"""Containers that know no times, only a frame rate."""

HALVED_CHROMA = frozenset({"h264", "hevc", "mpeg2video", "msmpeg4v3", "mpeg1video"})
"""Codecs whose 4:2:0 form needs even sizes."""


def copies_audio(container: str, codec: str) -> bool:
    """Whether a container can hold this audio codec as it is, in a way that players understand."""
    if codec.startswith("pcm_"):
        return container in ("mov", "matroska", "avi")
    known = COPYABLE_AUDIO.get(container)
    return True if known is None else codec in known


def copies_subtitles(container: str, codec: str) -> bool:
    """Whether a container can hold this subtitle codec as it is."""
    return codec in COPYABLE_SUBTITLES.get(container, frozenset())


@dataclass(frozen=True)
class EncoderSettings:
    """How to open an encoder.

    Attributes:
        options: its options, by name.
        attributes: attributes of PyAV's codec context.
        quality: the number that was used, None where the encoder has none.
    """

    options: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    quality: float | None = None


@dataclass(frozen=True)
class _Recipe:
    option: str
    default: float
    low: float
    high: float
    options: Mapping[str, str] = field(default_factory=dict)


_RECIPES: Mapping[str, _Recipe] = {
    # veryfast: at 640x360 it takes 2 ms of one core a frame (7 ms at 1280x720).
    "libx264": _Recipe("crf", 20, 0, 51, {"preset": "veryfast"}),
    "libx265": _Recipe("crf", 24, 0, 51, {"preset": "superfast", "x265-params": "log-level=error"}),
    "libvpx-vp9": _Recipe("crf", 28, 0, 63, {"deadline": "realtime", "cpu-used": "7", "row-mt": "1"}),
    "libvpx": _Recipe("crf", 8, 0, 63, {"deadline": "realtime", "cpu-used": "6"}),
    "libsvtav1": _Recipe("crf", 32, 0, 63, {"preset": "10"}),
    "libaom-av1": _Recipe("crf", 30, 0, 63, {"usage": "realtime", "cpu-used": "8", "row-mt": "1"}),
    "h264_nvenc": _Recipe("cq", 21, 0, 51, {"preset": "p4", "rc": "vbr"}),
    "hevc_nvenc": _Recipe("cq", 24, 0, 51, {"preset": "p4", "rc": "vbr"}),
    "av1_nvenc": _Recipe("cq", 28, 0, 63, {"preset": "p4", "rc": "vbr"}),
    "h264_qsv": _Recipe("global_quality", 21, 1, 51, {"preset": "fast"}),
    "hevc_qsv": _Recipe("global_quality", 24, 1, 51, {"preset": "fast"}),
}

_SCALE_ENCODERS = frozenset({"mpeg4", "mpeg2video", "mpeg1video", "msmpeg4", "mjpeg", "flv"})
_LAMBDA = 118
_HUGE = 4096 * 2304
_PRORES = frozenset({"prores", "prores_aw", "prores_ks"})


def encoder_settings(
    name: str, quality: float | None, *, options: frozenset[str], width: int, height: int, rate: float
) -> EncoderSettings:
    """Options for an encoder.

    Args:
        name: FFmpeg's name of the encoder.
        quality: the encoder's own quality number (lower is better: CRF, CQ or quantiser), None for our default.
        options: names of the options that this build's encoder has.
        width, height: size of the picture in pixels.
        rate: frames per second.

    Raises:
        InputError: the quality is out of the encoder's range, or the encoder takes none.
    """
    recipe = _RECIPES.get(name)
    if recipe is None and name in _SCALE_ENCODERS:
        value = _in_range(name, quality, 3, 1, 31)
        # Motion JPEG in limited range is outside its standard, but every player reads the tag.
        chosen = {"strict": "unofficial"} if name == "mjpeg" else {}
        return EncoderSettings(chosen, {"qscale": True, "global_quality": round(value * _LAMBDA)}, value)
    if recipe is None and name == "gif":
        if quality is not None:
            raise InputError("--quality: GIF has none; leave the option out")
        return EncoderSettings()
    if recipe is None and name in _PRORES:
        if quality is not None:
            raise InputError(f"--quality: {name} has profiles, not a quality number; leave the option out")
        return EncoderSettings({"profile": "hq" if name == "prores_ks" else "3"}, {}, None)
    if recipe is None:
        choice = next((o for o in ("crf", "cq", "qp", "q") if o in options), None)
        if quality is None:
            # Many hardware encoders default to a rate made for thumbnails.
            return EncoderSettings({}, {"bit_rate": round(0.12 * width * height * rate)}, None)
        if choice is None:
            raise InputError(f"--quality: the encoder {name} has no quality number; leave the option out")
        return EncoderSettings({choice: f"{quality:g}"}, {}, quality)
    value = _in_range(name, quality, recipe.default, recipe.low, recipe.high)
    attributes: dict[str, Any] = {}
    if name == "libvpx":  # its CRF works only below a bit rate
        attributes["bit_rate"] = round(0.3 * width * height * rate)
    number = f"{value:g}" if name in ("libx264", "libx265", "h264_nvenc") else str(round(value))
    if name == "libx264" and width * height > _HUGE:
        # Each picture in its care takes some 150 MB at 7680x4320: so it looks 2 ahead and not 10, and keeps none for
        # B-frames.
        attributes["max_b_frames"] = 0
        return EncoderSettings({**recipe.options, recipe.option: number, "rc-lookahead": "2"}, attributes, value)
    kept = {k: v for k, v in recipe.options.items() if not options or k in options or k == "row-mt"}
    return EncoderSettings({**kept, recipe.option: number}, attributes, value)


def immediate(name: str) -> dict[str, str]:
    """Options with which an encoder gives out each picture as soon as it gets it, and none is lost in a crash."""
    return {
        "libx264": {"tune": "zerolatency"},
        "libx265": {"tune": "zerolatency"},
        "libvpx": {"lag-in-frames": "0"},
        "libvpx-vp9": {"lag-in-frames": "0"},
        "libaom-av1": {"lag-in-frames": "0"},
        "h264_nvenc": {"delay": "0", "tune": "ll"},
        "hevc_nvenc": {"delay": "0", "tune": "ll"},
    }.get(name, {})


def _in_range(name: str, value: float | None, default: float, low: float, high: float) -> float:
    if value is None:
        return default
    if not low <= value <= high:
        raise InputError(f"--quality {value:g}: {name} takes {low:g} (best) to {high:g}")
    return value


_PREFERRED_FORMATS = (
    "yuv420p",
    "yuvj420p",
    "nv12",
    "yuv422p",
    "yuvj422p",
    "yuv444p",
    "yuvj444p",
    "yuv420p10le",
    "yuv422p10le",
)


def choose_pix_fmt(codec: str, formats: list[str], *, width: int, height: int) -> str | None:
    """The pixel format to encode 4:2:0 frames in; None where the encoder has nothing near.

    Odd sizes in H.264 and HEVC are encoded with full-size chroma, as half of an odd number of pixels cannot be stored.
    """
    odd = bool(width % 2 or height % 2)
    if odd and codec in HALVED_CHROMA:
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


def video_encoders() -> list[str]:
    """Names of the video encoders in this build that take 4:2:0 or 4:4:4 planes."""
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
    return names


def video_encoder_list() -> str:
    """`video_encoders` for a message: the well-known ones first."""
    there = video_encoders()
    first = [n for n in _RECIPES if n in there]
    return ", ".join([*first, *(n for n in there if n not in first)])
