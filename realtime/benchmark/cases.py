"""What is measured: networks on engines, at sizes, on a clip; ours, and a rival in the very same pipeline."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path

import torch

from realtime.benchmark.fresh import Fresh
from realtime.benchmark.johnson import JohnsonEngine, JohnsonNet
from realtime.benchmark.measure import Effort, Round, Sink, Subject
from realtime.benchmark.roofline import Work, count_work
from realtime.errors import InputError
from realtime.frames import MAX_SIDE
from realtime.media.files.encoders import check_encoder
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.selection import output_shape
from realtime.media.files.writer import VideoWriter
from realtime.options import Backend, Precision
from realtime.stylizer import Stylizer, parse_size
from realtime.transnet.network import PLANE_CHANNELS, Architecture, TransNet

RIVALS = ("johnson",)
GENERATED_FPS = 30
_DEFAULT_SIZES = ("640x360", "1280x720")
_SMALLEST = 64
_FRESH_SECONDS = 2.0
"""Of the clip that a process of its own restyles: the first frame and the peak of memory come within."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that is asked for, in the words of `Stylizer`."""

    backend: Backend = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    batch: int | None = None


def every_choice(
    backends: Sequence[Backend], devices: Sequence[str], precisions: Sequence[Precision], batches: Sequence[int | None]
) -> list[Choice]:
    """Every combination; with nothing given, the automatic choice."""
    return [
        Choice(*values)
        for values in product(backends or ("auto",), devices or ("auto",), precisions or ("auto",), batches or (None,))
    ]


