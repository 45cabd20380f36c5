"""Every check and figure of the CUDA engine in one report: what it reaches, and whether that is enough.

Each figure is the best of a few short measurements: the question is what the device can do, not how busy it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from realtime.benchmark import machine
from realtime.benchmark.cases import GENERATED_FPS, Clip, subject_of, transnet_work
from realtime.benchmark.measure import (
    Clock,
    Material,
    Subject,
    measure_round,
    prepare,
    time_network,
    time_on_device,
)
from realtime.benchmark.report import machine_text, markdown_table
from realtime.benchmark.roofline import measure_roof
from realtime.engines.cuda.engine import CudaEngine
from realtime.engines.fidelity import psnr
from realtime.engines.painter import FramePainter
from realtime.errors import InputError, RestyleError, one_line
from realtime.jobs.video import device_surfaces
from realtime.media.files.surfaces import AUTO_SURFACE_ENCODERS
from realtime.media.synthetic.natural import natural_frames, write_natural_clip
from realtime.options import Decoder, EngineOptions
from realtime.results import Summary

_DECODERS: tuple[Decoder, ...] = ("software", "cuda")
_ENCODERS = (None, "libx264", AUTO_SURFACE_ENCODERS["libx264"])


@dataclass(frozen=True, slots=True)
class Requirements:
    """What must hold, and how long is measured.

    Attributes:
        fps: least frames per second of the network alone, by (width, height). The first size is that of the clip.
        roofline: least share of what the device's multiplications or memory allow.
        whole: least share of the slower codec's speed that the whole pipeline reaches.
        fidelity: least PSNR in dB against the CPU in fp32.
        seconds: approximate length of one measurement.
        readings: measurements of each figure.
        frames: of the clip.
    """

    fps: Mapping[tuple[int, int], float] = field(default_factory=lambda: {(1920, 1080): 1500.0, (3840, 2160): 400.0})
    roofline: float = 1 / 3
    whole: float = 0.9
    fidelity: float = 45.0
    seconds: float = 1.5
    readings: int = 3
    frames: int = 480


@dataclass(frozen=True)
class Check(Summary):
    """One figure.

    Attributes:
        name: what was measured.
        value: None where the machine has no such thing.
        unit: of the value.
        least: what it must reach; None where nothing is required.
        note: further words, such as why there is no value.
        holds: whether the value is as required; None where nothing is, or there is no value.
    """

    name: str
    value: float | None
    unit: str = "fps"
    least: float | None = None
    note: str = ""
    holds: bool | None = field(init=False)

    def __post_init__(self) -> None:
        unknown = self.least is None or self.value is None
        object.__setattr__(self, "holds", None if unknown else self.value >= self.least)  # type: ignore[operator]


@dataclass(frozen=True, kw_only=True)
class GpuReport(Summary):
    """All checks of a device.

    Attributes:
        date: ISO 8601.
        machine: see `realtime.benchmark.machine.describe`.
        style: name of the style.
        engine: how it runs.
        holds: whether all checks do.
        failed: names of those that do not.
        seconds: that the report took.
        tests: the command that runs the tests that need a device.
    """

    schema: int = 1
    date: str
    machine: dict[str, Any]
    device: str
    style: str
    engine: str
    notes: tuple[str, ...]
    checks: tuple[Check, ...]
    holds: bool
    failed: tuple[str, ...]
    seconds: float
    tests: str = "python -m pytest -m gpu"


def gpu_report(
    painter: FramePainter,
    *,
    requirements: Requirements | None = None,
    say: Callable[[str], None] = lambda text: None,
    clock: Clock | None = None,
) -> GpuReport:
    """Measure everything, and check what must hold.

    Args:
        painter: a style in a `CudaEngine`.
        requirements: None for the project's own.
        say: called with a line of text before each step.
        clock: where times come from.

    Raises:
        InputError: the engine is not for CUDA devices.
    """
    engine = painter.engine
    if not isinstance(engine, CudaEngine):
        raise InputError(f"device {engine.device!r}: the report is on CUDA devices")
    wanted, clock = requirements or Requirements(), clock or Clock()
    on_cuda = torch.device(engine.device).type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(engine.device)
    checks: list[Check] = []
    begin = clock.wall()
    with tempfile.TemporaryDirectory(prefix="restyle-gpu-") as folder:
        for name, step in _Steps(painter, engine, wanted, Path(folder), clock).all():
            say(name)
            try:
                checks += step()
            except RestyleError as error:  # the report must not pass without this figure
                checks.append(Check(name, 0.0, "", 1.0, f"failed: {one_line(error)}"))
    if on_cuda:
        peak = torch.cuda.max_memory_allocated(engine.device) / 2**20
        checks.append(Check("peak of device memory", round(peak), "MiB"))
    failed = tuple(check.name for check in checks if check.holds is False)
    return GpuReport(
        date=datetime.now(UTC).isoformat(timespec="minutes"),
        machine=machine.describe(),
        device=engine.device,
        style=painter.style.name,
        engine=engine.description,
        notes=engine.notes,
        checks=tuple(checks),
        holds=not failed,
        failed=failed,
        seconds=round(clock.wall() - begin, 1),
    )


class _Steps:
    """The measurements."""

    def __init__(
        self, painter: FramePainter, engine: CudaEngine, wanted: Requirements, folder: Path, clock: Clock
    ) -> None:
        self._painter, self._engine, self._wanted, self._clock = painter, engine, wanted, clock
        self._clip = Clip(folder / "clip.mp4", next(iter(wanted.fps)), None, wanted.frames, GENERATED_FPS)

    def all(self) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
        """Every step: its name, and what makes its checks."""
        for width, height in self._wanted.fps:
            yield f"network alone, {width}x{height}", partial(self._network, (width, height))
        yield "PSNR against the CPU in fp32", self._fidelity
        for decoder in _DECODERS:
            for encoder in _ENCODERS:
                name = f"decoder {decoder}, encoder {encoder or 'none'}"
                yield name, partial(self._pipeline, name, decoder, encoder)

    def _network(self, size: tuple[int, int]) -> Iterator[Check]:
        name, least, seconds = f"{size[0]}x{size[1]}", self._wanted.fps[size], self._wanted.seconds
        engine, clock, readings = self._engine, self._clock, range(self._wanted.readings)
        frames = list(natural_frames(engine.batch, size=size))
        alone = max(time_on_device(engine, frames, seconds, clock).fps for _ in readings)
        yield Check(f"network alone, {name}", round(alone, 1), "fps", least, "planes stay on the device")
        copied = max(
            time_network(engine, frames, len(frames), seconds, clock, ahead=engine.ahead).fps for _ in readings
        )
        yield Check(f"network with copies to it and back, {name}", round(copied, 1))
        if size == self._clip.size:
            yield self._roofline(alone)

    def _roofline(self, fps: float) -> Check:
        engine, (width, height) = self._engine, self._clip.size
        roof = measure_roof(engine.device, engine.precision, self._clock)
        work = transnet_work(self._painter.style.architecture, width, height)
        seconds, by = roof.limit(work.macs, work.traffic(engine.precision, width, height))
        peaks = f"{roof.macs / 1e12:.1f} TMAC/s, {roof.copy / 1e9:.0f} GB/s"
        note = f"bound by {by}: {1 / seconds:.0f} fps at {peaks}"
        share = round(fps * seconds, 3)
        return Check(f"share of the roofline, {width}x{height}", share, "", self._wanted.roofline, note)

    def _fidelity(self) -> Iterator[Check]:
        width, height = min(self._wanted.fps)
        frames = list(natural_frames(2, size=(min(width, 1280), min(height, 720))))
        exact = EngineOptions(backend="torch", device="cpu", precision="fp32")
        with FramePainter(self._painter.path, exact) as reference:
            found = psnr(reference.engine.stylize(frames), self._engine.stylize(frames))
        yield Check("PSNR against the CPU in fp32", round(found, 2), "dB", self._wanted.fidelity)

    def _subject(self, decoder: Decoder, encoder: str | None) -> Subject:
        return subject_of(self._painter, self._clip, self._clip.path.parent, encoder, decoder=decoder)

    @cached_property
    def _material(self) -> Material:
        """The clip, and frames of it. They are decoded by software: the GPU's decoder has few surfaces to hold."""
        wanted = self._wanted
        write_natural_clip(self._clip.path, frames=wanted.frames, size=self._clip.size, fps=GENERATED_FPS)
        return prepare(self._subject("software", None), self._clock, seconds=wanted.seconds, frames=wanted.frames)

    def _pipeline(self, name: str, decoder: Decoder, encoder: str | None) -> Iterator[Check]:
        """The codecs alone, and the whole pipeline against the slower of them."""
        wanted, material, surfaces = self._wanted, self._material, device_surfaces(self._painter)
        try:
            if encoder == _ENCODERS[-1]:
                problem = surfaces.encoder_problem(encoder, *self._clip.size) if surfaces else "no CUDA device"
                if problem:
                    raise InputError(problem)
            subject = self._subject(decoder, encoder)
            rounds = [measure_round(subject, material, wanted.seconds, self._clock) for _ in range(wanted.readings)]
        except InputError as error:
            yield Check(name, None, note=one_line(error))
            return
        stages = ("decode", "encode", "whole") if encoder else ("decode", "whole")
        best = {stage: max(getattr(measured, stage).fps for measured in rounds) for stage in stages}
        for stage, fps in best.items():
            yield Check(f"{name}: {stage}" + ("" if stage == "whole" else " alone"), round(fps, 1))
        slowest = min(stages[:-1], key=lambda stage: best[stage])
        share, note = round(best["whole"] / best[slowest], 3), f"bound by {slowest}: {best[slowest]:.0f} fps"
        yield Check(f"{name}: share of the slower codec", share, "", wanted.whole, note)


def markdown(report: GpuReport) -> str:
    """The report as Markdown."""
    found = report.machine
    verdict = f"Does not hold: {'; '.join(report.failed)}." if report.failed else "Everything holds."
    rows = []
    for check in report.checks:
        value = "–" if check.value is None else f"{check.value:g} {check.unit}".strip()
        least = "" if check.least is None else f"{check.least:.3g} {check.unit}".strip()
        rows.append([check.name, value, least, {True: "yes", False: "**no**", None: ""}[check.holds], check.note])
    blocks = [
        [f"# GPU report: {', '.join(found['gpus']) or found['processor']}"],
        [
            f"{verdict} Measured in {report.seconds:.0f} s with the style {report.style}: {report.engine}."
            f" {machine_text(found, report.date)}."
        ],
        markdown_table(["what", "measured", "at least", "holds", ""], rows),
        [f"* {note}" for note in report.notes],
        [f"The tests that need a device: `{report.tests}`."],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
