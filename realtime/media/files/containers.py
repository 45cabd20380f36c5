"""What each container can hold, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

KNOWN_EXTENSIONS = ".mp4 .mov .mkv .webm .avi .ts .gif"
"""For messages: the extensions of the containers that are used most."""

_TEXT_SUBTITLES = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a container can hold. The defaults are for a container about which nothing is known.

    Attributes:
        encoder: the video encoder that is taken for it; empty where it does not hold video as we write it.
        audio: codecs that can be copied; None for all but PCM. Stricter than FFmpeg's muxers, which would also put
            Vorbis into MP4, where players do not expect it.
        pcm: PCM audio can be copied.
        audio_encoders: what other audio is encoded with, the best first.
        subtitles: codecs that can be copied.
        text: the codec to which other text subtitles are converted; None where they cannot be.
        data: codecs of data streams that can be copied.
        rotation, mirroring: a display matrix can be stored that rotates, or mirrors.
        aspect: the pixel aspect can be stored for every codec.
        chapters, attachments, cover_art: can be stored.
        fixed_rate: it has a frame rate and no time stamps.
        video_only: no other stream can be stored.
        options: muxer options.
        growing: muxer options with which it can be played before it is complete; None where it cannot be.
    """

    encoder: str = ""
    audio: frozenset[str] | None = None
    pcm: bool = False
    audio_encoders: tuple[str, ...] = ("aac",)
    subtitles: frozenset[str] = frozenset()
    text: str | None = None
    data: frozenset[str] = frozenset()
    rotation: bool = False
    mirroring: bool = False
    aspect: bool = False
    chapters: bool = False
    attachments: bool = False
    cover_art: bool = False
    fixed_rate: bool = False
    video_only: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    growing: Mapping[str, str] | None = None

    def copies_audio(self, codec: str) -> bool:
        """Whether audio of a codec is copied as it is."""
        if codec.startswith("pcm_"):
            return self.pcm
        return self.audio is None or codec in self.audio

    def converts_subtitles(self, codec: str) -> bool:
        """Whether subtitles of a codec can be converted to `text`."""
        return self.text is not None and codec in _TEXT_SUBTITLES


_ISO = Container(
    encoder="libx264", subtitles=frozenset({"mov_text"}), rotation=True, mirroring=True, aspect=True
)  # the format behind MP4, MOV and 3GP
_MP4 = replace(
    _ISO,
    text="mov_text",
    chapters=True,
    # Edit lists hold the offset between sound and picture. They are rounded to this clock, by default to 1 ms.
    options={"movflags": "+faststart", "movie_timescale": "90000"},
    # Fragments of half a second. Completing the file makes it a plain one, in which every player can seek.
    growing={"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "500000"},
)
_CLUSTERS = {"cluster_time_limit": "500"}

CONTAINERS: Mapping[str, Container] = {
    "mp4": replace(
        _MP4,
        audio=frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "dts"}),
        data=frozenset({"bin_data"}),  # an action camera's sensors, for example
        cover_art=True,
    ),
    "mov": replace(_MP4, audio=frozenset({"aac", "mp3", "ac3", "eac3", "alac"}), pcm=True),
    "ipod": replace(_MP4, audio=frozenset({"aac", "ac3", "alac", "mp3"}), cover_art=True),
    "3gp": replace(_ISO, audio=frozenset({"aac", "amr_nb", "amr_wb"})),
    "matroska": Container(
        encoder="libx264",
        pcm=True,
        subtitles=frozenset("subrip ass ssa webvtt text hdmv_pgs_subtitle dvd_subtitle dvb_subtitle".split()),
        text="subrip",
        rotation=True,
        chapters=True,
        attachments=True,
        growing=_CLUSTERS,
    ),
    "webm": Container(
        encoder="libvpx-vp9",
        audio=frozenset({"opus", "vorbis"}),
        audio_encoders=("libopus", "opus"),
        subtitles=frozenset({"webvtt"}),
        text="webvtt",
        rotation=True,
        chapters=True,
        growing=_CLUSTERS,
    ),
    "avi": Container(
        # Pictures have no times in AVI: with H.264, players guess their order, and begin late.
        encoder="mpeg4",
        audio=frozenset({"mp3", "mp2", "ac3", "dts"}),
        pcm=True,
        audio_encoders=("libmp3lame", "ac3"),
        fixed_rate=True,
    ),
    "mpegts": Container(
        encoder="libx264",
        audio=frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "dts"}),
        subtitles=frozenset({"dvb_subtitle", "dvb_teletext"}),
        data=frozenset({"klv", "timed_id3"}),
        growing={},
    ),
    "flv": Container(encoder="libx264", audio=frozenset({"aac", "mp3"})),
    "ogg": Container(
        encoder="libvpx",
        audio=frozenset({"opus", "vorbis", "flac", "speex"}),
        audio_encoders=("libvorbis", "flac"),
        chapters=True,
    ),
    "mpeg": Container(encoder="mpeg2video", audio=frozenset({"mp2", "ac3"}), audio_encoders=("mp2",)),
    "asf": Container(encoder="msmpeg4", audio_encoders=("wmav2",)),
    "gif": Container(encoder="gif", video_only=True),
}
"""By FFmpeg's name of the output format."""
