"""What the commands share: the style's option, messages, the progress bar and the JSON line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.errors import one_line

if TYPE_CHECKING:
    from realtime.results import BatchSummary, PicturesSummary, Progress, VideoSummary

DEFAULT_STYLE = "starry-night"


@dataclass(slots=True)
class State:
    """What the options say about the whole command line.

    Attributes:
        debug: tracebacks are shown.
    """

    debug: bool = False


Style = Annotated[
    str,
    typer.Option(
        "--style",
        "-s",
        metavar="STYLE",
        help="A name from `restyle styles`, a .safetensors or an .onnx file.",
        rich_help_panel="Picture",
    ),
]


def say(text: str) -> None:
    """Writes a line to stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(result: Mapping[str, Any]) -> None:
    """Writes an object as one line to stdout. Paths become text."""
    sys.stderr.flush()
    print(json.dumps(result, default=str, ensure_ascii=False), flush=True)


def say_notes(notes: Iterable[str], title: str = "note") -> None:
    """Says each note in a line of its own."""
    for note in notes:
        say(f"{title}: {one_line(note)}")


def say_summary(summary: VideoSummary) -> None:
    """Says what a run on a video has done, where the time went, and what is worth knowing about the output."""
    stages = ", ".join(f"{name} {stage.busy_seconds:.1f} s" for name, stage in summary.stages.items())
    say(
        f"{summary.output}: {summary.frames} frames in {summary.seconds:.1f} s, {summary.fps:.1f} fps"
        f" (busy: {stages}; encoder {summary.encoder})"
    )
    say_notes(summary.notes)
    say_notes(summary.converted, "converted")
    say_notes(summary.dropped, "left out")


def warn(result: Any) -> None:
    """Says the warnings of a result."""
    say_notes(result.warnings, "warning")


def finish(result: BatchSummary | PicturesSummary, *, json: bool) -> None:
    """Prints the JSON where it is wanted, and ends with exit code 1 where a file has failed."""
    if json:
        print_json(result.to_json())
    if result.failed:
        raise typer.Exit(1)


def refuse_existing(output: Path, overwrite: bool) -> None:
    """Refuses an output that exists, before any work is done for it.

    Raises:
        MediaError: it exists, and may not be overwritten.
    """
    from realtime.errors import MediaError

    if output.exists() and not overwrite:
        raise MediaError(f"{output} exists; choose another output, or add --overwrite")


