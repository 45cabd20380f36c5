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
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

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
    if isinstance(value, Summary):
        return value.to_json()
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


# Training, painting, evaluation


@dataclass(frozen=True)
class TrainProgress:
    """How far a training run is.

    Attributes:
        step, steps: done, and of the whole run.
        seconds_left: estimated from the pace of this call.
        losses: running means by name, unweighted.
    """

    step: int
    steps: int
    seconds_left: float
    losses: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class TrainSummary(Summary):
    """A call of a training run.

    Attributes:
        output: the checkpoint.
        steps: done, of the whole run.
        finished: whether these are all.
        interrupted: whether a signal ended the call.
        device, precision: of the training; precision by Lightning's name.
        processes: that train together.
        seconds: wall-clock time of this call.
        losses: running means by name, unweighted.
    """

    output: str
    steps: int
    finished: bool
    interrupted: bool
    device: str
    processes: int
    precision: str
    seconds: float
    losses: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class LearnSummary(Summary):
    """A checkpoint of a painting's own.

    Attributes:
        painting, output: the files.
        seconds: wall-clock time, of all calls where it was resumed.
        steps: of the polish so far.
        finished: whether the checkpoint is written; if not, the state is kept.
        interrupted: whether a signal ended the call.
        device: of the polish.
    """

    painting: str
    output: str
    seconds: float
    steps: int
    finished: bool
    interrupted: bool
    device: str


@dataclass(frozen=True)
class AnyTrainProgress:
    """How far a run of the trainer for any painting is.

    Attributes:
        step: done.
        share: of the whole run that is done, 0 to 1.
        seconds_left: what is left of the time, or of the steps at the pace of this call.
        steps_per_second: of this call.
        losses: running means by name, unweighted.
    """

    step: int
    share: float
    seconds_left: float
    steps_per_second: float
    losses: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class AnyTrainSummary(Summary):
    """A call of a run of the trainer for any painting.

    Attributes:
        output: the network.
        preview: the latest sheet.
        steps: done, of the whole run.
        skipped: steps whose gradient was not finite; they changed nothing.
        finished: whether the run is at its end.
        interrupted: whether a signal ended the call.
        device, precision: of the training; precision is fp32 or bf16.
        graph: whether the step ran as a CUDA graph.
        processes: that train together.
        paintings, photographs: squares and pictures that were trained on.
        held_out: names of files that were left out, each with the name of the painting that it shows.
        seconds: of training, of the whole run.
        steps_per_second: of this call.
        losses: running means by name, unweighted.
    """

    output: str
    preview: str
    steps: int
    skipped: int
    finished: bool
    interrupted: bool
    device: str
    precision: str
    graph: bool
    processes: int
    paintings: int
    photographs: int
    held_out: tuple[tuple[str, str], ...]
    seconds: float
    steps_per_second: float
    losses: dict[str, float]


@dataclass(frozen=True)
class PaintingProgress:
    """How far a painting by optimisation is.

    Attributes:
        frame, frames: of a clip, from 1; frames is None where the source does not tell. 1 of 1 for a still.
        size: (width, height) of the current scale.
        step, steps: done, and of this scale.
        losses: by name, unweighted, and their weighted "total".
        share: of the still, or of the frame, that is done, 0 to 1.
        seconds: since the start.
    """

    frame: int
    frames: int | None
    size: tuple[int, int]
    step: int
    steps: int
    losses: dict[str, float]
    share: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ScaleSummary(Summary):
    """One scale of a painting.

    Attributes:
        size: (width, height).
        steps: of the optimiser.
        first, last: losses before the first step and after the last one: unweighted, and their weighted "total".
    """

    size: tuple[int, int]
    steps: int
    first: dict[str, float]
    last: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class PaintingScores(Summary):
    """Scores of a painting by the definitions of `Scores`; of several paintings means by their shares.

    Attributes:
        content, style, local, layers: means over the frames of a clip.
        style_scale: of the first painting; None for clips.
    """

    content: float
    style: float
    local: float
    layers: tuple[float, ...]
    style_scale: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The attributes, rounded to five decimals."""
        return {name: _rounded(value, "{:.5f}") for name, value in super().to_json().items()}


@dataclass(frozen=True, kw_only=True)
class PaintingSummary(Summary):
    """A still painted by optimisation.

    Attributes:
        content, style, output: the files.
        preset, loss_network, optimizer: of the method.
        size: (width, height) of the output.
        steps: of all scales.
        seconds: wall-clock time since the loss network was loaded.
        losses: "first" and "last" of the last scale, see `ScaleSummary`. Of a clip the first frame's before its first
            step, and means over all frames after their last one.
        scales: each scale; empty for clips.
        scores: None without VGG-19.
        device, precision: of the loss network.
        notes, warnings: what the user should know.
    """

    content: str
    style: tuple[str, ...]
    output: str
    preset: str
    loss_network: str
    optimizer: str
    size: tuple[int, int]
    steps: int
    seconds: float
    losses: dict[str, dict[str, float]]
    scales: tuple[ScaleSummary, ...] = ()
    scores: PaintingScores | None
    device: str
    precision: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PaintedClipSummary(PaintingSummary):
    """A clip painted by optimisation.

    Attributes:
        frames, fps: in the output, and painted per second.
        cuts: scenes after the first.
        encoder, audio_streams, copied, converted, dropped: see `VideoSummary`.
    """

    frames: int
    fps: float
    cuts: int
    encoder: str
    audio_streams: int
    copied: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scores(Summary):
    """How a style scores. Less is better everywhere.

    Attributes:
        images: pictures measured.
        content: mean square error at relu4_1 over the variance of the source's relu4_1; mean over pictures.
        style: mean of `layers`.
        layers: |G_out - G_style|^2 / |G_style|^2 at relu1_1, relu2_1, relu3_1, relu4_1; G are Gram matrices over
            the whole picture; mean over pictures, at `style_scale`.
        local: the same error as `style`, over tiles of 128 px: low only if the style is everywhere.
        style_scale: short side of the painting, of those in `realtime.perception.scores`, at which `style` is least.
        tv: total variation: mean square difference of neighbouring pixels (0..1), across plus down; mean over pictures.
        grid: ratio of the luma spectrum's power at periods of 2, 8/3, 4 and 8 pixels to that around them (about 1: no
            grid); median over pictures.
        e_warp: sqrt(mean of |O_t - warp(O_t-1)|^2) over the pixels of a clip that are visible in both frames, 0..1;
            None without a clip.
        static: the same over the pixels that do not move; None where there are hardly any.
        pairs: pairs of frames measured.
        macs_per_pixel: multiply-accumulates for one luma pixel.
        params: trained values of the network.
        untouched: style, layers, local (at `style_scale`), grid and e_warp of the sources themselves.
    """

    images: int
    content: float
    style: float
    layers: tuple[float, ...]
    local: float
    style_scale: int
    tv: float
    grid: float
    e_warp: float | None
    static: float | None
    pairs: int
    macs_per_pixel: float
    params: int
    untouched: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The attributes, rounded to five significant digits."""
        return {name: _rounded(value, "{:.5g}") for name, value in super().to_json().items()}


def _rounded(value: Any, form: str) -> Any:
    """JSON values with every floating-point number rounded as `form` writes it."""
    if isinstance(value, dict):
        return {name: _rounded(part, form) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part, form) for part in value]
    return float(form.format(value)) if isinstance(value, float) else value
