"""What is measured: networks on engines, at sizes, on a clip; and a rival in the same pipeline."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch

from realtime import pipeline
from realtime.benchmark.johnson import JohnsonEngine, JohnsonNet
from realtime.benchmark.measure import Round, Sink, Subject
from realtime.benchmark.new_process import ProcessRun
from realtime.benchmark.roofline import Work, count_work
from realtime.engines.base import Engine
from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.frames import MAX_SIDE, Frame
from realtime.jobs.video import device_surfaces, painting, pipeline_sizes, restyle_video
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.selection import output_shape
from realtime.media.files.writer import VideoWriter
from realtime.option_fields import read_size
from realtime.options import BenchOptions, Decoder, EngineOptions, StyleOptions, VideoOptions
from realtime.transnet.network import Architecture, TransNet

GENERATED_FPS = 30
_DEFAULT_SIZES = ("640x360", "1280x720")
_SMALLEST = 64
_PROCESS_SECONDS = 2.0
"""Length of the clip that a new process restyles: enough for the first frame and the peak of memory."""

_COUNTED = 64
"""Side of the square frame on which networks' work is counted."""

_ENGINE_OPTIONS = ("backend", "device", "precision", "batch")


# Engines


def engine_choices(options: BenchOptions, *, cuda: bool | None = None) -> list[EngineOptions]:
    """Every combination of the engine options given; else the automatic choice, and every way to a CUDA device.

    `cuda`: whether there is one; None finds out.
    """
    automatic = EngineOptions(threads=options.threads)
    given = {name: values for name in _ENGINE_OPTIONS if (values := getattr(options, name))}
    if given or not (torch.cuda.is_available() if cuda is None else cuda):
        return [automatic.replace(**dict(zip(given, values, strict=True))) for values in product(*given.values())]
    ways = (("torch", "cuda"), ("onnx", "cuda"), ("onnx", "tensorrt"))
    return [automatic, *(automatic.replace(backend=backend, device=device) for backend, device in ways)]


class Contender(NamedTuple):
    """A style in an engine, and the options that led to it."""

    choice: EngineOptions
    painter: FramePainter


def open_contenders(
    style: str,
    choices: Sequence[EngineOptions],
    stack: ExitStack,
    style_options: StyleOptions = StyleOptions(),
) -> tuple[list[Contender], list[dict[str, Any]]]:
    """Open each engine once, however often it was named.

    Args:
        style: a name from the gallery, a path, or a blend.
        choices: engines.
        stack: closes them.
        style_options: how the style's network is made.

    Returns:
        the engines, and those that are not available: what was asked for, and the `reason`.

    Raises:
        InputError: none is available; or the style is not.
    """
    found: dict[tuple[object, ...], Contender] = {}
    skipped: list[dict[str, Any]] = []
    for choice in choices:
        try:
            painter = stack.enter_context(FramePainter(style, choice, style_options))
        except InputError as refused:
            if len(skipped) + 1 == len(choices):
                raise
            asked = {name: getattr(choice, name) for name in _ENGINE_OPTIONS}
            skipped.append({**asked, "reason": str(refused)})
            continue
        key = tuple(getattr(painter.engine, name) for name in _ENGINE_OPTIONS)
        found.setdefault(key, Contender(choice, painter))
    return list(found.values()), skipped


def with_engine(painter: FramePainter, engine: Engine) -> FramePainter:
    """A painter that differs in its engine only."""
    other = copy.copy(painter)
    other.engine = engine
    return other


# Clips


@dataclass(frozen=True)
class Clip:
    """A file to measure on, at one size.

    Attributes:
        path: the file.
        size: (width, height) of the frames that come out of the reader.
        wanted: the size that is asked of the reader; None: the file's own.
        frames: number of frames, about; None where the file does not tell.
        rate: frames per second.
    """

    path: Path
    size: tuple[int, int]
    wanted: str | None
    frames: int | None
    rate: float

    @property
    def reader_size(self) -> int | tuple[int, int] | None:
        """`wanted`, as readers take it."""
        return None if self.wanted is None else read_size(self.wanted)

    def end(self, count: int) -> float | None:
        """The time in seconds before which there are `count` frames; None where there are no more."""
        return None if self.frames is not None and count >= self.frames else (count - 0.5) / self.rate


def clips(options: BenchOptions, folder: Path) -> list[Clip]:
    """The clip at each size. Generated clips are still to be made, in `folder`.

    Raises:
        InputError: a size or the video is wrong.
    """
    if options.video is not None:
        info = probe(options.video)
        rate = float(info.average_rate or GENERATED_FPS)
        found = []
        for wanted in options.size or (None,):
            width, height, _ = output_shape(info, None if wanted is None else read_size(wanted))
            found.append(Clip(options.video, (width, height), wanted, info.frames, rate))
        return found
    sizes = dict.fromkeys(_generated_size(wanted) for wanted in options.size or _DEFAULT_SIZES)
    return [Clip(folder / f"{w}x{h}.mp4", (w, h), None, options.frames, GENERATED_FPS) for w, h in sizes]


def _generated_size(wanted: str) -> tuple[int, int]:
    """(width, height) of a generated clip: 16:9 where only the short side is given."""
    size = read_size(wanted)
    width, height = size if isinstance(size, tuple) else (2 * round(size * 8 / 9), size)
    if width % 2 or height % 2 or min(width, height) < _SMALLEST or max(width, height) > MAX_SIDE:
        raise InputError(f"--size {wanted}: a generated clip has even sides of {_SMALLEST} to {MAX_SIDE} pixels")
    return width, height


# Cases


