"""Every option of every job, declared once.

A job's options are a frozen dataclass. Each field carries its default, its range or choices, its help text and the
group in which the help lists it (see `realtime.option_fields`). The command line's options, Python's keyword arguments,
what worker processes are sent and the tables in docs/options.md are all made from these declarations. A rule that holds
between options is checked in one place: `check` of the class.

This module imports nothing heavy, so that `restyle --help` stays quick.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

from realtime.option_fields import (
    PROVIDERS,
    OptionError,
    Options,
    group,
    read_device,
    read_devices,
    read_numbers,
    read_size,
    read_time,
    read_whole_numbers,
    read_width_height,
)

Backend = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
Hdr = Literal["tonemap", "error"]
Decoder = Literal["auto", "software", "cuda"]
ExportPrecision = Literal["fp32", "fp16", "int8"]
LossNetworkName = Literal["vgg19", "mobilenet", "squeezenet"]
Norm = Literal["instance", "blocks", "batch", "none"]
Cell = Literal[4, 8]
Preset = Literal["gatys", "guide", "keras", "five-layer"]
Optimizer = Literal["adam", "lbfgs"]
Init = Literal["content", "noise"]
GramNormalisation = Literal["gatys", "chw", "pixels", "relative"]
ContentNormalisation = Literal["gatys", "mean", "variance"]


# Groups, as the help shows them

_picture = group("Picture")
_engine = group("Engine")
_output = group("Output")
_messages = group("Messages")
_source = group("Source")
_window = group("Window")
_end = group("End")
_contact_sheet = group("Contact sheet")
_network = group("Network")
_clip = group("Clip")
_measurement = group("Measurement")
_losses = group("Losses")
_device = group("Device")
_files = group("Files")
_run = group("Run")
_crops = group("Crops")
_painting = group("Painting")
_any_painting = group("Any painting")
_method = group("Method")
_clips = group("Clips")


# Parts of the jobs' options


@dataclass(frozen=True, kw_only=True)
class PaintOptions(Options):
    """How a frame is painted: what every command that paints takes, and every engine is given with the frames."""

    strength: float = _picture(
        1.0, "Mix with the source: 0 is the source, 1 the painting.", minimum=0, maximum=1, metavar="0..1"
    )
    keep_color: bool = _picture(False, "Keep the source's colours; restyle brightness only.")
    texture: float = _picture(
        1.0,
        "Paint in plain areas such as skies and walls. For networks with a texture plane: those made from a picture.",
        minimum=0,
        maximum=1,
        metavar="0..1",
    )


@dataclass(frozen=True, kw_only=True)
class StyleOptions(Options):
    """How a network is made from a picture or from a blend. Networks that are made already have no such inputs."""

    paint: float | None = _picture(
        None,
        "How much the painting overrules the source's forms; for a picture or a blend as STYLE.",
        minimum=0,
        maximum=1,
        metavar="0..1",
        shown_default="0.5",
    )
    stroke: float | None = _picture(
        None,
        "Size of the strokes; for a picture or a blend as STYLE.",
        minimum=0.5,
        maximum=2,
        metavar="0.5..2",
        shown_default="1",
    )

    @property
    def given(self) -> bool:
        """Whether one of them was given."""
        return self.paint is not None or self.stroke is not None


@dataclass(frozen=True, kw_only=True)
class EngineOptions(Options):
    """What runs the network, and how."""

    backend: Backend = _engine("auto", "What runs the network; auto takes the fastest, by a measurement that is kept.")
    device: str = _engine("auto", f"auto, cpu, cuda, cuda:N or mps; {PROVIDERS}.", metavar="DEVICE", read=read_device)
    precision: Precision = _engine("auto", "Number format of the network.")
    batch: int | None = _engine(
        None, "Frames at once through the network.", minimum=1, metavar="N", shown_default="auto"
    )
    threads: int | None = _engine(None, "CPU threads of the network.", minimum=1, metavar="N", shown_default="auto")
    allow_int8: bool = _engine(
        True, "Precision auto may choose int8. Off for stills and for measuring a style.", python_only=True
    )


@dataclass(frozen=True, kw_only=True)
class OverwriteOption(Options):
    """Base of the options of jobs that write a file."""

    overwrite: bool = _output(False, "Replace the output where it exists.")


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(Options):
    """Base of the options of jobs that encode video."""

    encoder: str = _output("auto", "Video encoder; `restyle doctor` lists those there are.", metavar="auto|NAME")
    quality: float | None = _output(
        None, "The encoder's CRF or CQ: lower is better and larger.", metavar="N", shown_default="the encoder's own"
    )


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions(Options):
    """What a command prints. Only the command line has these."""

    json: bool = _messages(False, "Print one JSON object as the last line of stdout.")
    quiet: bool = _messages(False, "Print nothing but warnings and errors.", flags=("--quiet", "-q"))
    debug: bool = _messages(False, "Show a traceback when something fails.")


# Films, pictures, cameras


@dataclass(frozen=True, kw_only=True)
class MultiDeviceOptions(EngineOptions):
    """Engine options of a job that several devices can share."""

    device: str = _engine(
        "auto",
        f"auto, cpu, cuda, cuda:N or mps; several with commas, or all GPUs: an engine on each; {PROVIDERS}.",
        metavar="DEVICE[,...]",
        read=read_devices,
    )


@dataclass(frozen=True, kw_only=True)
class SizeOption(Options):
    """Base of the options of jobs whose output can have another size than the source."""

    size: int | tuple[int, int] | None = _picture(
        None,
        "Output's short side, or width x height.",
        metavar="SHORT|WxH",
        read=read_size,
        shown_default="as the source",
    )


@dataclass(frozen=True, kw_only=True)
class TimeRangeOptions(Options):
    """Base of the options of jobs that read a part of a video."""

    start: float | None = _source(
        None, "Begin here: seconds or [HH:]MM:SS.", metavar="TIME", read=read_time, shown_default="the beginning"
    )
    end: float | None = _source(None, "Stop before this time.", metavar="TIME", read=read_time, shown_default="the end")


@dataclass(frozen=True, kw_only=True)
class VideoOptions(OverwriteOption, EncoderOptions, TimeRangeOptions, SizeOption, PaintOptions):
    """Options of restyling a video file."""

    compare: bool = _picture(False, "Show the source beside the result.")
    hdr: Hdr = _source("tonemap", "HDR (PQ, HLG): make it SDR in bt709, or refuse it.")
    decoder: Decoder = _source("auto", "Where video is decoded; cuda: on the GPU that paints, and frames stay there.")
    resume: bool = _output(False, "Keep what is done beside the output, and go on from there the next time.")
    skip_existing: bool = _output(False, "Leave out what has been restyled: its output exists.")


@dataclass(frozen=True, kw_only=True)
class TimelineOption(Options):
    """Which styles a film has, and when; in the place of one style."""

    timeline: str | None = _picture(
        None,
        "Styles and their times, in the place of --style: '0:00 great-wave, 0:12 my.jpg, morph 2', or a file of such.",
        metavar="FILE|TEXT",
        shown_default="one style",
    )


@dataclass(frozen=True, kw_only=True)
class ImageOptions(OverwriteOption, SizeOption, PaintOptions):
    """Options of restyling pictures."""


@dataclass(frozen=True, kw_only=True)
class LiveOptions(OverwriteOption, EncoderOptions, SizeOption, PaintOptions):
    """Options of the live filter."""

    camera: str = _source(
        "0",
        "A camera's number or device, screen, a URL (rtsp, http, udp, tcp, ...), a file, or FORMAT:SOURCE.",
        metavar="SOURCE",
        flags=("--camera", "-c"),
    )
    rate: float | None = _source(
        None, "Frame rate to ask the camera for.", minimum=1, maximum=1000, metavar="FPS", shown_default="the camera's"
    )
    camera_option: tuple[str, ...] = _source((), "Option of FFmpeg's input; repeatable.", metavar="KEY=VALUE")
    reconnect: float = _source(30.0, "Seconds for which a lost camera or stream is looked for.", minimum=0, metavar="S")
    mirror: bool = _picture(False, "Exchange left and right.")
    split: bool = _picture(False, "Begin with the camera beside the style.")
    hold: float = _picture(0.0, "Hold still areas against flicker; 0 is off.", minimum=0, maximum=16, metavar="0..16")
    record: Path | None = _output(None, "Record; the file can be played after a crash, too.", metavar="FILE")
    sound: str = _output(
        "auto", "Sound of recordings; auto: the source's own, else a microphone's.", metavar="auto|off|DEVICE"
    )
    folder: Path = _output(Path("."), "Where snapshots and recordings by key go.", metavar="DIR")
    virtual_camera: bool = _output(False, "Be a camera for other programs, too (needs pyvirtualcam).")
    virtual_camera_device: str | None = _output(
        None, "Which virtual camera.", metavar="NAME", shown_default="the first"
    )
    headless: bool = _window(False, "Without a window.")
    full_screen: bool = _window(False, "Begin with the whole screen.")
    no_overlay: bool = _window(False, "Begin without text on the picture.")
    frames: int | None = _end(None, "End after this many pictures.", minimum=1, metavar="N", shown_default="no limit")
    seconds: float | None = _end(None, "End after this many seconds.", above=0, metavar="S", shown_default="no limit")

    def check(self) -> None:
        """Options of FFmpeg's input are pairs."""
        for pair in self.camera_option:
            if "=" not in pair.strip("="):
                raise OptionError("camera_option", f"{pair!r} is not KEY=VALUE, such as framerate=60")


