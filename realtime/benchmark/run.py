"""The benchmark: rounds of measurements, and their result.

Every round measures every case once, each beginning another round, so that what changes with time (a processor that
grows warm, other work on the machine) affects all alike. Ratios are taken within a round, and then their median: so two
runs agree in their ratios even where their frame rates differ.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from realtime.benchmark import machine, result
from realtime.benchmark.cases import GENERATED_FPS, Case, Clip, cases, clips, engine_choices, open_contenders
from realtime.benchmark.measure import STYLED_MEMORY, Clock, Material, measure_round, prepare, time_on_device
from realtime.benchmark.new_process import measure_process
from realtime.benchmark.result import BenchResult, Comparison, rounded
from realtime.benchmark.roofline import Roof, Sizes, has_roof, measure_roof
from realtime.engines.base import OnDevice
from realtime.engines.machine import cores
from realtime.engines.painter import FramePainter
from realtime.media.files.encoders import check_encoder
from realtime.media.synthetic.natural import write_natural_clip
from realtime.options import BenchOptions, StyleOptions
from realtime.style.reference import parse_style

_PROCESSES = 3


def run_benchmark(
    style: str,
    options: BenchOptions,
    style_options: StyleOptions = StyleOptions(),
    *,
    say: Callable[[str], None] = lambda text: None,
    clock: Clock | None = None,
    roof_sizes: Sizes | None = None,
) -> BenchResult:
    """Measure everything that is asked for.

    Args:
        style: a name from the gallery, a path, or a blend.
        options: see `BenchOptions`.
        style_options: how the network is made from a picture or a blend.
        say: called with a line of text before each step.
        clock: where times come from.
        roof_sizes: see `measure_roof`.

    Raises:
        InputError: the style or an option is wrong, or none of the engines is available.
        RestyleError: a measurement failed.
    """
    if options.encoder != "auto":
        check_encoder(options.encoder)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="restyle-bench-")))
        measured_on = clips(options, folder)
        run = _Run(options, style_options, folder, say, clock or Clock(), roof_sizes)
        contenders, skipped = open_contenders(style, engine_choices(options), stack, style_options)
        for entry in skipped:
            say(f"left out: {entry['reason']}")
        for clip in measured_on:
            if options.video is None:
                say(f"{clip.path.stem}: making a clip of {options.frames} frames")
                write_natural_clip(clip.path, frames=options.frames, size=clip.size, fps=GENERATED_FPS)
            run.measure(cases(options, style, style_options, contenders, clip, folder, stack), clip)
        return run.result(style, contenders[0].painter, skipped)


def command_line(style: str, options: BenchOptions, style_options: StyleOptions = StyleOptions()) -> str:
    """The command line that measures the same, without folders and outputs."""
    words = [f"restyle bench --style {parse_style(style).text}"]
    for given, declared in [(o, declared) for o in (style_options, options) for declared in o.fields()]:
        value = getattr(given, declared.name)
        if value == declared.default or declared.info.python_only or declared.name in ("output", "overwrite"):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            text = one.name if isinstance(one, Path) else f"{one:g}" if isinstance(one, float) else one
            words.append(f"{declared.flag} {text}")
    return " ".join(words)


def _roof_key(case: Case) -> tuple[str, str]:
    return case.subject.engine.device, case.subject.engine.precision


class _Run:
    """What was measured so far."""

    def __init__(
        self,
        options: BenchOptions,
        style_options: StyleOptions,
        folder: Path,
        say: Callable[[str], None],
        clock: Clock,
        roof_sizes: Sizes | None,
    ) -> None:
        self._options, self._folder, self._say, self._clock, self._sizes = options, folder, say, clock, roof_sizes
        self._style_options = style_options
        self._load = machine.load()
        self._cases: list[Case] = []
        self._against: list[Comparison] = []
        self._roofs: dict[tuple[str, str], Roof] = {}

    def measure(self, group: Sequence[Case], clip: Clip) -> None:
        """Measure all cases of one clip."""
        wanted = self._options
        pairs: list[tuple[Case, Material]] = []
        for case in group:
            self._say(f"{case.label}: warming up")
            pairs.append((case, prepare(case.subject, self._clock, seconds=wanted.seconds, frames=wanted.frames)))
        for number in range(wanted.rounds):
            first = number % len(pairs)
            for case, material in pairs[first:] + pairs[:first]:
                self._round(case, material)
                network, whole = case.rounds[-1].network, case.rounds[-1].whole
                self._say(
                    f"{case.label}: round {number + 1} of {wanted.rounds}:"
                    f" network {network.fps:.1f} fps, whole {whole.fps:.1f} fps ({whole.frames} frames)"
                )
        for case in group:
            if case.command is not None:
                self._say(f"{case.label}: in a new process")
                runs = range(min(_PROCESSES, wanted.rounds))
                case.runs = [measure_process(case.command, clip.path, self._folder) for _ in runs]
        self._cases += group
        self._against += result.compare(group)

    def _round(self, case: Case, material: Material) -> None:
        """One round of one case, with the peaks and the memory of its device."""
        engine, key, seconds = case.subject.engine, _roof_key(case), self._options.seconds
        if has_roof(*key):
            roof = measure_roof(*key, self._clock, threads=self._options.threads, sizes=self._sizes)
            self._roofs[key] = roof.higher(self._roofs.get(key, roof))
        on_cuda = engine.backend == "torch" and engine.device.startswith("cuda")
        if on_cuda:
            torch.cuda.reset_peak_memory_stats(engine.device)
        case.rounds.append(measure_round(case.subject, material, seconds, self._clock))
        if isinstance(engine, OnDevice) and case.size[0] % 2 == case.size[1] % 2 == 0:
            case.on_device += time_on_device(engine, material.inputs[: engine.batch], seconds / 8, self._clock).calls
        if on_cuda:
            case.device_memory = max(case.device_memory, torch.cuda.max_memory_allocated(engine.device))

    def result(self, style: str, painter: FramePainter, skipped: Sequence[dict[str, Any]]) -> BenchResult:
        """The result of all cases."""
        options, shared = self._options, cores()
        macs = None if painter.foreign else rounded(painter.style.architecture.macs_per_pixel)
        effort = {"rounds": options.rounds, "seconds": options.seconds, "frames": options.frames}
        return BenchResult(
            command=command_line(style, options, self._style_options),
            date=datetime.now(UTC).isoformat(timespec="minutes"),
            machine=machine.describe(),
            load=rounded(self._load),
            style={"name": painter.style.name, "macs_per_pixel": macs},
            clip=options.video.name if options.video else "generated",
            encoder=options.encoder,
            effort={**effort, "memory": STYLED_MEMORY},
            roofs=tuple(result.roof_result(*key, roof) for key, roof in self._roofs.items()),
            cases=tuple(result.case_result(case, shared, self._roofs.get(_roof_key(case))) for case in self._cases),
            against=tuple(self._against),
            skipped=tuple(skipped),
            warnings=(*result.load_warnings(self._load, shared), *result.spread_warnings(self._cases)),
        )
