"""`restyle bench`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import typer

from realtime.cli.common import (
    DEFAULT_STYLE,
    BackendName,
    Debug,
    Json,
    Overwrite,
    PrecisionName,
    Quiet,
    Style,
    Threads,
    one_line,
    print_json,
    say,
)

_ENDINGS = (".json", ".md", ".png")


def _one_of(words: Any) -> Callable[[list[str] | None], list[str] | None]:
    """A check of each value of a repeatable option, for which Typer has no Literal."""

    def check(values: list[str] | None) -> list[str] | None:
        for value in values or ():
            if value not in get_args(words):
                raise typer.BadParameter(f"{value!r} is not one of {', '.join(map(repr, get_args(words)))}.")
        return values

    return check


def bench(
    style: Style = DEFAULT_STYLE,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", metavar="SHORT|WxH", help="Size to measure; again for more. [default: 640x360, 1280x720]"
        ),
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", metavar="FILE", help="Measure on this clip. [default: a generated one]")
    ] = None,
    against: Annotated[
        Literal["johnson"] | None,
        typer.Option(
            "--against",
            metavar="johnson",
            help="Compare with the classic network (Johnson et al. 2016, PyTorch, fp32).",
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", metavar="FILE", help="Write the result to a .json, .md or .png; again for more."),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, metavar="N", help="Times that all is measured.")] = 5,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, metavar="S", help="Length of one measurement of the whole, about.")
    ] = 4,
    frames: Annotated[
        int, typer.Option("--frames", min=8, metavar="N", help="Frames of one measurement of the whole, at most.")
    ] = 240,
    encoder: Annotated[str, typer.Option("--encoder", metavar="auto|NAME", help="Video encoder.")] = "auto",
    gpu_report: Annotated[
        bool,
        typer.Option(
            "--gpu-report",
            help="Every check of the CUDA engine instead, in ten minutes; --output takes a folder, too. 1: one fails.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            metavar="|".join(get_args(BackendName)),
            callback=_one_of(BackendName),
            help="What runs the network; again for more.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps; again for more."),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="|".join(get_args(PrecisionName)),
            callback=_one_of(PrecisionName),
            help="Number format of the network; again for more.",
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", min=1, metavar="N", help="Frames at once through the network; again for more."),
    ] = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure each stage alone and the whole command, and say what bounds it.

    Every combination of the sizes and engines given is measured, round after round in turn.

    \b
    decode, encode  the video's decoder and encoder alone
    network alone   planes in, planes out, as the pipeline feeds it
    whole           the command, from opening the input to the finished file
    of possible     whole / what the stages allow together: the slowest of them,
                    or their processor time added up over the cores
    of the roofline network alone / the speed at which this machine multiplies
                    (large product, large convolution) or copies
    memory          most that a new process of `restyle video` held
    first frame     from starting that process to its first frame encoded
    """
    outputs = list(output or ())
    if gpu_report:
        _gpu_report(style, (device or ["cuda"])[0], outputs, overwrite=overwrite, json=json, quiet=quiet)
        return
    _check_outputs(outputs, overwrite)
    from realtime.benchmark.cases import Options, default_choices, every_choice
    from realtime.benchmark.measure import Effort
    from realtime.benchmark.run import run_benchmark

    options = Options(
        style,
        sizes=tuple(size or ()),
        video=video,
        choices=every_choice(
            cast(Sequence[BackendName], backend or ()),
            device or (),
            cast(Sequence[PrecisionName], precision or ()),
            batch or (),
        )
        if backend or device or precision or batch
        else default_choices(),
        threads=threads,
        encoder=encoder,
        against=against,
        effort=Effort(rounds=rounds, seconds=seconds, frames=frames),
    )
    result = run_benchmark(options, say=(lambda text: None) if quiet else say)
    for path in outputs:
        _write(path, result)
    for text in result["warnings"]:
        say(f"warning: {one_line(text)}")
    if json:
        print_json(result)
    elif not quiet:
        _show(result)


def _gpu_report(style: str, device: str, outputs: list[Path], *, overwrite: bool, json: bool, quiet: bool) -> None:
    """The report on a CUDA device; ends with exit code 1 where something does not hold."""
    from realtime.benchmark.files import check_target
    from realtime.engines.torch.device import choose_device
    from realtime.errors import InputError

    if device == "auto":
        device = "cuda"
    if not device.startswith("cuda"):
        raise typer.BadParameter("--gpu-report is about CUDA devices: --device cuda or cuda:N.")
    choose_device(device)  # says at once that there is none
    files: list[Path] = []
    for path in outputs or [Path(".")]:
        files += [path / "gpu-report.json", path / "gpu-report.md"] if path.is_dir() else [path]
    for path in files:
        if path.suffix.lower() not in (".json", ".md"):
            raise InputError(f"{path}: the report is written as .json or .md, or both into a folder that exists")
        check_target(path, overwrite=overwrite)
    from realtime.benchmark import gpu
    from realtime.transnet.checkpoint import write_atomically

    report = gpu.gpu_report(style, device=device, say=(lambda text: None) if quiet else say)
    for path in files:
        text = gpu.markdown(report) if path.suffix.lower() == ".md" else _as_json(report)
        write_atomically(path, text.encode())
    if json:
        print_json(report)
    elif not quiet:
        typer.echo(gpu.markdown(report))
    if not report["holds"]:
        raise typer.Exit(1)


def _as_json(result: object) -> str:
    import json

    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"


def _check_outputs(outputs: list[Path], overwrite: bool) -> None:
    """Refuses what could not be written, before minutes of work.

    Raises:
        InputError: an ending, a folder or an existing file; or a picture is asked for and matplotlib is missing.
    """
    from realtime.benchmark.files import check_target
    from realtime.errors import InputError

    for path in outputs:
        if path.suffix.lower() not in _ENDINGS:
            raise InputError(f"{path}: a result is written as {', '.join(_ENDINGS)}")
        check_target(path, overwrite=overwrite)
    if any(path.suffix.lower() == ".png" for path in outputs):
        from realtime.benchmark.chart import check_matplotlib

        check_matplotlib()


def _write(path: Path, result: dict[str, object]) -> None:
    from realtime.benchmark.chart import chart
    from realtime.benchmark.report import markdown
    from realtime.transnet.checkpoint import write_atomically

    match path.suffix.lower():
        case ".json":
            data = _as_json(result).encode()
        case ".md":
            data = markdown(result).encode()
        case _:
            data = chart(result)
    write_atomically(path, data)


def _show(result: dict[str, object]) -> None:
    import sys

    from rich.console import Console

    from realtime.benchmark.report import show

    # A file or a pipe is as wide as it needs to be.
    show(result, Console(width=None if sys.stdout.isatty() else 160))