@dataclass(frozen=True, kw_only=True)
class DemoOptions(OverwriteOption):
    """Options of the demonstration."""

    seconds: float = _source(4.0, "Length of the clip.", minimum=0.1, maximum=600, metavar="S")
    size: tuple[int, int] = _source("640x360", "Size of the clip.", metavar="WxH", read=read_width_height)
    compare: bool = _picture(False, "Show the source beside the result.")


@dataclass(frozen=True, kw_only=True)
class StylesOptions(OverwriteOption):
    """Options of listing the gallery."""

    sheet: Path | None = _contact_sheet(None, "Write a picture of --input in every style there.", metavar="OUT")
    input: Path | None = _contact_sheet(None, "The picture for the sheet.", metavar="PICTURE")
    width: int = _contact_sheet(480, "Of one picture in the sheet, in pixels.", minimum=64, metavar="PX")
    columns: int | None = _contact_sheet(None, "Of the sheet.", minimum=1, metavar="N", shown_default="about square")

    def check(self) -> None:
        """A sheet needs a picture, and a picture is for a sheet."""
        if (self.sheet is None) != (self.input is None):
            raise OptionError("sheet", "--sheet and --input belong together: where to write, and which picture to show")


# Export


@dataclass(frozen=True, kw_only=True)
class ExportOptions(OverwriteOption):
    """Options of exporting a style to ONNX."""

    input: Literal["rgb", "planes"] = _network(
        "planes", "What goes in and out: 8-bit 4:2:0 planes, or RGB floats in 0..1."
    )
    uint8: bool = _network(False, "RGB in 0..255 instead of floats.")
    precision: ExportPrecision = _network("fp32", "Of weights and what is computed; int8 is for CPUs.")
    calibration: Path | None = _network(
        None, "Pictures that int8 is fitted to.", metavar="DIR", shown_default="generated ones"
    )
    static: tuple[int, int] | None = _network(
        None,
        "One picture of this size at a time.",
        metavar="WxH",
        read=read_width_height,
        shown_default="any size and number",
    )
    opset: int | None = _network(None, "Version of ONNX's operators.", metavar="N", shown_default="13")
    licence: str | None = _network(
        None, "Of the style, for the file's metadata.", metavar="TEXT", shown_default="the gallery's"
    )

    def check(self) -> None:
        """Some options need others."""
        if self.uint8 and self.input == "planes":
            raise OptionError("uint8", "is for --input rgb; planes are always uint8")
        if self.calibration is not None and self.precision != "int8":
            raise OptionError("calibration", f"is for precision int8, not {self.precision}")


