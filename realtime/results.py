"""What the jobs return, declared once: Python reads the attributes, `--json` prints `to_json()`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        frames: written so far.
        total: estimated number of all frames; None where the source does not tell.
        seconds: since the start.
    """

    frames: int
    total: int | None
    seconds: float

    @property
    def fps(self) -> float:
        """Frames written per second since the start."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


class Summary:
    """Base of the results."""

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON holds them."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        restored: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if "stages" in values:
            restored["stages"] = {name: StageSummary(**stage) for name, stage in values["stages"].items()}
        return cls(**restored)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]  # every subclass is a dataclass


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class StageSummary(Summary):
    """What one stage of the pipeline took.

    Attributes:
        busy_seconds: wall-clock time inside the stage, waiting left out.
        fps: frames per busy second.
    """

    busy_seconds: float = 0.0
    fps: float = 0.0


@dataclass(frozen=True, kw_only=True)
class VideoSummary(Summary):
    """A restyled video.

    Attributes:
        input, output: the files.
        style: name of the style.
        status: "skipped" where the output existed and `skip_existing` was given.
        frames: in the output.
        seconds: wall-clock time of the whole run.
        fps: frames / seconds.
        backend, device, precision: of the engine.
        decoder: "software" or "cuda".
        encoder: FFmpeg's name of the video encoder.
        audio_streams: in the output.
        working_size: "WIDTHxHEIGHT" at which the network worked.
        stages: by name: "decode", "infer", "encode".
        copied, converted, dropped: what became of the source's other streams and of its metadata, in words.
        notes, warnings: what the user should know.
        resumed: frames that an earlier run had made.
        parts: parts that were painted by several devices.
    """

    input: str
    output: str
    style: str
    status: Literal["done", "skipped"] = "done"
    frames: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    backend: str = ""
    device: str = ""
    precision: str = ""
    decoder: str = ""
    encoder: str = ""
    audio_streams: int = 0
    working_size: str = ""
    stages: dict[str, StageSummary] = field(default_factory=dict)
    copied: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    resumed: int = 0
    skipped: bool = False
    parts: int = 1


@dataclass(frozen=True, kw_only=True)
class PartSummary(Summary):
    """One part of a video that several processes share; see `VideoSummary` for the attributes.

    Attributes:
        frames: painted.
        stages: `busy_seconds` is not rounded.
    """

    frames: int
    stages: dict[str, StageSummary]
    decoder: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FailedVideo(Summary):
    """A video of several that could not be restyled.

    Attributes:
        input, output: the files.
        error: the reason in one line.
    """

    input: str
    output: str
    error: str
    status: Literal["failed"] = "failed"
    frames: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchSummary(Summary):
    """Several videos.

    Attributes:
        output: the folder.
        style: name of the style.
        videos: a summary for each file.
        done, skipped, failed: numbers of files.
        frames, seconds, fps: of all together.
        backend, device, precision: of the engine.
    """

    output: str
    style: str
    videos: tuple[VideoSummary | FailedVideo, ...]
    done: int
    skipped: int
    failed: int
    frames: int
    seconds: float
    fps: float
    backend: str
    device: str
    precision: str


@dataclass(frozen=True, kw_only=True)
class PicturesSummary(Summary):
    """Restyled pictures.

    Attributes:
        output: the file or folder.
        style: name of the style.
        images: pictures that were restyled.
        failed: pictures that were not.
        seconds, fps: wall-clock time, and pictures per second.
        backend, device, precision: of the engine.
        notes: what was converted, and what a format could not hold.
        warnings: why pictures were left out.
    """

    output: str
    style: str
    images: int
    failed: int
    seconds: float
    fps: float
    backend: str
    device: str
    precision: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Latency(Summary):
    """Milliseconds from a picture's capture to its being shown: percentiles of the run, and of its first and last
    quarter."""

    p50: float
    p95: float
    p99: float
    first_quarter_p99: float
    last_quarter_p99: float


@dataclass(frozen=True, kw_only=True)
class LiveSummary(Summary):
    """A run of the live filter.

    Attributes:
        source: what was captured, in words.
        style: name of the last style; `styles` those on the keys.
        frames_in, frames_out, dropped: pictures captured, shown, and left out.
        seconds, fps: from the first to the last picture shown.
        latency_ms: from capture to display.
        first_picture_seconds: from the start of the command to the first picture shown; None where none was.
        backend, device, precision: of the engine.
        size, working_size: "WIDTHxHEIGHT" of the pictures, and of the network's at the end.
        size_changes: how often the latter changed.
        camera_fps: rate of the source.
        reconnects: how often a lost source came back.
        recordings: files that were recorded.
        snapshots: number of pictures saved.
        virtual_camera: its device; None without one.
        end: why the run ended.
        notes, warnings: what the user should know.
    """

    source: str
    style: str
    styles: tuple[str, ...]
    frames_in: int
    frames_out: int
    dropped: int
    seconds: float
    fps: float
    latency_ms: Latency
    first_picture_seconds: float | None
    backend: str
    device: str
    precision: str
    size: str
    working_size: str
    size_changes: int
    camera_fps: float
    reconnects: int
    recordings: tuple[Any, ...]
    snapshots: int
    virtual_camera: str | None
    end: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
