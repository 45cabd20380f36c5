"""The tables of docs/onnx.md: how fast each engine is here, and how close exported files are to PyTorch.

    python -m tools.onnx_tables speed [--write docs/onnx.md]
    python -m tools.onnx_tables checks [--write docs/onnx.md]

With --write a table replaces the one between its marks in that file.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median_high
from typing import Any

from export.onnx_check import CHECKS, Check, Reference, compare
from export.onnx_export import export_onnx
from realtime.engines.base import Engine
from realtime.engines.candidates import Candidate, Machine
from realtime.engines.choice import EngineFactory
from realtime.engines.fidelity import picture_frames, psnr
from realtime.engines.machine import cores, cpu_name
from realtime.engines.onnx.graph import GraphIo
from realtime.errors import InputError, RestyleError
from realtime.options import EngineOptions, ExportOptions, ExportPrecision, Precision
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import find_style, styles

SIZES = ((64, 64, 1), (64, 64, 4), (427, 241, 1), (427, 241, 4), (1280, 720, 1), (1920, 1080, 1), (1920, 1080, 4))
"""(width, height, pictures at once) at which gallery styles are checked in fp32 and fp16, and measured in int8."""

IO: dict[str, GraphIo] = {"planes": "planes", "rgb": "rgb", "rgb uint8": "rgb-uint8"}
PRECISIONS: tuple[ExportPrecision, ...] = ("fp32", "fp16", "int8")

ENGINES: dict[str, tuple[Precision, ...]] = {
    "torch": ("fp32", "bf16"),
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}
"""Engines on the CPU, and their precisions."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast an engine is.

    Attributes:
        name: backend and precision.
        fps: frames a second of the network alone, with the packing of its planes, on all cores.
        latency: milliseconds of one frame alone.
        psnr: against PyTorch in fp32, in dB.
    """

    name: str
    fps: float
    latency: float
    psnr: float


def speeds(style: str, size: tuple[int, int], *, rounds: int, threads: int | None = None) -> list[Speed]:
    """Measure all engines in turns, so that a disturbance meets all of them; the median of the rounds counts.

    Args:
        style: a name or a checkpoint.
        size: (width, height) of the frames.
        rounds: of eight batches and eight single frames each.
        threads: of each engine; None takes its own choice.
    """
    frames, machine = picture_frames(8, size=size), Machine()
    factory = EngineFactory(load_checkpoint(find_style(style))[0], EngineOptions(precision="fp32", threads=threads))
    with ExitStack() as opened:
        engines: dict[str, Engine] = {
            f"{backend} {precision}": opened.enter_context(factory.open(Candidate(backend, precision)))
            for backend, precisions in ENGINES.items()
            for precision in precisions
            if (precision != "bf16" or machine.has_bf16()) and (backend != "openvino" or machine.has_openvino())
        }
        exact = engines["torch fp32"].stylize(frames)
        fidelity = {name: psnr(exact, engine.stylize(frames)) for name, engine in engines.items()}  # and warm
        taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in engines}
        for _ in range(rounds):
            for name, engine in engines.items():
                batch = [frames[n % len(frames)] for n in range(engine.batch)]
                taken[name][0].append(_seconds(lambda: engine.stylize(batch)) / len(batch))  # noqa: B023
                taken[name][1].append(_seconds(lambda: engine.stylize(frames[:1])))  # noqa: B023
    return [
        Speed(name, 1 / median_high(together), 1e3 * median_high(alone), fidelity[name])
        for name, (together, alone) in taken.items()
    ]


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    for _ in range(8):
        work()
    return (time.perf_counter() - began) / 8


def speed_table(found: Sequence[Speed]) -> str:
    """As Markdown."""
    lines = ["| engine | frames a second | one frame alone | beside fp32 |", "|---|---|---|---|"]
    for row in found:
        beside = "exact" if row.psnr >= 99 else f"{row.psnr:.0f} dB"
        lines.append(f"| {row.name} | {row.fps:.0f} | {row.latency:.1f} ms | {beside} |")
    return "\n".join(lines)


def checks(names: Sequence[str], sizes: Sequence[tuple[int, int, int]]) -> list[tuple[str, str, list[Check]]]:
    """Export styles with every input and precision, and compare each file with PyTorch.

    int8 must pass the check of `export_onnx` only; at these sizes it is measured. How well scales that suit all
    pictures suit a single one differs from picture to picture.

    Returns:
        (style, input and precision, one check for each size).

    Raises:
        RestyleError: a file is not close enough.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "style.onnx"
        for name, (title, io), precision in product(names, IO.items(), PRECISIONS):
            options = ExportOptions(
                input="planes" if io == "planes" else "rgb",
                uint8=io == "rgb-uint8",
                precision=precision,
                overwrite=True,
            )
            summary = export_onnx(name, file, options, checks=CHECKS if precision == "int8" else sizes)
            each = list(summary.checks)
            if precision == "int8":
                each = compare(file, Reference(load_checkpoint(find_style(name))[0], io), sizes)
            found.append((summary.style, f"{title}, {precision}", each))
            print(*found[-1][:2], min(check.psnr for check in each), file=sys.stderr, flush=True)
    return found


def checks_table(found: Sequence[tuple[str, str, list[Check]]]) -> str:
    """As Markdown: the worst of each file over all sizes."""
    lines = ["| style | file | at most | on average | PSNR, the lowest |", "|---|---|---|---|---|"]
    for name, file, each in found:
        highest, mean = max(c.max_difference for c in each), max(c.mean_difference for c in each)
        lowest = min(c.psnr for c in each)
        shown = "exact" if lowest >= 199 else f"{lowest:.0f} dB"
        most = f"{highest:.2g}" if highest < 100 else f"{highest:.0f}"
        lines.append(f"| {name} | {file} | {most} | {mean:.2g} | {shown} |")
    return "\n".join(lines)


def write_between(path: Path, mark: str, text: str) -> None:
    """Replace what stands between `<!-- mark -->` and `<!-- end of mark -->` in a file.

    Raises:
        InputError: the file or the marks are missing.
    """
    try:
        page = path.read_text()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    page, count = re.subn(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", page)
    if count != 1:
        raise InputError(f"{path}: must have one place between {begin} and {end}")
    path.write_text(page)


def main(args: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.onnx_tables", description="The tables of docs/onnx.md.")
    parser.add_argument("table", choices=["speed", "checks"])
    parser.add_argument("--style", action="append", help="name or checkpoint; all of the gallery for checks")
    parser.add_argument("--size", default="640x360", help="WxH of the frames of speed")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quick", action="store_true", help="checks: leave 1080p out")
    parser.add_argument("--write", type=Path, help="the page to put the table into")
    asked = parser.parse_args(args)
    try:
        if asked.table == "speed":
            width, height = (int(side) for side in asked.size.split("x"))
            style = (asked.style or ["starry-night"])[0]
            found = speeds(style, (width, height), rounds=asked.rounds, threads=asked.threads)
            text = f"{style}, {asked.size}, {cpu_name()}, {asked.threads or cores()} cores:\n\n{speed_table(found)}"
        else:
            names = asked.style or [card.name for card in styles()]
            sizes = [size for size in SIZES if not asked.quick or size[0] < 1920]
            told = ", ".join(f"{w}x{h} x {n}" for w, h, n in sizes)
            text = f"Sizes, and pictures at once: {told}.\n\n{checks_table(checks(names, sizes))}"
        print(text)
        if asked.write:
            write_between(asked.write, f"{asked.table} table", text)
    except RestyleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
