"""Every option of every job, declared once.

A job's options are a frozen dataclass. Each field carries its default, its range or choices, its help text and the
group in which the help lists it (see `realtime.option_fields`). The command line's options, Python's keyword arguments,
what worker processes are sent and the tables in docs/options.md are all made from these declarations. A rule that holds
between options is checked in one place: `check` of the class.

This module imports nothing heavy, so that `restyle --help` stays quick.
"""

from __future__ import annotations

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
    read_size,
    read_time,
    read_width_height,
)

Backend = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
Hdr = Literal["tonemap", "error"]
Decoder = Literal["auto", "software", "cuda"]
ExportPrecision = Literal["fp32", "fp16", "int8"]


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
class VideoOptions(OverwriteOption, EncoderOptions, SizeOption, PaintOptions):
    """Options of restyling a video file."""

    compare: bool = option("Show the source beside the result.", group="Picture", default=False)
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