@contextmanager
def progress_bar(*, show: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on stderr with frames, fps, and the time left (or the time so far, where the length is unknown).

    Yields:
        What to call with each state of the run; None where there is no terminal, or no bar is wanted.
    """
    if not (show and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    # Drawn when the run calls, which it does ten times a second: no thread of its own.
    with Bar(
        BarColumn(), TextColumn("{task.fields[text]}"), console=Console(stderr=True), auto_refresh=False, transient=True
    ) as bar:
        task = bar.add_task("", total=None, text="")

        def update(now: Progress) -> None:
            bar.update(task, total=now.total, completed=now.frames, text=progress_text(now), refresh=True)

        yield update


def progress_text(now: Progress) -> str:
    """Frames, fps and the time left, or the time so far where the total is unknown."""
    if now.total is None:
        return f"{now.frames} frames  {now.fps:.1f} fps  {clock(now.seconds)} gone"
    left = clock(max(0, now.total - now.frames) / now.fps) if now.fps > 0 else "-:--"
    return f"{now.frames}/{now.total} frames  {now.fps:.1f} fps  {left} left"


def clock(seconds: float) -> str:
    """A duration as M:SS or H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# TEMPORARY: options of the commands that are not made from options classes yet

import re  # noqa: E402
from typing import Literal  # noqa: E402

# The same as in realtime.engines.base, which cannot be imported here: it needs numpy, and help must not wait for it.
BackendName = Literal["auto", "torch", "onnx", "openvino"]
PrecisionName = Literal["auto", "fp32", "fp16", "bf16", "int8"]
PROVIDERS = "for the onnx backend also tensorrt, coreml, directml, openvino"


# Values


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|coreml|directml|openvino|(cuda|tensorrt)(:\d+)?", value):
        raise typer.BadParameter(f"{value!r} is not one of auto, cpu, cuda, cuda:N, mps, {PROVIDERS}.")
    return value


def _devices(value: str) -> str:
    """One device; or all, or several with commas between."""
    if value == "all":
        return value
    several = value.split(",")
    for device in several:
        _device(device)
        if len(several) > 1 and device == "auto":
            raise typer.BadParameter(f"{value!r}: name each of several devices, such as cuda:0,cuda:1; or all.")
    return value


def _size(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", value):
        raise typer.BadParameter(f"{value!r} is neither a short side in pixels (360) nor WxH (640x360).")
    return value


def _strength(value: float) -> float:
    if not 0 <= value <= 1:  # also refuses nan, which a range of the parser's own would let through
        raise typer.BadParameter(f"{value} is not between 0 and 1.")
    return value


def parse_time(text: str) -> float:
    """Seconds, from seconds or [HH:]MM:SS, each with decimals.

    Raises:
        ValueError: the text is neither.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)", text)
    if match is None or (match[2] is not None and float(match[3]) >= 60):
        raise ValueError(f"{text!r} is neither seconds (12.5) nor [HH:]MM:SS (1:02:03.5).")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


# Options


def _set_debug(context: typer.Context, value: bool) -> bool:
    state = context.find_object(State)
    if value and state is not None:
        state.debug = True
    return value


Debug = Annotated[bool, typer.Option("--debug", callback=_set_debug, help="Show a traceback when something fails.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output where it exists.")]
LossNetworkOption = Annotated[
    Literal["vgg19", "mobilenet", "squeezenet"],
    typer.Option("--loss-network", help="What judges pictures; the light ones are faster, and coarser."),
]
Backend = Annotated[BackendName, typer.Option("--backend", help="What runs the network.")]
Device = Annotated[
    str,
    typer.Option("--device", metavar="DEVICE", callback=_device, help=f"auto, cpu, cuda, cuda:N or mps; {PROVIDERS}."),
]
Devices = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE[,...]",
        callback=_devices,
        help=f"auto, cpu, cuda, cuda:N or mps; several with commas, or all GPUs: a process on each; {PROVIDERS}.",
    ),
]
Precision = Annotated[PrecisionName, typer.Option("--precision", help="Number format of the network.")]
Batch = Annotated[
    int | None, typer.Option("--batch", min=1, metavar="N", help="Frames at once through the network. [default: auto]")
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads of the network. [default: auto]")
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="SHORT|WxH",
        callback=_size,
        help="Output's short side, or width x height. [default: as it is]",
    ),
]
Strength = Annotated[
    float,
    typer.Option("--strength", metavar="0..1", callback=_strength, help="0: as it was, 1: all style."),
]
KeepColor = Annotated[bool, typer.Option("--keep-color", help="Keep the source's colours; restyle brightness only.")]
Start = Annotated[
    float | None,
    typer.Option("--start", metavar="TIME", parser=_time, help="Begin here: seconds or [HH:]MM:SS.  [default: 0]"),
]
End = Annotated[
    float | None,
    typer.Option("--end", metavar="TIME", parser=_time, help="Stop before this time.  [default: the end]"),
]


def make_stylizer(
    style: str,
    *,
    backend: BackendName,
    device: str,
    precision: PrecisionName,
    batch: int | None,
    threads: int | None,
    faithful: bool = False,
) -> Any:
    """Loads a style into the engine that the options ask for; `faithful` where nobody waits for it."""
    from realtime.stylizer import Stylizer

    return Stylizer(
        style,
        backend=backend,
        device=device,
        precision=precision,
        batch=batch,
        threads=threads,
        allow_int8=not faithful,
    )


def announce(stylizer: Any) -> None:
    """Says in one line which style runs on what."""
    say(f"{stylizer.style.label}: {stylizer.engine.description}")