def default_choices() -> list[Choice]:
    """What is measured where nobody says what: the automatic choice, and beside it every way to a CUDA device."""
    if not torch.cuda.is_available():
        return [Choice()]
    return [
        Choice(),
        Choice("torch", "cuda"),
        Choice("onnx", "cuda"),
        Choice("onnx", "tensorrt"),
    ]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        style: a name from the gallery or a path.
        sizes: each as `parse_size` takes it; none: two common ones, or the video's own.
        video: a file; None: a clip is made for each size.
        choices: engines; those that come to the same are measured once.
        threads: of the network on the CPU.
        encoder: FFmpeg's name of a video encoder, or "auto".
        against: one of `RIVALS`, or None.
        effort: how long.
        fresh: whether to start processes of their own for start-up time and memory.
    """

    style: str
    sizes: Sequence[str] = ()
    video: Path | None = None
    choices: Sequence[Choice] = (Choice(),)
    threads: int | None = None
    encoder: str = "auto"
    against: str | None = None
    effort: Effort = field(default_factory=Effort)
    fresh: bool = True

    def check(self) -> None:
        """Finds out early what can be found out early.

        Raises:
            InputError: a rival or an encoder is not known.
        """
        if self.against is not None and self.against not in RIVALS:
            raise InputError(f"--against {self.against!r}: choose {', '.join(RIVALS)}")
        if self.encoder != "auto":
            check_encoder(self.encoder)

    @property
    def command(self) -> str:
        """The command line that measures the same, without folders and outputs."""
        words = ["restyle bench --style", Path(self.style).name]
        words += [f"--size {size}" for size in self.sizes]
        if self.video is not None:
            words.append(f"--video {self.video.name}")
        by_default = list(self.choices) == default_choices()
        for name in () if by_default else ("backend", "device", "precision", "batch"):
            given = list(dict.fromkeys(getattr(choice, name) for choice in self.choices))
            if given != [getattr(Choice(), name)]:
                words += [f"--{name} {value}" for value in given]
        default = Options(self.style)
        for name in ("threads", "encoder", "against"):
            if (value := getattr(self, name)) != getattr(default, name):
                words.append(f"--{name} {value}")
        for name in ("rounds", "seconds", "frames"):
            if (value := getattr(self.effort, name)) != getattr(default.effort, name):
                words.append(f"--{name} {value:g}")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Contender:
    """A style on an engine, and how it was asked for."""

    choice: Choice
    stylizer: Stylizer


@dataclass(frozen=True, slots=True)
class Skipped:
    """An engine that is not to be had here, and why."""

    choice: Choice
    reason: str


def contenders(options: Options) -> tuple[list[Contender], list[Skipped]]:
    """The engines that are asked for, each once however often it was named, and those that are not to be had.

    Raises:
        InputError: none is to be had; or the style is not.
    """
    found: dict[tuple[str, str, str, int], Contender] = {}
    skipped: list[Skipped] = []
    for choice in options.choices:
        try:
            stylizer = Stylizer(options.style, **asdict(choice), threads=options.threads)
        except InputError as refused:
            if len(skipped) + 1 == len(options.choices):
                raise
            skipped.append(Skipped(choice, str(refused)))
            continue
        engine = stylizer.engine
        key = engine.backend, engine.device, engine.precision, engine.batch
        found.setdefault(key, Contender(choice, stylizer))
    return list(found.values()), skipped


@dataclass(frozen=True)
class Clip:
    """A file to measure on, at one size.

    Attributes:
        path: the file.
        size: (width, height) of the frames that come out of the reader.
        wanted: the size that is asked of the reader, as people write it; None: the file's own.
        frames: how many there are, about; None where the file does not tell.
        rate: frames per second.
    """

    path: Path
    size: tuple[int, int]
    wanted: str | None
    frames: int | None
    rate: float

    @property
    def name(self) -> str:
        """Its size, as people write it."""
        return f"{self.size[0]}x{self.size[1]}"

    def end(self, count: int) -> float | None:
        """The time in seconds at which `count` frames have come; None where there are no more."""
        return None if self.frames is not None and count >= self.frames else (count - 0.5) / self.rate


def clips(options: Options, folder: Path) -> list[Clip]:
    """The clip at each size. Generated ones are still to be made, in `folder`.

    Raises:
        InputError: a size or the video is wrong.
    """
    if options.video is not None:
        info = probe(options.video)
        rate = float(info.average_rate or GENERATED_FPS)
        found = []
        for wanted in options.sizes or (None,):
            width, height, _ = output_shape(info, parse_size(wanted))
            found.append(Clip(options.video, (width, height), wanted, info.frames, rate))
        return found
    shapes = dict.fromkeys(_generated_size(wanted) for wanted in options.sizes or _DEFAULT_SIZES)
    frames = options.effort.frames
    return [Clip(folder / f"{w}x{h}.mp4", (w, h), None, frames, GENERATED_FPS) for w, h in shapes]


def _generated_size(wanted: str) -> tuple[int, int]:
    """(width, height) of a generated clip: 16:9 where only the short side is given."""
    size = parse_size(wanted)
    assert size is not None
    width, height = size if isinstance(size, tuple) else (2 * round(size * 8 / 9), size)
    if width % 2 or height % 2 or min(width, height) < _SMALLEST or max(width, height) > MAX_SIDE:
        raise InputError(f"--size {wanted}: a generated clip has even sides of {_SMALLEST} to {MAX_SIDE} pixels")
    return width, height


@dataclass
class Case:
    """One network on one engine at one size.

    Attributes:
        style: the network's name.
        rival: whether it is there for comparison only.
        size: (width, height).
        subject: what is measured.
        work: of the network for a frame; None where it is another's ONNX file, of which nothing is known.
        fresh: options for a process of its own; None where there is no command for it.
        rounds: readings so far.
        runs: processes of its own so far.
        device_memory: most bytes on the device so far.
    """

    style: str
    rival: bool
    size: tuple[int, int]
    subject: Subject
    work: Work | None
    fresh: Sequence[str] | None
    rounds: list[Round] = field(default_factory=list)
    runs: list[Fresh] = field(default_factory=list)
    device_memory: int = 0

    @property
    def label(self) -> str:
        """One line for people."""
        engine = self.subject.engine
        name = f"{self.size[0]}x{self.size[1]}, {self.style}"
        return f"{name}, {engine.backend} on {engine.device}, {engine.precision}, batch {engine.batch}"


def cases(options: Options, found: Sequence[Contender], clip: Clip, folder: Path) -> list[Case]:
    """Every contender on a clip; and the rival, once on each device that they use."""
    made = []
    for contender in found:
        stylizer = contender.stylizer
        subject = subject_of(stylizer, clip, folder, options.encoder)
        work = None if stylizer.foreign else transnet_work(stylizer.style.architecture, *clip.size)
        fresh = _video_options(options, contender.choice, clip) if options.fresh else None
        made.append(Case(stylizer.style.name, False, clip.size, subject, work, fresh))
    if options.against == "johnson":
        for device in dict.fromkeys(case.subject.engine.device for case in made):
            rival = copy.copy(found[0].stylizer)
            rival.engine = JohnsonEngine(device=device, threads=options.threads)
            subject = subject_of(rival, clip, folder, options.encoder)
            made.append(Case("johnson", True, clip.size, subject, johnson_work(*clip.size), None))
    return made


def subject_of(stylizer: Stylizer, clip: Clip, folder: Path, encoder: str) -> Subject:
    """A stylizer on a clip, with FFmpeg as its codec; outputs go to `folder`."""
    size = parse_size(clip.wanted)

    def open_source(count: int) -> VideoReader:
        return VideoReader(clip.path, size=size, end=clip.end(count))

    @contextmanager
    def open_sink() -> Iterator[Sink]:
        with (
            VideoReader(clip.path, size=size) as reader,
            VideoWriter(folder / "encoded.mp4", reader, encoder=encoder, overwrite=True) as writer,
        ):
            yield writer

    def run_whole(count: int) -> tuple[int, Mapping[str, float]]:
        output = folder / "whole.mp4"
        summary = stylizer.video(clip.path, output, size=size, end=clip.end(count), encoder=encoder, overwrite=True)
        return summary["frames"], {name: stage["busy_seconds"] for name, stage in summary["stages"].items()}

    return Subject(stylizer.engine, open_source, open_sink, run_whole)


def transnet_work(architecture: Architecture, width: int, height: int) -> Work:
    """What a TransNet must do for a frame: counted on a small one, as all of it grows with the number of pixels."""
    side = 128
    network = TransNet(architecture).eval()
    work = count_work(network, torch.zeros(1, PLANE_CHANNELS, side // 4, side // 4))
    return work.times(width * height / side**2)


def johnson_work(width: int, height: int) -> Work:
    """The same of the classic network, counted without computing it."""
    with torch.device("meta"):
        return count_work(JohnsonNet().eval(), torch.empty(1, 3, height, width))


def _video_options(options: Options, choice: Choice, clip: Clip) -> list[str]:
    """Options of `restyle video` that run the same engine on the same frames."""
    given = ["--style", str(options.style), "--backend", choice.backend, "--device", choice.device]
    given += ["--precision", choice.precision, "--encoder", options.encoder]
    if choice.batch is not None:
        given += ["--batch", str(choice.batch)]
    if options.threads is not None:
        given += ["--threads", str(options.threads)]
    if clip.wanted is not None:
        given += ["--size", clip.wanted]
    if clip.frames is None or clip.frames / clip.rate > _FRESH_SECONDS:
        given += ["--end", str(_FRESH_SECONDS)]
    return given
