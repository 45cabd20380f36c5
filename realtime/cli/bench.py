"""`restyle bench`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from realtime.cli.common import DEFAULT_STYLE, Style, check_style, print_json, say, warn
from realtime.errors import InputError
from realtime.options import BenchOptions, ConsoleOptions, EngineOptions, StyleOptions

if TYPE_CHECKING:
    from realtime.results import Summary


def bench(
    options: BenchOptions, style_options: StyleOptions, console: ConsoleOptions, style: Style = DEFAULT_STYLE
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
    check_style(style, style_options)
    if options.gpu_report:
        _gpu_report(style, style_options, options, console)
        return
    files = _checked(list(options.output), (".json", ".md", ".png"), options)
    from realtime.benchmark.report import markdown, show
    from realtime.benchmark.run import run_benchmark

    result = run_benchmark(style, options, style_options, say=(lambda text: None) if console.quiet else say)
    _write(files, result, markdown(result.to_json()))
    warn(result)
    if console.json:
        print_json(result.to_json())
    elif not console.quiet:
        from rich.console import Console

        # A file or a pipe is as wide as it needs to be.
        show(result.to_json(), Console(width=None if sys.stdout.isatty() else 160))


def _gpu_report(style: str, style_options: StyleOptions, options: BenchOptions, console: ConsoleOptions) -> None:
    """The report on a CUDA device; ends with exit code 1 where something does not hold."""
    from realtime.engines.torch.device import choose_device

    # Says at once that there is no such device.
    device = str(choose_device((options.device or ("cuda",))[0].replace("auto", "cuda")))
    files: list[Path] = []
    for path in options.output or (Path("."),):
        files += [path / "gpu-report.json", path / "gpu-report.md"] if path.is_dir() else [path]
    files = _checked(files, (".json", ".md"), options)
    from realtime.benchmark.gpu import gpu_report, markdown
    from realtime.engines.painter import FramePainter

    tell = (lambda text: None) if console.quiet else say
    tell("the engine: choosing how it runs")
    engine = EngineOptions(backend="torch", device=device, precision="fp16")
    with FramePainter(style, engine, style_options) as painter:
        report = gpu_report(painter, say=tell)
    _write(files, report, markdown(report))
    if console.json:
        print_json(report.to_json())
    elif not console.quiet:
        typer.echo(markdown(report))
    if not report.holds:
        raise typer.Exit(1)


def _checked(files: list[Path], endings: tuple[str, ...], options: BenchOptions) -> list[Path]:
    """The files to write. Those that could not be written are refused before minutes of work.

    Raises:
        InputError: an ending, a folder or an existing file; or a chart is asked for and matplotlib is missing.
    """
    from realtime.benchmark.files import check_target

    for path in files:
        if path.suffix.lower() not in endings:
            raise InputError(f"{path}: a result is written as {', '.join(endings)}")
        check_target(path, overwrite=options.overwrite)
        if path.suffix.lower() == ".png":
            from realtime.benchmark.chart import check_matplotlib

            check_matplotlib()
    return files


def _write(files: list[Path], result: Summary, markdown: str) -> None:
    from realtime.transnet.checkpoint import write_atomically

    for path in files:
        match path.suffix.lower():
            case ".json":
                data = (json.dumps(result.to_json(), indent=1, ensure_ascii=False) + "\n").encode()
            case ".md":
                data = markdown.encode()
            case _:
                from realtime.benchmark.chart import chart

                data = chart(result.to_json())
        write_atomically(path, data)