@dataclass
class Case:
    """One network on one engine at one size, and what was measured of it so far.

    Attributes:
        style: name of the network.
        rival: whether it is there for comparison only.
        size: (width, height).
        subject: what is measured.
        work: of the network for a frame; None where it is another's ONNX file, of which nothing is known.
        command: options of `restyle video` for a new process; None where there are to be none.
        rounds: measurements.
        on_device: seconds per frame of each call that leaves the planes in the device's memory.
        runs: runs in new processes.
        device_memory: most bytes in the device's memory.
    """

    style: str
    rival: bool
    size: tuple[int, int]
    subject: Subject
    work: Work | None = None
    command: Sequence[str] | None = None
    rounds: list[Round] = field(default_factory=list)
    on_device: list[float] = field(default_factory=list)
    runs: list[ProcessRun] = field(default_factory=list)
    device_memory: int = 0

    @property
    def label(self) -> str:
        """One line for people."""
        engine = self.subject.engine
        name = f"{self.size[0]}x{self.size[1]}, {self.style}"
        return f"{name}, {engine.backend} on {engine.device}, {engine.precision}, batch {engine.batch}"


def cases(
    options: BenchOptions,
    style: str,
    style_options: StyleOptions,
    contenders: Sequence[Contender],
    clip: Clip,
    folder: Path,
    stack: ExitStack,
) -> list[Case]:
    """Every contender on a clip; and the rival, once on each device that they use.

    Args:
        options: what was asked for.
        style, style_options: as they were given.
        contenders: the engines.
        clip: what they are measured on.
        folder: for the outputs.
        stack: closes the rivals.
    """
    made = []
    for contender in contenders:
        painter = contender.painter
        work = None if painter.foreign else transnet_work(painter.style.architecture, *clip.size)
        command = _video_options(style, style_options, options, contender.choice, clip) if options.new_process else None
        subject = subject_of(painter, clip, folder, options.encoder)
        made.append(Case(painter.style.name, False, clip.size, subject, work, command))
    if options.against == "johnson":
        for device in dict.fromkeys(case.subject.engine.device for case in made):
            rival = stack.enter_context(JohnsonEngine(device=device, threads=options.threads))
            subject = subject_of(with_engine(contenders[0].painter, rival), clip, folder, options.encoder)
            made.append(Case("johnson", True, clip.size, subject, johnson_work(*clip.size)))
    return made


def subject_of(
    painter: FramePainter, clip: Clip, folder: Path, encoder: str | None, *, decoder: Decoder | None = None
) -> Subject:
    """A painter on a clip, with FFmpeg as its codec; outputs go to `folder`.

    Args:
        painter: the style.
        clip: the input.
        folder: for the outputs.
        encoder: FFmpeg's name, or "auto"; None: frames are thrown away.
        decoder: None: the whole chooses, and alone it is the software decoder.
    """
    surfaces = device_surfaces(painter) if decoder else None

    def open_source(count: int) -> VideoReader:
        return VideoReader(
            clip.path,
            size=clip.reader_size,
            end=clip.end(count),
            decoder=decoder or "software",
            surfaces=surfaces if decoder == "cuda" else None,
        )

    @contextmanager
    def open_sink() -> Iterator[Sink]:
        if encoder is None:
            yield _NullSink()
            return
        with (
            VideoReader(clip.path, size=clip.reader_size) as reader,
            VideoWriter(folder / "encoded.mp4", reader, encoder=encoder, overwrite=True, surfaces=surfaces) as writer,
        ):
            yield writer

    def run_whole(count: int, busy: dict[str, float]) -> int:
        if encoder is None:
            work = painting(painter, VideoOptions(), on_device=decoder == "cuda")
            sizes = pipeline_sizes(painter, large=False)
            with open_source(count) as source:
                return pipeline.run(source, work, _NullSink().write, **sizes, fits=Frame.batches_with).frames_out
        options = VideoOptions(
            size=clip.reader_size, end=clip.end(count), encoder=encoder, decoder=decoder or "auto", overwrite=True
        )
        summary = restyle_video(painter, clip.path, folder / "whole.mp4", options)
        busy.update({name: stage.busy_seconds for name, stage in summary.stages.items()})
        return summary.frames

    return Subject(painter.engine, open_source, open_sink, run_whole)


class _NullSink:
    """Throws frames away."""

    def write(self, frame: Frame) -> None:
        """See `Sink`."""

    def finish(self) -> None:
        """See `Sink`."""


def transnet_work(architecture: Architecture, width: int, height: int) -> Work:
    """A TransNet's work for a frame: counted on a small one, since all of it is proportional to the pixels."""
    work = count_work(TransNet(architecture).eval(), torch.zeros(1, architecture.inputs, _COUNTED // 4, _COUNTED // 4))
    return work.times(width * height / _COUNTED**2)


def johnson_work(width: int, height: int) -> Work:
    """The classic network's work for a frame, counted in the same way."""
    work = count_work(JohnsonNet().eval(), torch.zeros(1, 3, _COUNTED, _COUNTED))
    return work.times(width * height / _COUNTED**2)


def _video_options(
    style: str, style_options: StyleOptions, options: BenchOptions, choice: EngineOptions, clip: Clip
) -> list[str]:
    """Options of `restyle video` that run the same engine on the same frames."""
    values = {"style": style, **style_options.to_json(), "encoder": options.encoder, "size": clip.wanted}
    values |= {name: getattr(choice, name) for name in (*_ENGINE_OPTIONS, "threads")}
    if clip.frames is None or clip.frames / clip.rate > _PROCESS_SECONDS:
        values["end"] = str(_PROCESS_SECONDS)
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]