# Benchmark


@dataclass(frozen=True, kw_only=True)
class BenchOptions(OverwriteOption):
    """Options of the benchmark. Every combination of the sizes and engines given is measured."""

    size: tuple[str, ...] = _clip(
        (),
        "Size to measure; repeatable.",
        metavar="SHORT|WxH",
        shown_default="640x360 and 1280x720; with --video its own",
    )
    video: Path | None = _clip(None, "Measure on this clip.", metavar="FILE", shown_default="a generated one")
    encoder: str = _clip("auto", "Video encoder.", metavar="auto|NAME")
    against: Literal["johnson"] | None = _measurement(
        None, "Compare with the classic network (Johnson et al. 2016, PyTorch, fp32).", shown_default="nothing"
    )
    rounds: int = _measurement(5, "Times that everything is measured.", minimum=1, metavar="N")
    seconds: float = _measurement(4.0, "Approximate length of one measurement of the whole.", minimum=0.1, metavar="S")
    frames: int = _measurement(240, "Most frames of one measurement of the whole.", minimum=8, metavar="N")
    new_process: bool = _measurement(
        True, "Also start processes of their own, to measure start-up time and memory.", python_only=True
    )
    gpu_report: bool = _measurement(
        False, "Check the CUDA engine instead; --output may be a folder. Exit code 1: a check failed."
    )
    output: tuple[Path, ...] = _output((), "Write the result to a .json, .md or .png file; repeatable.", metavar="FILE")
    backend: tuple[Backend, ...] = _engine((), "What runs the network; repeatable.", shown_default="auto")
    device: tuple[str, ...] = _engine(
        (), f"auto, cpu, cuda, cuda:N or mps; repeatable; {PROVIDERS}.", metavar="DEVICE", shown_default="auto"
    )
    precision: tuple[Precision, ...] = _engine((), "Number format of the network; repeatable.", shown_default="auto")
    batch: tuple[int, ...] = _engine(
        (), "Frames at once through the network; repeatable.", minimum=1, metavar="N", shown_default="auto"
    )
    threads: int | None = _engine(None, "CPU threads of the network.", minimum=1, metavar="N", shown_default="auto")

    def check(self) -> None:
        """Sizes and devices have the form of one; a GPU report is on CUDA devices."""
        readers: dict[str, Callable[[str], object]] = {"size": read_size, "device": read_device}
        for name, read in readers.items():
            for value in getattr(self, name):
                try:
                    read(value)
                except ValueError as error:
                    raise OptionError(name, str(error)) from None
        if self.gpu_report and any(device.partition(":")[0] not in ("auto", "cuda") for device in self.device):
            raise OptionError("gpu_report", "the report is on CUDA devices: --device cuda or cuda:N")


