"""Clips for tests, made with PyAV: small, real, encoded media of every awkward kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

REAL_CLIPS = Path(__file__).resolve().parents[3] / "shared" / "videos"


def scene(index: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB: smooth moving colours, which codecs keep well, and a mark that tells the index."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    out = np.empty((height, width, 3), np.float32)
    out[..., 0] = 128 + 80 * np.sin(x / 23 + index / 5)
    out[..., 1] = 128 + 80 * np.sin(y / 17 - index / 7)
    out[..., 2] = 128 + 80 * np.sin((x + y) / 31 + index / 9)
    side = height // 4
    out[:side, :side] = 16 + 4 * (index % 56)
    return np.clip(out, 0, 255).astype(np.uint8)


@dataclass
class Clip:
    """What to make. Times are in units of `time_base`; one entry a frame."""

    path: Path
    frames: int = 24
    size: tuple[int, int] = (96, 64)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    times: Sequence[int] | None = None
    time_base: Fraction = Fraction(1, 12800)
    rate: int = 25
    options: dict[str, str] = field(default_factory=dict)
    color: tuple[int, int, int, int] | None = None
    """(range, space, primaries, transfer)"""
    audio: Sequence[str] = ()
    """Codecs of the audio tracks."""
    languages: Sequence[str] = ()
    audio_start: float = 0.0
    container_options: dict[str, str] = field(default_factory=dict)
    setup: Callable[[Any, Any], None] | None = None
    """Called with the container and the video stream before anything is written."""
    subtitles: Sequence[tuple[float, float, str]] = ()
    """(start, duration, text), written as SubRip."""

    def make(self) -> Path:
        width, height = self.size
        with av.open(str(self.path), "w", container_options=self.container_options) as container:
            video: Any = container.add_stream(self.codec, rate=self.rate)
            context = video.codec_context
            context.width, context.height, context.pix_fmt = width, height, self.pix_fmt
            video.time_base = context.time_base = self.time_base
            context.options = dict(self.options) or ({"crf": "12"} if self.codec == "libx264" else {})
            if self.color is not None:
                context.color_range, context.colorspace, context.color_primaries, context.color_trc = self.color
            tracks = []
            for number, name in enumerate(self.audio):
                track: Any = container.add_stream(name, rate=48000)
                track.codec_context.layout = "stereo"
                if name == "vorbis":
                    track.codec_context.options = {"strict": "experimental"}
                if number < len(self.languages):
                    track.metadata["language"] = self.languages[number]
                tracks.append(track)
            text: Any = container.add_mux_stream("subrip") if self.subtitles else None
            if text is not None:
                text.time_base = Fraction(1, 1000)
                text.metadata["language"] = "fra"
            if self.setup is not None:
                self.setup(container, video)
            step = round(1 / (self.rate * self.time_base))
            times = list(self.times) if self.times is not None else [i * step for i in range(self.frames)]
            for start, duration, words in self.subtitles:
                packet = av.Packet(words.encode())
                packet.stream, packet.time_base = text, Fraction(1, 1000)
                packet.pts = packet.dts = round(start * 1000)
                packet.duration = round(duration * 1000)
                container.mux(packet)
            for number, track in enumerate(tracks):
                container.mux(
                    _tone(track, 220 * (number + 1), float((times[-1] - times[0]) * self.time_base), self.audio_start)
                )
            lasts = {pts: after - pts for pts, after in itertools.pairwise(times)}

            def put(packets: list[Any]) -> None:
                for packet in packets:
                    packet.stream = video
                    packet.duration = lasts.get(packet.pts, step)
                    container.mux(packet)

            for index, pts in enumerate(times):
                frame = self._frame(index)
                frame.pts, frame.time_base = pts, self.time_base
                put(context.encode(frame))
            put(context.encode(None))
        return self.path

    def _frame(self, index: int) -> Any:
        frame = av.VideoFrame.from_ndarray(scene(index, *self.size), "rgb24")
        if self.pix_fmt in ("rgb24", "bgr0"):
            return frame.reformat(format=self.pix_fmt)
        value_range, space = (self.color[0] or 1, self.color[1]) if self.color else (1, 5)
        return frame.reformat(
            format=self.pix_fmt, dst_color_range=value_range, dst_colorspace=space if space in (1, 5, 9) else 5
        )


def _tone(track: Any, pitch: float, seconds: float, start: float) -> list[Any]:
    context = track.codec_context
    context.open(strict=False)
    size = context.frame_size or 1024
    packets = []
    for number in range(max(1, round(seconds * 48000 / size))):
        at = (np.arange(size) + number * size) / 48000
        wave = 0.3 * np.sin(2 * np.pi * pitch * at)
        if context.format.name == "s16":
            array = np.rint(np.repeat(wave, 2)[None] * 32767).astype(np.int16)
        elif context.format.name == "flt":
            array = np.repeat(wave, 2)[None].astype(np.float32)
        else:
            array = np.stack([wave, wave]).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(array, format=context.format.name, layout="stereo")
        frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
        frame.pts = round(start * 48000) + number * size
        packets += track.encode(frame)
    return packets + track.encode(None)


def decoded(path: Path) -> list[Any]:
    """All pictures of a file's first video stream, as PyAV decodes them."""
    with av.open(str(path), metadata_errors="replace") as container:
        return list(container.decode(container.streams.video[0]))


def rgb_pictures(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """(time in seconds, (H, W, 3) uint8 RGB) of every picture of a file's first video stream."""
    for picture in decoded(path):
        yield float(picture.time), picture.to_ndarray(format="rgb24")


def audio_packets(path: Path) -> list[tuple[str, list[bytes], list[float]]]:
    """(codec, packets, times in seconds) of every audio track."""
    with av.open(str(path), metadata_errors="replace") as container:
        streams = container.streams.audio
        out: dict[int, tuple[str, list[bytes], list[float]]] = {
            s.index: (s.codec_context.codec.canonical_name, [], []) for s in streams
        }
        for packet in container.demux(*streams) if streams else ():
            if packet.size:
                out[packet.stream.index][1].append(bytes(packet))
                out[packet.stream.index][2].append(float(packet.pts * packet.time_base))
        return list(out.values())


def sound_start(path: Path, track: int = 0) -> float:
    """Time in seconds at which the first audible sample of a track is played."""
    with av.open(str(path), metadata_errors="replace") as container:
        for frame in container.decode(container.streams.audio[track]):
            level = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
            if frame.format.name in ("s16", "s16p"):
                level /= 32768
            loud = np.flatnonzero(level > 0.05)
            if loud.size:
                where = loud[0] // (1 if frame.format.is_planar else len(frame.layout.channels))
                return float(frame.time) + where / frame.sample_rate
    raise AssertionError("silent")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
