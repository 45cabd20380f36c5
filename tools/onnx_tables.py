"""The tables of docs/onnx.md: how fast each engine is here, and how close exported files come to PyTorch.

    python -m tools.onnx_tables speed [--write docs/onnx.md]
    python -m tools.onnx_tables checks [--write docs/onnx.md]

With --write a table replaces the one between its marks in that file, so that no figure is typed in by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from export.onnx_export import CHECKS, Check, Input, Precision, Reference, compare, export_onnx
from realtime.engines.base import Engine
from realtime.engines.choice import picture_frames, psnr
from realtime.engines.machine import cores, cpu_name
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.graph import Ends
from realtime.engines.onnx.openvino_engine import OpenVinoEngine
from realtime.engines.onnx.quantise import calibrate, generated_pictures
from realtime.engines.torch.engine import TorchEngine, cpu_has_bf16
from realtime.errors import InputError, RestyleError
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import find_style, styles

SIZES = ((64, 64, 1), (64, 64, 4), (427, 241, 1), (427, 241, 4), (1280, 720, 1), (1920, 1080, 1), (1920, 1080, 4))
"""(width, height, pictures at once) that every gallery style is held to in fp32 and fp16, and measured at in int8."""

FLAVOURS: tuple[tuple[Input, bool], ...] = (("planes", False), ("rgb", False), ("rgb", True))
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast an engine is.

    Attributes:
        name: backend and precision.
        fps: frames a second, the network alone with its packing of planes, all cores.
        latency: milliseconds from one frame's going in alone to its coming out.
        psnr: against PyTorch in fp32, in dB.
    """

    name: str
    fps: float
    latency: float
    psnr: float


def engines(style: str, threads: int | None) -> dict[str, Engine]:
    """Every engine and precision that runs on this machine's CPU."""
    network, _ = load_checkpoint(find_style(style))
    fitted = calibrate(network, generated_pictures())
    makers: dict[str, Callable[[], Engine]] = {
        "torch fp32": lambda: TorchEngine(network, device="cpu", precision="fp32", threads=threads),
        "torch bf16": lambda: TorchEngine(network, device="cpu", precision="bf16", threads=threads),
        "onnx fp32": lambda: OnnxEngine(network, device="cpu", precision="fp32", threads=threads),
        "onnx int8": lambda: OnnxEngine(network, device="cpu", precision="int8", threads=threads, calibration=fitted),
        "openvino fp32": lambda: OpenVinoEngine(network, precision="fp32", threads=threads),
        "openvino bf16": lambda: OpenVinoEngine(network, precision="bf16", threads=threads),
        "openvino int8": lambda: OpenVinoEngine(network, precision="int8", threads=threads, calibration=fitted),
    }
    return {
        name: make()
        for name, make in makers.items()
        if (cpu_has_bf16() or "bf16" not in name) and (find_spec("openvino") or "openvino" not in name)
    }


def speeds(style: str, size: tuple[int, int], *, rounds: int, threads: int | None = None) -> list[Speed]:
    """Measure all engines in turns, so that a disturbance meets all of them; the median of the rounds counts.

    Args:
        style: a name or a checkpoint.
        size: (width, height) of the frames.
        rounds: of eight batches and eight single frames each.
        threads: of each engine; None takes its own choice.
    """
    frames = picture_frames(8, size=size)
    made = engines(style, threads)
    exact = made["torch fp32"].stylize(frames)
    fidelity = {name: psnr(exact, engine.stylize(frames)) for name, engine in made.items()}  # and warm
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in made}
    for _ in range(rounds):
        for name, engine in made.items():
            group = [frames[n % len(frames)] for n in range(engine.batch)]
            taken[name][0].append(_seconds(lambda: engine.stylize(group)) / len(group))  # noqa: B023
            taken[name][1].append(_seconds(lambda: engine.stylize(frames[:1])))  # noqa: B023
    return [
        Speed(name, 1 / _median(together), 1e3 * _median(alone), fidelity[name])
        for name, (together, alone) in taken.items()
    ]


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    for _ in range(8):
        work()
    return (time.perf_counter() - begin) / 8


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def speed_table(found: Sequence[Speed]) -> str:
    """Markdown."""
    lines = ["| engine | frames a second | one frame alone | beside fp32 |", "|---|---|---|---|"]
    for row in found:
        beside = "exact" if row.psnr >= 99 else f"{row.psnr:.0f} dB"
        lines.append(f"| {row.name} | {row.fps:.0f} | {row.latency:.1f} ms | {beside} |")
    return "\n".join(lines)


def checks(names: Sequence[str], sizes: Sequence[tuple[int, int, int]]) -> list[tuple[str, str, list[Check]]]:
    """Export styles in every flavour and hold each beside PyTorch.

    int8 is only reported at these sizes, `export_onnx` holds it to its own check: how well scales that fit all pictures
    suit the one at hand differs from picture to picture.

    Returns:
        (style, flavour, one check for each size).

    Raises:
        RestyleError: one of them does not hold.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for input, uint8 in FLAVOURS:
                for precision in PRECISIONS:
                    file = Path(folder) / "style.onnx"
                    held = CHECKS if precision == "int8" else sizes
                    summary = export_onnx(
                        name, file, input=input, uint8=uint8, precision=precision, overwrite=True, checks=held
                    )
                    each = list(summary.checks)
                    if precision == "int8":
                        ends: Ends = "rgb-uint8" if uint8 else input
                        each = compare(file, Reference(load_checkpoint(find_style(name))[0], ends), sizes)
                    flavour = f"{input}{' uint8' if uint8 else ''}, {precision}"
                    found.append((summary.style, flavour, each))
                    print(summary.style, flavour, min(check.psnr for check in each), file=sys.stderr, flush=True)
    return found


def checks_table(found: Sequence[tuple[str, str, list[Check]]]) -> str:
    """Markdown: the worst of each flavour over all sizes."""
    lines = ["| style | file | at most | on average | PSNR, the lowest |", "|---|---|---|---|---|"]
    for name, flavour, each in found:
        highest, mean = max(c.max_difference for c in each), max(c.mean_difference for c in each)
        lowest = min(c.psnr for c in each)
        shown = "exact" if lowest >= 199 else f"{lowest:.0f} dB"
        most = f"{highest:.2g}" if highest < 100 else f"{highest:.0f}"
        lines.append(f"| {name} | {flavour} | {most} | {mean:.2g} | {shown} |")
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
        raise InputError(f"{path}: has not one place between {begin} and {end}")
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
            said = ", ".join(f"{w}x{h} x {n}" for w, h, n in sizes)
            text = f"Sizes, and pictures at once: {said}.\n\n{checks_table(checks(names, sizes))}"
        print(text)
        if asked.write:
            write_between(asked.write, f"{asked.table} table", text)
    except RestyleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