# Training


@dataclass(frozen=True, kw_only=True)
class LossNetworkOptions(Options):
    """Base of the options of jobs that compare pictures by a loss network."""

    loss_network: LossNetworkName = _losses("vgg19", "Loss network; the light ones are faster and coarser.")
    features: Path | None = _losses(None, "Weights of the loss network.", metavar="FILE", shown_default="torchvision's")
    grad_checkpoint: bool = _device(False, "Less memory, a third slower.")


@dataclass(frozen=True, kw_only=True)
class TorchOptions(Options):
    """Base of the options of jobs that compute gradients in PyTorch."""

    device: str = _device("auto", "auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE", read=read_device)
    threads: int | None = _device(None, "CPU threads.", minimum=1, metavar="N", shown_default="auto")


@dataclass(frozen=True, kw_only=True)
class TrainFiles(OverwriteOption):
    """What a training run reads and writes beside its painting: the files of a new run, or the run to resume."""

    content: Path | None = _files(None, "Folder of pictures to learn on, searched with its subfolders.", metavar="DIR")
    output: Path | None = _files(None, "The .safetensors file to write.", metavar="FILE", flags=("--output", "-o"))
    resume: Path | None = _files(
        None,
        "Continue the run that writes this file. Its options are stored beside it and need not be given again.",
        metavar="FILE",
    )

    def check(self) -> None:
        """A new run needs content and output; a resumed one writes the file that it is named by."""
        if self.resume is not None and self.output is not None:
            raise OptionError("output", "cannot be given with --resume, which names the file to write")
        for name in ("content", "output"):
            if self.resume is None and getattr(self, name) is None:
                raise OptionError(name, "a new run needs it; --resume FILE continues an old one")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(TorchOptions):
    """Base of the options of both trainers."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = _device("auto", "Number format of the training.")
    seed: int = _run(0, "Seed of all random numbers.", metavar="N")
    learning_rate: float = _run(1e-3, "Highest learning rate.", above=0, metavar="LR")

    gamut: float = _losses(10.0, "Weight of values outside 0..1.", minimum=0, metavar="W")

    width: int | None = _network(
        None, "Channels at 1/4 size.", minimum=1, metavar="N", shown_default="that of the start, or the usual network's"
    )
    body: int | None = _network(
        None, "Channels of the body.", minimum=1, metavar="N", shown_default="that of the start, or the usual network's"
    )
    dilations: tuple[int, ...] | None = _network(
        None,
        "One residual block for each.",
        metavar="A,B,...",
        read=read_whole_numbers,
        shown_default="that of the start, or the usual network's",
    )


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainingOptions, LossNetworkOptions):
    """Options of training a network for one painting. docs/training.md explains the losses.

    Every loss is normalised, so that a weight means the same for any painting and any loss network. Weights of layers
    are divided by their sum; the layers are relu1_1, relu2_1, relu3_1, relu4_1, or the four taps of another loss
    network.
    """

    steps: int = _run(10000, "Steps of the whole run.", minimum=1, metavar="N")
    start: str | None = _run(
        None, "Trained style to start from, as large or smaller.", metavar="STYLE", flags=("--from",)
    )
    until: int | None = _run(
        None, "Stop after this step; --resume continues.", minimum=1, metavar="STEP", shown_default="the last step"
    )
    minutes: float | None = _run(
        None, "Stop after this time; --resume continues.", minimum=0, metavar="N", shown_default="no limit"
    )
    batch: int = _run(2, "Pictures at once, on each device.", minimum=1, metavar="N")
    accumulate: int = _run(1, "Batches in one step.", minimum=1, metavar="N")
    freeze_norm: float = _run(
        0.6, "Part of the run after which batch norms are constants.", minimum=0, maximum=1, metavar="0..1"
    )
    log_dir: Path | None = _run(None, "Write logs for TensorBoard there.", metavar="DIR")

    content_weight: float = _losses(1.0, "Weight of the content.", minimum=0, metavar="W")
    content_layers: tuple[float, ...] = _losses(
        "0,0,0,1", "Content weights of relu1_1, relu2_1, relu3_1, relu4_1.", metavar="A,B,C,D", read=read_numbers
    )
    style_weight: float = _losses(4.0, "Weight of the style.", minimum=0, metavar="W")
    layer_weights: tuple[float, ...] = _losses(
        "1,1,2,3", "Style weights of the same layers.", metavar="A,B,C,D", read=read_numbers
    )
    style_ramp: float = _losses(
        0.0, "Part of the run in which the style's weight grows.", minimum=0, maximum=1, metavar="0..1"
    )
    style_pool: int = _losses(1, "Crops that share one Gram matrix.", minimum=1, metavar="N")
    style_size: int = _losses(384, "Short side of the painting.", minimum=64, metavar="PX")
    local_style: float = _losses(0.0, "Weight of the style in each tile of 128 px.", minimum=0, metavar="W")
    tile: float = _losses(
        0.0,
        "Weight of relu3_1's style in each tile of 64 px: strokes in plain areas.",
        minimum=0,
        metavar="W",
        shown_default="0, with --any 0.2",
    )
    swd: float = _losses(
        0.0,
        "Weight of the sliced Wasserstein distance of relu2_1, relu3_1 and relu4_1.",
        minimum=0,
        metavar="W",
        shown_default="0, with --any 0.3",
    )
    palette: float = _losses(
        0.0, "Weight of the distance between the colours.", minimum=0, metavar="W", shown_default="0, with --any 0.2"
    )
    tv: float = _losses(0.0, "Weight of total variation.", minimum=0, metavar="W")
    grid: float = _losses(
        0.0,
        "Weight of patterns at the periods of the network's cells.",
        minimum=0,
        metavar="W",
        shown_default="0, with --any 0.02",
    )
    temporal: float = _losses(
        0.0, "Weight of temporal consistency under motion.", minimum=0, metavar="W", shown_default="0, with --any 40"
    )
    noise: float = _losses(0.015, "Sensor noise between the two views, 0 to 1.", minimum=0, metavar="SIGMA")
    clips: Path | None = _losses(None, "Real clips; every second step takes its motion from them.", metavar="DIR")
    teacher: str | None = _losses(None, "Larger trained style to learn from.", metavar="STYLE")
    teacher_weight: float = _losses(1.0, "Weight of the teacher.", minimum=0, metavar="W")
    adversarial: float = _losses(0.0, "Weight of a discriminator of painted patches.", minimum=0, metavar="W")

    size: int = _crops(192, "Side of the crops, a multiple of 8.", minimum=64, metavar="PX")
    margin: int = _crops(
        16, "Border around the crops that the network sees and no loss does, a multiple of 8.", minimum=0, metavar="PX"
    )
    smallest_crop: float = _crops(
        0.2, "Smallest share of a picture's short side in a crop.", above=0, maximum=1, metavar="0..1"
    )
    variants: int = _crops(3, "Crops of each picture, used in turn.", minimum=1, metavar="N")

    norm: Norm | None = _network(
        None,
        "Normalisation; instance norm uses the whole picture, batch norm becomes constants.",
        shown_default="that of the start, or the usual network's",
    )
    contours: tuple[int, ...] | None = _network(
        None,
        "Periods of the contour planes.",
        metavar="A,B,...|none",
        read=read_whole_numbers,
        shown_default="that of the start, or the usual network's",
    )
    cell: Cell | None = _network(
        None, "The body works at 1/8 or 1/4 size.", shown_default="that of the start, or the usual network's"
    )
    skip: bool | None = _network(
        None,
        "Add the stem's features to the body's.",
        flags=("--skip/--no-skip",),
        shown_default="that of the start, or the usual network's",
    )
    fine: tuple[int, ...] | None = _network(
        None,
        "One residual block at 1/4 size for each, behind the body.",
        metavar="A,B,...|none",
        read=read_whole_numbers,
        shown_default="that of the start, or the usual network's",
    )
    texture: bool | None = _network(
        None,
        "The network takes the texture plane.",
        flags=("--texture-plane/--no-texture-plane",),
        shown_default="that of the start, or the usual network's",
    )

    title: str = _painting("", "Title.", metavar="TEXT")
    artist: str = _painting("", "Artist.", metavar="TEXT")
    year: int | None = _painting(None, "Year.", metavar="N", shown_default="unknown")
    license: str = _painting("", "Licence of the painting, for the card.", metavar="TEXT", shown_default="unknown")

    length_minutes: float | None = _run(
        None,
        "Length of the whole run as a time, in place of `steps`.",
        above=0,
        python_only=True,
        shown_default="none: steps count",
    )
    loss_precision: Literal["auto", "fp32", "bf16"] = _device(
        "auto", "Number format of the loss network; auto is that of the training.", python_only=True
    )
    hold_content: bool = _losses(
        False, "Steer the content's weight so that its error stays that of the start.", python_only=True
    )
    warmup: int = _run(200, "Steps in which the learning rate rises.", minimum=0, python_only=True)
    clip: float = _run(0.3, "Bound of the gradient's norm.", above=0, python_only=True)
    ema: float = _run(
        0.999, "Decay of the moving average of the weights; the average is saved.", minimum=0, below=1, python_only=True
    )
    cache_gigabytes: float = _device(
        4.0, "Largest memory for features of content pictures.", minimum=0, python_only=True
    )
    preview_every: int = _run(500, "Steps from one preview to the next.", minimum=1, python_only=True)
    save_every: int = _run(250, "Steps from one checkpoint to the next.", minimum=1, python_only=True)

    def check(self) -> None:
        """Multiples, four weights, and options that need another."""
        for name in ("size", "margin"):
            if getattr(self, name) % 8:
                raise OptionError(name, f"{getattr(self, name)} is not a multiple of 8")
        for name in ("layer_weights", "content_layers"):
            weights = getattr(self, name)
            if len(weights) != 4 or min(weights) < 0 or not 0 < sum(weights) < math.inf:
                raise OptionError(name, "four weights of 0 or more are wanted, not all of them 0")
        if self.batch % self.style_pool:
            raise OptionError("style_pool", f"{self.style_pool} does not divide the batch ({self.batch})")
        if self.clips is not None and not self.temporal:
            raise OptionError("clips", "clips are for the temporal loss; give --temporal a weight, too")


@dataclass(frozen=True, kw_only=True)
class AnyTrainFiles(Options):
    """What training the network for any painting reads beside the photographs."""

    any: tuple[Path, ...] = _any_painting(
        (),
        "Train the network for any painting on the paintings of this folder and its subfolders; repeatable.",
        metavar="DIR",
        flags=("--any",),
    )
    hold_out: tuple[Path, ...] = _any_painting(
        (), "Leave out the paintings of this folder, other scans and crops of them too; repeatable.", metavar="DIR"
    )


@dataclass(frozen=True, kw_only=True)
class AnyTrainOptions(TrainingOptions):
    """Options of training the network for any painting. docs/training.md explains the losses.

    Errors of content and style are relative to their targets, so that a weight means the same for any painting. How
    much paint there is (the content's weight) and how large the strokes are is drawn at random.
    """

    steps: int | None = _run(None, "Steps of the whole run.", minimum=1, metavar="N", shown_default="no limit")
    minutes: float | None = _run(
        None, "Time of the whole run; the learning rate falls over it.", minimum=0, metavar="N", shown_default="60"
    )
    start: str | None = _run(None, "Network to start from.", metavar="FILE", flags=("--from",))
    memory: float = _device(8.0, "Most gigabytes for pictures; of more, some are left out.", above=0, metavar="GB")

    features: Path | None = _losses(None, "VGG-19 weights.", metavar="FILE", shown_default="those that come along")
    swd: float = _losses(0.3, "Weight of sliced Wasserstein distances of features.", minimum=0, metavar="W")
    tile: float = _losses(0.2, "Weight of the style in each tile of 64 px.", minimum=0, metavar="W")
    palette: float = _losses(0.2, "Weight of the distance between the colours.", minimum=0, metavar="W")
    grid: float = _losses(0.02, "Weight of patterns at the periods of the network's cells.", minimum=0, metavar="W")
    temporal: float = _losses(40.0, "Weight of temporal consistency under motion.", minimum=0, metavar="W")
    noise: float = _losses(0.02, "Sensor noise between the two views, 0 to 1.", minimum=0, metavar="SIGMA")

    size: int | None = _crops(
        None,
        "Side of the crops, a multiple of 8.",
        minimum=64,
        metavar="PX",
        shown_default="192, on a GPU 256",
    )
    paintings: int | None = _any_painting(
        None, "Paintings in a step.", minimum=1, metavar="N", shown_default="4, on a GPU 16"
    )
    contents: int = _any_painting(2, "Photographs for each painting of a step.", minimum=1, metavar="N")
    reuse: int = _any_painting(
        4, "Times that what was computed of a picture is used, on average.", minimum=1, metavar="N"
    )
    mix: float = _any_painting(
        0.1, "Share of the paintings that are mixed with another.", minimum=0, maximum=1, metavar="0..1"
    )
    shares: tuple[float, ...] | None = _any_painting(
        None,
        "Shares of the folders of paintings.",
        metavar="A,B,...",
        read=read_numbers,
        shown_default="as the roots of their numbers of pictures",
    )
    sources: str = _any_painting("", "Sources and licences of the pictures, for the card.", metavar="TEXT")

    warmup: int = _run(300, "Steps in which the learning rate rises.", minimum=0, python_only=True)
    clip: float = _run(1.0, "Bound of the gradient's norm.", above=0, python_only=True)
    ema: float = _run(
        0.999, "Decay of the moving average of the weights; the average is saved.", minimum=0, below=1, python_only=True
    )
    pool: int = _run(16, "Steps after which a picture is replaced by a new one.", minimum=1, python_only=True)
    save_minutes: float = _run(2.0, "Minutes from one file to the next.", minimum=0, python_only=True)
    preview_minutes: float = _run(5.0, "Minutes from one preview to the next.", minimum=0, python_only=True)

    def check(self) -> None:
        """A multiple of 8, and shares that are not all zero."""
        if self.size is not None and self.size % 8:
            raise OptionError("size", f"{self.size} is not a multiple of 8")
        if self.shares is not None and not (min(self.shares) >= 0 and 0 < sum(self.shares) < math.inf):
            raise OptionError("shares", "shares of 0 or more are wanted, not all of them 0")


@dataclass(frozen=True, kw_only=True)
class LearnOptions(StyleOptions, OverwriteOption, TorchOptions):
    """Options of making a checkpoint of a painting's own: emitted, and then polished on pictures."""

    minutes: float = _run(2.0, "Time of the polish; 0: none.", minimum=0, metavar="N")
    steps: int | None = _run(
        None, "Steps of the polish, in place of a time.", minimum=1, metavar="N", shown_default="what the time gives"
    )
    seed: int = _run(0, "Seed of all random numbers.", metavar="N")
    resume: bool = _run(False, "Continue a polish that was stopped: its state lies beside OUTPUT.")

    on: Path | None = _files(
        None, "Your own clip, picture or folder: what the style is to be good at.", metavar="CLIP_OR_FOLDER"
    )
    content: Path | None = _files(
        None, "Folder of pictures to learn on, searched with its subfolders.", metavar="DIR", shown_default="built in"
    )
    features: Path | None = _files(None, "VGG-19 weights.", metavar="FILE", shown_default="those that come along")

    title: str = _painting("", "Title.", metavar="TEXT")
    artist: str = _painting("", "Artist.", metavar="TEXT")
    year: int | None = _painting(None, "Year.", metavar="N", shown_default="unknown")
    license: str = _painting("", "Licence of the painting, for the card.", metavar="TEXT", shown_default="unknown")

    size: int = _crops(192, "Side of the crops of the polish, a multiple of 8.", minimum=64, python_only=True)
    batch: int | None = _crops(None, "Crops at once.", minimum=1, shown_default="2, on a GPU 8", python_only=True)

    def check(self) -> None:
        """A multiple of 8."""
        if self.size % 8:
            raise OptionError("size", f"{self.size} is not a multiple of 8")


# Painting a picture by optimisation


@dataclass(frozen=True, kw_only=True)
class PaintingOptions(OverwriteOption, EncoderOptions, TimeRangeOptions, TorchOptions, LossNetworkOptions):
    """Options of painting a picture or a clip by optimisation. What is None is the preset's."""

    preset: Preset = _method("gatys", "Values of all options not given; see docs/painting.md.")
    steps: int | None = _method(None, "Steps at each scale.", minimum=1, metavar="N", shown_default="the preset's")
    optimizer: Optimizer | None = _method(None, "Optimiser.", shown_default="the preset's")
    init: Init | None = _method(None, "Picture to start from.", shown_default="the preset's")
    noise: float | None = _method(
        None,
        "Standard deviation of the noise to start from.",
        minimum=0,
        maximum=1,
        metavar="SIGMA",
        shown_default="the preset's",
    )
    seed: int = _method(0, "Seed of the noise.", metavar="N")
    learning_rate: float | None = _method(
        None,
        "Adam: change of a pixel in a step, of 0..1; L-BFGS: first length of a line search.",
        above=0,
        metavar="LR",
        shown_default="the preset's",
    )
    beta1: float | None = _method(
        None, "Adam's first decay.", minimum=0, below=1, metavar="B", shown_default="the preset's"
    )
    beta2: float | None = _method(
        None, "Adam's second decay.", minimum=0, below=1, metavar="B", shown_default="the preset's"
    )
    epsilon: float | None = _method(None, "Adam's epsilon.", above=0, metavar="E", shown_default="the preset's")
    clip: float | None = _method(
        None, "Bound of the gradient's norm; 0: none.", minimum=0, metavar="N", shown_default="the preset's"
    )
    clamp: bool | None = _method(
        None, "Clamp the picture to 0..1 after each step.", flags=("--clamp/--no-clamp",), shown_default="the preset's"
    )

    content_weight: float | None = _losses(
        None, "Weight of the content.", minimum=0, metavar="W", shown_default="the preset's"
    )
    style_weight: float | None = _losses(
        None, "Weight of the style.", minimum=0, metavar="W", shown_default="the preset's"
    )
    tv: float | None = _losses(None, "Weight of total variation.", minimum=0, metavar="W", shown_default="the preset's")
    content_layers: str | None = _losses(
        None, "Layers of the content: relu3_1:0.5; or torchvision's index, 10:0.5.", metavar="NAME[:W],..."
    )
    style_layers: str | None = _losses(None, "Layers of the style.", metavar="NAME[:W],...")
    gram: GramNormalisation | None = _losses(None, "Normalisation of Gram matrices.", shown_default="the preset's")
    content_error: ContentNormalisation | None = _losses(
        None, "Normalisation of content errors.", shown_default="the preset's"
    )

    size: int | None = _picture(
        None, "Output's short side in pixels.", minimum=64, metavar="SHORT", shown_default="the preset's"
    )
    scales: tuple[int, ...] | None = _picture(
        None,
        "Short sides, painted one after the other.",
        metavar="A,B,...|none",
        read=read_whole_numbers,
        shown_default="the preset's",
    )
    keep_color: bool = _picture(False, "Keep the picture's colours; paint brightness only.")
    blend: tuple[float, ...] | None = _picture(
        None, "Shares of the paintings.", metavar="A,B,...", read=read_numbers, shown_default="equal"
    )
    mask: tuple[Path, ...] = _picture(
        (), "White where the style goes; one for all paintings, or one for each.", metavar="IMG"
    )
    style_scale: float = _picture(
        1.0, "Size of the paintings, relative to the picture's.", minimum=0.1, maximum=10, metavar="X"
    )

    tile: int | None = _device(
        None,
        "Add gradients up over tiles: little memory, more time.",
        minimum=128,
        metavar="PX",
        shown_default="no tiles",
    )
    precision: Literal["auto", "fp32", "bf16"] = _device("auto", "Number format of the loss network.")

    frame_steps: int | None = _clips(
        None, "Steps of frames after a scene's first.", minimum=1, metavar="N", shown_default="a fifth"
    )
    temporal: float = _clips(1.0, "Weight of temporal consistency.", minimum=0, metavar="W")
    preview: Path | None = _output(None, "Write the picture there as it grows.", metavar="IMG")
    preview_every: int = _output(50, "Steps from one preview to the next.", minimum=1, metavar="N")

    def check(self) -> None:
        """Scales ascend, shares are not all zero, and L-BFGS takes no bound of the gradient's norm."""
        if self.scales and (list(self.scales) != sorted(set(self.scales)) or min(self.scales) < 64):
            raise OptionError("scales", "short sides of 64 or more are wanted, in ascending order")
        if self.blend and not (min(self.blend) >= 0 and 0 < sum(self.blend) < math.inf):
            raise OptionError("blend", "shares of 0 or more are wanted, not all of them 0")
        if self.optimizer == "lbfgs" and self.clip:
            raise OptionError("clip", "L-BFGS needs the gradient as it is; leave --clip out")


# Evaluation


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Options):
    """Options of measuring a style."""

    content: Path = _files(MISSING, "Folder of pictures to measure on, searched with its subfolders.", metavar="DIR")
    style_image: Path = _files(MISSING, "The painting.", metavar="IMG")
    features: Path | None = _files(None, "VGG-19 weights.", metavar="FILE", shown_default="torchvision's")
    video: Path | None = _files(None, "Clip to measure flicker on.", metavar="FILE")
    limit: int = _files(64, "Largest number of pictures, in the order of their names.", minimum=1, metavar="N")
    frames: int = _files(40, "Largest number of frames of the clip.", minimum=2, metavar="N")
    save: bool = _output(False, "Write the scores into the style's file.")
    card: Path | None = _output(None, "Write the style's card; needs --save.", metavar="FILE.md")
    picture: str | None = _output(None, "Picture to show in the card, relative to it.", metavar="PATH")

    def check(self) -> None:
        """A card shows what is saved."""
        if self.card is not None and not self.save:
            raise OptionError("card", "needs --save: a card shows the scores in the style's file")
