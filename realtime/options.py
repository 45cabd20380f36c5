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
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realtime.option_fields import (
    PROVIDERS,
    OptionError,
    Options,
    option,
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
Norm = Literal["instance", "batch", "none"]
Cell = Literal[4, 8]
Preset = Literal["gatys", "guide", "keras", "five-layer"]
Optimizer = Literal["adam", "lbfgs"]
Init = Literal["content", "noise"]
GramNormalisation = Literal["gatys", "chw", "pixels", "relative"]
ContentNormalisation = Literal["gatys", "mean", "variance"]


# Parts of the jobs' options


@dataclass(frozen=True, kw_only=True)
class PaintOptions(Options):
    """How a frame is painted: what every command that paints takes, and every engine is given with the frames."""

    strength: float = option(
        "Mix with the source: 0 is the source, 1 the painting.",
        group="Picture",
        default=1.0,
        minimum=0,
        maximum=1,
        metavar="0..1",
    )
    keep_color: bool = option("Keep the source's colours; restyle brightness only.", group="Picture", default=False)


@dataclass(frozen=True, kw_only=True)
class EngineOptions(Options):
    """What runs the network, and how."""

    backend: Backend = option(
        "What runs the network; auto takes the fastest, by a measurement that is kept.",
        group="Engine",
        default="auto",
    )
    device: str = option(
        f"auto, cpu, cuda, cuda:N or mps; {PROVIDERS}.",
        group="Engine",
        default="auto",
        metavar="DEVICE",
        read=read_device,
    )
    precision: Precision = option("Number format of the network.", group="Engine", default="auto")
    batch: int | None = option(
        "Frames at once through the network.",
        group="Engine",
        default=None,
        minimum=1,
        metavar="N",
        shown_default="auto",
    )
    threads: int | None = option(
        "CPU threads of the network.", group="Engine", default=None, minimum=1, metavar="N", shown_default="auto"
    )
    allow_int8: bool = option(
        "Precision auto may choose int8. Off for stills and for measuring a style.",
        group="Engine",
        default=True,
        python_only=True,
    )


@dataclass(frozen=True, kw_only=True)
class OverwriteOption(Options):
    """Base of the options of jobs that write a file."""

    overwrite: bool = option("Replace the output where it exists.", group="Output", default=False)


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(Options):
    """Base of the options of jobs that encode video."""

    encoder: str = option(
        "Video encoder; `restyle doctor` lists those there are.", group="Output", default="auto", metavar="auto|NAME"
    )
    quality: float | None = option(
        "The encoder's CRF or CQ: lower is better and larger.",
        group="Output",
        default=None,
        metavar="N",
        shown_default="the encoder's own",
    )


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions(Options):
    """What a command prints. Only the command line has these."""

    json: bool = option("Print one JSON object as the last line of stdout.", group="Messages", default=False)
    quiet: bool = option(
        "Print nothing but warnings and errors.", group="Messages", default=False, flags=("--quiet", "-q")
    )
    debug: bool = option("Show a traceback when something fails.", group="Messages", default=False)


# Films, pictures, cameras


@dataclass(frozen=True, kw_only=True)
class MultiDeviceOptions(EngineOptions):
    """Engine options of a job that several devices can share."""

    device: str = option(
        f"auto, cpu, cuda, cuda:N or mps; several with commas, or all GPUs: an engine on each; {PROVIDERS}.",
        group="Engine",
        default="auto",
        metavar="DEVICE[,...]",
        read=read_devices,
    )


@dataclass(frozen=True, kw_only=True)
class SizeOption(Options):
    """Base of the options of jobs whose output can have another size than the source."""

    size: int | tuple[int, int] | None = option(
        "Output's short side, or width x height.",
        group="Picture",
        default=None,
        metavar="SHORT|WxH",
        read=read_size,
        shown_default="as the source",
    )


@dataclass(frozen=True, kw_only=True)
class TimeRangeOptions(Options):
    """Base of the options of jobs that read a part of a video."""

    start: float | None = option(
        "Begin here: seconds or [HH:]MM:SS.",
        group="Source",
        default=None,
        metavar="TIME",
        read=read_time,
        shown_default="the beginning",
    )
    end: float | None = option(
        "Stop before this time.",
        group="Source",
        default=None,
        metavar="TIME",
        read=read_time,
        shown_default="the end",
    )


@dataclass(frozen=True, kw_only=True)
class VideoOptions(OverwriteOption, EncoderOptions, TimeRangeOptions, SizeOption, PaintOptions):
    """Options of restyling a video file."""

    compare: bool = option("Show the source beside the result.", group="Picture", default=False)
    hdr: Hdr = option("HDR (PQ, HLG): make it SDR in bt709, or refuse it.", group="Source", default="tonemap")
    decoder: Decoder = option(
        "Where video is decoded; cuda: on the GPU that paints, and frames stay there.", group="Source", default="auto"
    )
    resume: bool = option(
        "Keep what is done beside the output, and go on from there the next time.", group="Output", default=False
    )
    skip_existing: bool = option("Leave out what has been restyled: its output exists.", group="Output", default=False)


@dataclass(frozen=True, kw_only=True)
class ImageOptions(OverwriteOption, SizeOption, PaintOptions):
    """Options of restyling pictures."""


@dataclass(frozen=True, kw_only=True)
class LiveOptions(OverwriteOption, EncoderOptions, SizeOption, PaintOptions):
    """Options of the live filter."""

    camera: str = option(
        "A camera's number or device, screen, a URL (rtsp, http, udp, tcp, ...), a file, or FORMAT:SOURCE.",
        group="Source",
        default="0",
        metavar="SOURCE",
        flags=("--camera", "-c"),
    )
    rate: float | None = option(
        "Frame rate to ask the camera for.",
        group="Source",
        default=None,
        minimum=1,
        maximum=1000,
        metavar="FPS",
        shown_default="the camera's",
    )
    camera_option: tuple[str, ...] = option(
        "Option of FFmpeg's input; repeatable.", group="Source", default=(), metavar="KEY=VALUE"
    )
    reconnect: float = option(
        "Seconds for which a lost camera or stream is looked for.", group="Source", default=30.0, minimum=0, metavar="S"
    )
    mirror: bool = option("Exchange left and right.", group="Picture", default=False)
    split: bool = option("Begin with the camera beside the style.", group="Picture", default=False)
    hold: float = option(
        "Hold still areas against flicker; 0 is off.",
        group="Picture",
        default=0.0,
        minimum=0,
        maximum=16,
        metavar="0..16",
    )
    record: Path | None = option(
        "Record; the file can be played after a crash, too.", group="Output", default=None, metavar="FILE"
    )
    sound: str = option(
        "Sound of recordings; auto: the source's own, else a microphone's.",
        group="Output",
        default="auto",
        metavar="auto|off|DEVICE",
    )
    folder: Path = option("Where snapshots and recordings by key go.", group="Output", default=Path("."), metavar="DIR")
    virtual_camera: bool = option(
        "Be a camera for other programs, too (needs pyvirtualcam).", group="Output", default=False
    )
    virtual_camera_device: str | None = option(
        "Which virtual camera.", group="Output", default=None, metavar="NAME", shown_default="the first"
    )
    headless: bool = option("Without a window.", group="Window", default=False)
    full_screen: bool = option("Begin with the whole screen.", group="Window", default=False)
    no_overlay: bool = option("Begin without text on the picture.", group="Window", default=False)
    frames: int | None = option(
        "End after this many pictures.", group="End", default=None, minimum=1, metavar="N", shown_default="no limit"
    )
    seconds: float | None = option(
        "End after this many seconds.", group="End", default=None, above=0, metavar="S", shown_default="no limit"
    )

    def check(self) -> None:
        """Options of FFmpeg's input are pairs."""
        for pair in self.camera_option:
            if "=" not in pair.strip("="):
                raise OptionError("camera_option", f"{pair!r} is not KEY=VALUE, such as framerate=60")


@dataclass(frozen=True, kw_only=True)
class DemoOptions(OverwriteOption):
    """Options of the demonstration."""

    seconds: float = option("Length of the clip.", group="Source", default=4.0, minimum=0.1, maximum=600, metavar="S")
    compare: bool = option("Show the source beside the result.", group="Picture", default=False)


@dataclass(frozen=True, kw_only=True)
class StylesOptions(OverwriteOption):
    """Options of listing the gallery."""

    sheet: Path | None = option(
        "Write a picture of --input in every style there.", group="Contact sheet", default=None, metavar="OUT"
    )
    input: Path | None = option("The picture for the sheet.", group="Contact sheet", default=None, metavar="PICTURE")
    width: int = option(
        "Of one picture in the sheet, in pixels.", group="Contact sheet", default=480, minimum=64, metavar="PX"
    )
    columns: int | None = option(
        "Of the sheet.", group="Contact sheet", default=None, minimum=1, metavar="N", shown_default="about square"
    )

    def check(self) -> None:
        """A sheet needs a picture, and a picture is for a sheet."""
        if (self.sheet is None) != (self.input is None):
            raise OptionError("sheet", "--sheet and --input belong together: where to write, and which picture to show")


# Export


@dataclass(frozen=True, kw_only=True)
class ExportOptions(OverwriteOption):
    """Options of exporting a style to ONNX."""

    input: Literal["rgb", "planes"] = option(
        "What goes in and out: 8-bit 4:2:0 planes, or RGB floats in 0..1.", group="Network", default="planes"
    )
    uint8: bool = option("RGB in 0..255 instead of floats.", group="Network", default=False)
    precision: ExportPrecision = option(
        "Of weights and what is computed; int8 is for CPUs.", group="Network", default="fp32"
    )
    calibration: Path | None = option(
        "Pictures that int8 is fitted to.",
        group="Network",
        default=None,
        metavar="DIR",
        shown_default="generated ones",
    )
    static: tuple[int, int] | None = option(
        "One picture of this size at a time.",
        group="Network",
        default=None,
        metavar="WxH",
        read=read_width_height,
        shown_default="any size and number",
    )
    opset: int | None = option(
        "Version of ONNX's operators.", group="Network", default=None, metavar="N", shown_default="13"
    )
    licence: str | None = option(
        "Of the style, for the file's metadata.",
        group="Network",
        default=None,
        metavar="TEXT",
        shown_default="the gallery's",
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

    size: tuple[str, ...] = option(
        "Size to measure; repeatable.",
        group="Clip",
        default=(),
        metavar="SHORT|WxH",
        shown_default="640x360 and 1280x720; with --video its own",
    )
    video: Path | None = option(
        "Measure on this clip.", group="Clip", default=None, metavar="FILE", shown_default="a generated one"
    )
    encoder: str = option("Video encoder.", group="Clip", default="auto", metavar="auto|NAME")
    against: Literal["johnson"] | None = option(
        "Compare with the classic network (Johnson et al. 2016, PyTorch, fp32).", group="Measurement", default=None
    )
    rounds: int = option("Times that everything is measured.", group="Measurement", default=5, minimum=1, metavar="N")
    seconds: float = option(
        "Approximate length of one measurement of the whole.",
        group="Measurement",
        default=4.0,
        minimum=0.1,
        metavar="S",
    )
    frames: int = option(
        "Most frames of one measurement of the whole.", group="Measurement", default=240, minimum=8, metavar="N"
    )
    new_process: bool = option(
        "Also start processes of their own, to measure start-up time and memory.",
        group="Measurement",
        default=True,
        python_only=True,
    )
    gpu_report: bool = option(
        "Check the CUDA engine instead; --output may be a folder. Exit code 1: a check failed.",
        group="Measurement",
        default=False,
    )
    output: tuple[Path, ...] = option(
        "Write the result to a .json, .md or .png file; repeatable.", group="Output", default=(), metavar="FILE"
    )
    backend: tuple[Backend, ...] = option(
        "What runs the network; repeatable.", group="Engine", default=(), shown_default="auto"
    )
    device: tuple[str, ...] = option(
        f"auto, cpu, cuda, cuda:N or mps; repeatable; {PROVIDERS}.",
        group="Engine",
        default=(),
        metavar="DEVICE",
        shown_default="auto",
    )
    precision: tuple[Precision, ...] = option(
        "Number format of the network; repeatable.", group="Engine", default=(), shown_default="auto"
    )
    batch: tuple[int, ...] = option(
        "Frames at once through the network; repeatable.",
        group="Engine",
        default=(),
        minimum=1,
        metavar="N",
        shown_default="auto",
    )
    threads: int | None = option(
        "CPU threads of the network.", group="Engine", default=None, minimum=1, metavar="N", shown_default="auto"
    )

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

    loss_network: LossNetworkName = option(
        "Loss network; the light ones are faster and coarser.", group="Losses", default="vgg19"
    )
    features: Path | None = option(
        "Weights of the loss network.", group="Losses", default=None, metavar="FILE", shown_default="torchvision's"
    )
    grad_checkpoint: bool = option("Less memory, a third slower.", group="Device", default=False)


@dataclass(frozen=True, kw_only=True)
class TorchOptions(Options):
    """Base of the options of jobs that compute gradients in PyTorch."""

    device: str = option(
        "auto, cpu, cuda, cuda:N or mps.", group="Device", default="auto", metavar="DEVICE", read=read_device
    )
    threads: int | None = option(
        "CPU threads.", group="Device", default=None, minimum=1, metavar="N", shown_default="auto"
    )


@dataclass(frozen=True, kw_only=True)
class TrainFiles(OverwriteOption):
    """What a training run reads and writes beside its painting: the files of a new run, or the run to resume."""

    content: Path | None = option(
        "Folder of pictures to learn on, searched with its subfolders.", group="Files", default=None, metavar="DIR"
    )
    output: Path | None = option(
        "The .safetensors file to write.",
        group="Files",
        default=None,
        metavar="FILE",
        flags=("--output", "-o"),
    )
    resume: Path | None = option(
        "Continue the run that writes this file. Its options are stored beside it and need not be given again.",
        group="Files",
        default=None,
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
class TrainOptions(TorchOptions, LossNetworkOptions):
    """Options of training a network for one painting. docs/training.md explains the losses.

    Every loss is normalised, so that a weight means the same for any painting and any loss network. Weights of layers
    are divided by their sum; the layers are relu1_1, relu2_1, relu3_1, relu4_1, or the four taps of another loss
    network.
    """

    steps: int = option("Steps of the whole run.", group="Run", default=10000, minimum=1, metavar="N")
    start: str | None = option(
        "Trained style to start from, as large or smaller.",
        group="Run",
        default=None,
        metavar="STYLE",
        flags=("--from",),
    )
    until: int | None = option(
        "Stop after this step; --resume continues.", group="Run", default=None, minimum=1, metavar="STEP"
    )
    minutes: float | None = option(
        "Stop after this time; --resume continues.", group="Run", default=None, minimum=0, metavar="N"
    )
    seed: int = option("Seed of all random numbers.", group="Run", default=0, metavar="N")
    learning_rate: float = option("Highest learning rate.", group="Run", default=1e-3, above=0, metavar="LR")
    batch: int = option("Pictures at once, on each device.", group="Run", default=2, minimum=1, metavar="N")
    accumulate: int = option("Batches in one step.", group="Run", default=1, minimum=1, metavar="N")
    freeze_norm: float = option(
        "Part of the run after which batch norms are constants.",
        group="Run",
        default=0.6,
        minimum=0,
        maximum=1,
        metavar="0..1",
    )
    log_dir: Path | None = option("Write logs for TensorBoard there.", group="Run", default=None, metavar="DIR")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "Number format of the training.", group="Device", default="auto"
    )

    content_weight: float = option("Weight of the content.", group="Losses", default=1.0, minimum=0, metavar="W")
    content_layers: tuple[float, ...] = option(
        "Content weights of relu1_1, relu2_1, relu3_1, relu4_1.",
        group="Losses",
        default="0,0,0,1",
        metavar="A,B,C,D",
        read=read_numbers,
    )
    style_weight: float = option("Weight of the style.", group="Losses", default=4.0, minimum=0, metavar="W")
    layer_weights: tuple[float, ...] = option(
        "Style weights of the same layers.",
        group="Losses",
        default="1,1,2,3",
        metavar="A,B,C,D",
        read=read_numbers,
    )
    style_ramp: float = option(
        "Part of the run in which the style's weight grows.",
        group="Losses",
        default=0.0,
        minimum=0,
        maximum=1,
        metavar="0..1",
    )
    style_pool: int = option("Crops that share one Gram matrix.", group="Losses", default=1, minimum=1, metavar="N")
    style_size: int = option("Short side of the painting.", group="Losses", default=384, minimum=64, metavar="PX")
    local_style: float = option(
        "Weight of the style in each tile of 128 px.", group="Losses", default=0.0, minimum=0, metavar="W"
    )
    gamut: float = option("Weight of values outside 0..1.", group="Losses", default=10.0, minimum=0, metavar="W")
    tv: float = option("Weight of total variation.", group="Losses", default=0.0, minimum=0, metavar="W")
    grid: float = option(
        "Weight of patterns at the periods of the network's cells.", group="Losses", default=0.0, minimum=0, metavar="W"
    )
    temporal: float = option(
        "Weight of temporal consistency under motion.", group="Losses", default=0.0, minimum=0, metavar="W"
    )
    noise: float = option(
        "Sensor noise between the two views, 0 to 1.", group="Losses", default=0.015, minimum=0, metavar="SIGMA"
    )
    clips: Path | None = option(
        "Real clips; every second step takes its motion from them.", group="Losses", default=None, metavar="DIR"
    )
    teacher: str | None = option("Larger trained style to learn from.", group="Losses", default=None, metavar="STYLE")
    teacher_weight: float = option("Weight of the teacher.", group="Losses", default=1.0, minimum=0, metavar="W")
    adversarial: float = option(
        "Weight of a discriminator of painted patches.", group="Losses", default=0.0, minimum=0, metavar="W"
    )

    size: int = option("Side of the crops, a multiple of 8.", group="Crops", default=192, minimum=64, metavar="PX")
    margin: int = option(
        "Border around the crops that the network sees and no loss does, a multiple of 8.",
        group="Crops",
        default=16,
        minimum=0,
        metavar="PX",
    )
    smallest_crop: float = option(
        "Smallest share of a picture's short side in a crop.",
        group="Crops",
        default=0.2,
        above=0,
        maximum=1,
        metavar="0..1",
    )
    variants: int = option("Crops of each picture, used in turn.", group="Crops", default=3, minimum=1, metavar="N")

    width: int | None = option("Channels at 1/4 size.", group="Network", default=None, minimum=1, metavar="N")
    body: int | None = option("Channels of the body.", group="Network", default=None, minimum=1, metavar="N")
    dilations: tuple[int, ...] | None = option(
        "One residual block for each.", group="Network", default=None, metavar="A,B,...", read=read_whole_numbers
    )
    norm: Norm | None = option(
        "Normalisation; instance norm uses the whole picture, batch norm becomes constants.",
        group="Network",
        default=None,
    )
    contours: tuple[int, ...] | None = option(
        "Periods of the contour planes.", group="Network", default=None, metavar="A,B,...|none", read=read_whole_numbers
    )
    cell: Cell | None = option("The body works at 1/8 or 1/4 size.", group="Network", default=None)

    title: str = option("Title.", group="Painting", default="", metavar="TEXT")
    artist: str = option("Artist.", group="Painting", default="", metavar="TEXT")
    year: int | None = option("Year.", group="Painting", default=None, metavar="N")

    warmup: int = option(
        "Steps in which the learning rate rises.", group="Run", default=200, minimum=0, python_only=True
    )
    clip: float = option("Bound of the gradient's norm.", group="Run", default=0.3, above=0, python_only=True)
    ema: float = option(
        "Decay of the moving average of the weights; the average is saved.",
        group="Run",
        default=0.999,
        minimum=0,
        below=1,
        python_only=True,
    )
    cache_gigabytes: float = option(
        "Largest memory for features of content pictures.", group="Device", default=4.0, minimum=0, python_only=True
    )
    preview_every: int = option(
        "Steps from one preview to the next.", group="Run", default=500, minimum=1, python_only=True
    )
    save_every: int = option(
        "Steps from one checkpoint to the next.", group="Run", default=250, minimum=1, python_only=True
    )

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


# Painting a picture by optimisation


@dataclass(frozen=True, kw_only=True)
class PaintingOptions(OverwriteOption, EncoderOptions, TimeRangeOptions, TorchOptions, LossNetworkOptions):
    """Options of painting a picture or a clip by optimisation. What is None is the preset's."""

    preset: Preset = option("Values of all options not given; see docs/painting.md.", group="Method", default="gatys")
    steps: int | None = option("Steps at each scale.", group="Method", default=None, minimum=1, metavar="N")
    optimizer: Optimizer | None = option("Optimiser.", group="Method", default=None)
    init: Init | None = option("Picture to start from.", group="Method", default=None)
    noise: float | None = option(
        "Standard deviation of the noise to start from.",
        group="Method",
        default=None,
        minimum=0,
        maximum=1,
        metavar="SIGMA",
    )
    seed: int = option("Seed of the noise.", group="Method", default=0, metavar="N")
    learning_rate: float | None = option(
        "Adam: change of a pixel in a step, of 0..1; L-BFGS: first length of a line search.",
        group="Method",
        default=None,
        above=0,
        metavar="LR",
    )
    beta1: float | None = option("Adam's first decay.", group="Method", default=None, minimum=0, below=1, metavar="B")
    beta2: float | None = option("Adam's second decay.", group="Method", default=None, minimum=0, below=1, metavar="B")
    epsilon: float | None = option("Adam's epsilon.", group="Method", default=None, above=0, metavar="E")
    clip: float | None = option(
        "Bound of the gradient's norm; 0: none.", group="Method", default=None, minimum=0, metavar="N"
    )
    clamp: bool | None = option(
        "Clamp the picture to 0..1 after each step.", group="Method", default=None, flags=("--clamp/--no-clamp",)
    )

    content_weight: float | None = option(
        "Weight of the content.", group="Losses", default=None, minimum=0, metavar="W"
    )
    style_weight: float | None = option("Weight of the style.", group="Losses", default=None, minimum=0, metavar="W")
    tv: float | None = option("Weight of total variation.", group="Losses", default=None, minimum=0, metavar="W")
    content_layers: str | None = option(
        "Layers of the content: relu3_1:0.5; or torchvision's index, 10:0.5.",
        group="Losses",
        default=None,
        metavar="NAME[:W],...",
    )
    style_layers: str | None = option("Layers of the style.", group="Losses", default=None, metavar="NAME[:W],...")
    gram: GramNormalisation | None = option("Normalisation of Gram matrices.", group="Losses", default=None)
    content_error: ContentNormalisation | None = option(
        "Normalisation of content errors.", group="Losses", default=None
    )

    size: int | None = option(
        "Output's short side in pixels.", group="Picture", default=None, minimum=64, metavar="SHORT"
    )
    scales: tuple[int, ...] | None = option(
        "Short sides, painted one after the other.",
        group="Picture",
        default=None,
        metavar="A,B,...|none",
        read=read_whole_numbers,
    )
    keep_color: bool = option("Keep the picture's colours; paint brightness only.", group="Picture", default=False)
    blend: tuple[float, ...] | None = option(
        "Shares of the paintings.",
        group="Picture",
        default=None,
        metavar="A,B,...",
        read=read_numbers,
        shown_default="equal",
    )
    mask: tuple[Path, ...] = option(
        "White where the style goes; one for all paintings, or one for each.",
        group="Picture",
        default=(),
        metavar="IMG",
    )
    style_scale: float = option(
        "Size of the paintings, relative to the picture's.",
        group="Picture",
        default=1.0,
        minimum=0.1,
        maximum=10,
        metavar="X",
    )

    tile: int | None = option(
        "Add gradients up over tiles: little memory, more time.",
        group="Device",
        default=None,
        minimum=128,
        metavar="PX",
    )
    precision: Literal["auto", "fp32", "bf16"] = option(
        "Number format of the loss network.", group="Device", default="auto"
    )

    frame_steps: int | None = option(
        "Steps of frames after a scene's first.",
        group="Clips",
        default=None,
        minimum=1,
        metavar="N",
        shown_default="a fifth",
    )
    temporal: float = option("Weight of temporal consistency.", group="Clips", default=1.0, minimum=0, metavar="W")
    preview: Path | None = option("Write the picture there as it grows.", group="Output", default=None, metavar="IMG")
    preview_every: int = option(
        "Steps from one preview to the next.", group="Output", default=50, minimum=1, metavar="N"
    )

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

    content: Path = option(
        "Folder of pictures to measure on, searched with its subfolders.", group="Files", metavar="DIR"
    )
    style_image: Path = option("The painting.", group="Files", metavar="IMG")
    features: Path | None = option(
        "VGG-19 weights.", group="Files", default=None, metavar="FILE", shown_default="torchvision's"
    )
    video: Path | None = option("Clip to measure flicker on.", group="Files", default=None, metavar="FILE")
    limit: int = option(
        "Largest number of pictures, in the order of their names.", group="Files", default=64, minimum=1, metavar="N"
    )
    frames: int = option("Largest number of frames of the clip.", group="Files", default=40, minimum=2, metavar="N")
    save: bool = option("Write the scores into the style's file.", group="Output", default=False)
    card: Path | None = option("Write the style's card; needs --save.", group="Output", default=None, metavar="FILE.md")
    picture: str | None = option(
        "Picture to show in the card, relative to it.", group="Output", default=None, metavar="PATH"
    )

    def check(self) -> None:
        """A card shows what is saved."""
        if self.card is not None and not self.save:
            raise OptionError("card", "needs --save: a card shows the scores in the style's file")
