"""Every check and measurement of the CUDA engine, as one call: what it reaches, and whether that is what it should.

Each figure is the best of a few short readings: the question is what the device can do, not how busy its machine is.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch

from realtime import pipeline
from realtime.benchmark import machine
from realtime.benchmark.cases import transnet_work
from realtime.benchmark.measure import Clock, SystemClock, Timing, to_and_fro
from realtime.benchmark.roofline import limit, measure_roof
from realtime.engines.base import OnDevice
from realtime.engines.cuda.engine import CudaEngine
from realtime.engines.cuda.runtime import CudaRuntime
from realtime.engines.fidelity import psnr
from realtime.engines.torch.device import choose_device
from realtime.engines.torch.engine import TorchEngine
from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media.files.reader import VideoReader
from realtime.media.files.surfaces import AUTO_SURFACE_ENCODERS, CudaSurfaces
from realtime.media.files.writer import VideoWriter
from realtime.media.synthetic.natural import natural_frames, write_natural_clip
from realtime.stylizer import Stylizer

SCHEMA = 1
TESTS = "python -m pytest -m gpu"
"""What runs the tests that need a device."""

Decoder = Literal["software", "cuda"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must hold.

    Attributes:
        fps: least frames a second of the network alone, by (width, height).
        roofline: least share of what the device's multiplications or memory allow, at the first of the sizes.
        whole: least share of the slower of decoding and encoding that the whole pipeline reaches.
        fidelity: least PSNR in dB against the CPU's fp32.
    """

    fps: Mapping[tuple[int, int], float] = field(default_factory=lambda: {(1920, 1080): 1500.0, (3840, 2160): 400.0})
    roofline: float = 1 / 3
    whole: float = 0.9
    fidelity: float = 45.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        seconds: of one reading of the network.
        readings: of each figure; the best counts.
        frames: of the clip that is decoded, painted and encoded.
        budget: seconds after which no further figure is begun.
    """

    seconds: float = 1.5
    readings: int = 3
    frames: int = 480
    budget: float = 540.0


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold, or is only told.

    Attributes:
        name: what was measured.
        value: the figure; None where it could not be measured.
        unit: of the figure.
        least: what it must reach; None where it is only told.
        note: what else is to be said, such as why it is not there.
    """

    name: str
    value: float | None
    unit: str
    least: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether it is as it must be; None where nothing is asked of it, or the machine has no such thing."""
        return None if self.least is None or self.value is None else self.value >= self.least


def _unmeasured(name: str) -> Check:
    """What there was no time for: a report without it must not pass."""
    return Check(name, 0.0, "", 1.0, "not measured: the time was up")


def gpu_report(
    style: str | Path,
    *,
    device: str = "cuda",
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "fp16",
    wanted: Wanted | None = None,
    effort: Effort | None = None,
    runtime: CudaRuntime | None = None,
    say: Callable[[str], None] = lambda text: None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Measure everything, and check what must hold.

    Args:
        style: a name from the gallery or a path.
        device: "cuda" or "cuda:N"; with `runtime` any that PyTorch knows.
        precision: of the network.
        wanted: what must hold, and at which sizes; None for the project's own figures.
        effort: how long.
        runtime: the device; None opens `device`. For tests.
        say: told in a line what is done next.
        clock: where readings come from.

    Returns:
        plain values, ready for JSON: `schema`, `date`, `machine`, `device`, `style`, `engine` (how it runs), `notes`,
        `checks` (name, value, unit, least, holds, note), `holds` (all that must), `failed` (names), `seconds`, `tests`.

    Raises:
        InputError: there is no such device, or the style is not to be had.
    """
    wanted, effort, clock = wanted or Wanted(), effort or Effort(), clock or SystemClock()
    return _Report(style, device, precision, wanted, effort, runtime, say, clock).run()


class _Report:
    def __init__(
        self,
        style: str | Path,
        device: str,
        precision: Literal["auto", "fp32", "fp16", "bf16"],
        wanted: Wanted,
        effort: Effort,
        runtime: CudaRuntime | None,
        say: Callable[[str], None],
        clock: Clock,
    ) -> None:
        if runtime is None and choose_device(device).type != "cuda":
            raise InputError(f"device {device!r}: the report is on CUDA devices")
        self.wanted, self.effort, self.say, self.clock = wanted, effort, say, clock
        self.checks: list[Check] = []
        self.began = clock.wall()
        say("the engine: choosing how it runs")
        self.style, self.device, self.asked = style, device, precision
        self.stylizer = Stylizer(style, backend="torch", device=device, precision=precision)
        if runtime is not None:
            assert isinstance(self.stylizer.engine, TorchEngine)
            self.stylizer.engine = CudaEngine(self.stylizer.engine.network, precision=precision, runtime=runtime)
        assert isinstance(self.stylizer.engine, CudaEngine)
        self.engine = self.stylizer.engine
        self.on_cuda = torch.device(self.engine.device).type == "cuda"

    def run(self) -> dict[str, Any]:
        if self.on_cuda:
            torch.cuda.reset_peak_memory_stats(self.engine.device)
        steps: list[tuple[str, Callable[[], None]]] = [
            *((f"network alone at {w}x{h}", lambda size=(w, h): self._network(size)) for w, h in self.wanted.fps),
            ("the same picture as the CPU's", self._fidelity),
            ("codecs and the whole pipeline", self._pipelines),
            ("ONNX Runtime", self._others),
        ]
        for name, step in steps:
            if self._left() <= 0:
                self.checks.append(_unmeasured(name))
                continue
            self.say(name)
            try:
                step()
            except RestyleError as error:
                self.checks.append(Check(name, 0.0, "", 1.0, f"failed: {' '.join(str(error).split())}"))
        if self.on_cuda:
            peak = torch.cuda.max_memory_allocated(self.engine.device) / 2**20
            self.checks.append(Check("peak of device memory", round(peak), "MiB"))
        failed = [check.name for check in self.checks if check.holds is False]
        return {
            "schema": SCHEMA,
            "date": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": machine.describe(),
            "device": self.engine.device,
            "style": self.stylizer.style.name,
            "engine": self.engine.description,
            "notes": list(self.engine.notes),
            "checks": [{**asdict(check), "holds": check.holds} for check in self.checks],
            "holds": not failed,
            "failed": failed,
            "seconds": round(self.clock.wall() - self.began, 1),
            "tests": TESTS,
        }

    def _left(self) -> float:
        return self.effort.budget - (self.clock.wall() - self.began)

    def _best(self, read: Callable[[], Timing]) -> float:
        """Frames a second of the best of some readings."""
        best = 0.0
        for reading in range(self.effort.readings):
            if reading and self._left() <= 0:
                break
            best = max(best, read().fps)
        return best if math.isfinite(best) else 0.0

    # The network

    def _network(self, size: tuple[int, int]) -> None:
        name = f"{size[0]}x{size[1]}"
        batch = self.engine.batch
        frames = list(natural_frames(batch, size=size))
        with_copies = self._best(lambda: self._paint(frames))
        there = self.engine.begin(frames, on_device=True)()
        alone = self._best(lambda: self._paint(there, on_device=True))
        least = self.wanted.fps[size]
        self.checks.append(Check(f"network alone, {name}", round(alone, 1), "fps", least, "planes stay on the device"))
        self.checks.append(Check(f"network with copies to it and back, {name}", round(with_copies, 1), "fps"))
        if size == next(iter(self.wanted.fps)):
            self._roofline(size, alone)

    def _paint(self, frames: Sequence[Frame], *, on_device: bool = False) -> Timing:
        """Batch after batch, with the next begun before the last is waited for, as the pipeline does."""
        engine, clock = self.engine, self.clock
        waiting = engine.begin(frames, on_device=on_device)
        wall, cpu = clock.wall(), clock.cpu()
        done = 0
        while not done or clock.wall() - wall < self.effort.seconds:
            following = engine.begin(frames, on_device=on_device)
            waiting()
            waiting = following
            done += len(frames)
        seconds = clock.wall() - wall
        waiting()
        return Timing(done, seconds, clock.cpu() - cpu)

    def _roofline(self, size: tuple[int, int], fps: float) -> None:
        engine = self.engine
        roof = measure_roof(engine.device, engine.precision, self.clock)
        work = transnet_work(self.stylizer.style.architecture, *size)
        bound = limit(work.macs, work.traffic(engine.precision, *size), roof)
        self.checks.append(
            Check(
                f"share of the roofline, {size[0]}x{size[1]}",
                round(fps * bound.seconds, 3),
                "",
                self.wanted.roofline,
                f"bound by {bound.by}: {1 / bound.seconds:.0f} fps at {roof.macs / 1e12:.1f} TMAC/s, "
                f"{roof.copy / 1e9:.0f} GB/s",
            )
        )

    def _fidelity(self) -> None:
        size = min(self.wanted.fps)
        frames = list(natural_frames(2, size=(min(size[0], 1280), min(size[1], 720))))
        with TorchEngine(self.engine.network, device="cpu", precision="fp32") as cpu:
            exact = cpu.stylize(frames)
        found = psnr(exact, self.engine.stylize(frames))
        self.checks.append(Check("PSNR against the CPU in fp32", round(found, 2), "dB", self.wanted.fidelity))

    # Codecs

    def _pipelines(self) -> None:
        with tempfile.TemporaryDirectory(prefix="restyle-gpu-") as name:
            folder = Path(name)
            size = next(iter(self.wanted.fps))
            clip = folder / "clip.mp4"
            write_natural_clip(clip, frames=self.effort.frames, size=size)
            decoders = self._decoders(clip)
            encoders = self._encoders(clip, folder, size)
            for decoder, decode in decoders.items():
                self._whole(clip, None, decoder, decode, None)
                for encoder, encode in encoders.items():
                    self._whole(clip, folder / f"{encoder}.mp4", decoder, decode, (encoder, encode))

    def _surfaces(self) -> CudaSurfaces | None:
        engine = self.engine
        return CudaSurfaces(engine.index, engine.bind) if isinstance(engine, OnDevice) and self.on_cuda else None

    def _open(self, clip: Path, decoder: Decoder) -> VideoReader:
        return VideoReader(clip, decoder=decoder, surfaces=self._surfaces() if decoder == "cuda" else None)

    def _decoders(self, clip: Path) -> dict[Decoder, float]:
        """Frames a second of each decoder alone."""
        found: dict[Decoder, float] = {}
        for decoder in ("software", "cuda"):
            kind: Decoder = "cuda" if decoder == "cuda" else "software"

            def read(kind: Decoder = kind) -> Timing:
                with self._open(clip, kind) as reader:
                    wall, cpu = self.clock.wall(), self.clock.cpu()
                    frames = sum(1 for _ in reader)
                    return Timing(frames, self.clock.wall() - wall, self.clock.cpu() - cpu)

            try:
                found[kind] = self._best(read)
                self.checks.append(Check(f"decode alone, {kind}", round(found[kind], 1), "fps"))
            except InputError as error:
                self.checks.append(Check(f"decode alone, {kind}", None, "fps", note=str(error)))
        return found

    def _encoders(self, clip: Path, folder: Path, size: tuple[int, int]) -> dict[str, float]:
        """Frames a second of each encoder alone."""
        styled = self.engine.stylize(list(natural_frames(8, size=size)))
        found: dict[str, float] = {}
        there = self._surfaces()
        for name in ("libx264", AUTO_SURFACE_ENCODERS["libx264"]):
            if name != "libx264":
                problem = "no CUDA device" if there is None else there.encoder_problem(name, *size)
                if problem:
                    self.checks.append(Check(f"encode alone, {name}", None, "fps", note=problem))
                    continue

            def write(name: str = name) -> Timing:
                target = folder / "alone.mp4"
                with (
                    self._open(clip, "software") as reader,
                    VideoWriter(target, reader, encoder=name, overwrite=True, surfaces=there) as writer,
                ):
                    wall, cpu = self.clock.wall(), self.clock.cpu()
                    for frame in to_and_fro(styled, self.effort.frames):
                        writer.write(frame)
                    writer.finish()
                    return Timing(self.effort.frames, self.clock.wall() - wall, self.clock.cpu() - cpu)

            found[name] = self._best(write)
            self.checks.append(Check(f"encode alone, {name}", round(found[name], 1), "fps"))
        return found

    def _whole(
        self, clip: Path, target: Path | None, decoder: Decoder, decode: float, encode: tuple[str, float] | None
    ) -> None:
        """The pipeline against the slower of its codecs; without a target the frames go nowhere."""
        name = f"whole, decoded by {decoder}, " + (f"encoded by {encode[0]}" if encode else "into a null sink")
        if self._left() <= 0:
            self.checks.append(_unmeasured(name))
            return
        self.say(name)
        fps = self._best(lambda: self._run(clip, target, decoder, encode[0] if encode else ""))
        slowest = min(decode, encode[1]) if encode else decode
        by = encode[0] if encode and encode[1] <= decode else "decoding"
        self.checks.append(Check(name, round(fps, 1), "fps"))
        self.checks.append(
            Check(
                f"{name}: share of the slower codec",
                round(fps / slowest, 3) if slowest else None,
                "",
                self.wanted.whole,
                f"bound by {by}: {slowest:.0f} fps",
            )
        )

    def _run(self, clip: Path, target: Path | None, decoder: Decoder, encoder: str) -> Timing:
        wall, cpu = self.clock.wall(), self.clock.cpu()
        if target is not None:
            summary = self.stylizer.video(clip, target, decoder=decoder, encoder=encoder, overwrite=True)
            frames = int(summary["frames"])
        else:
            with self._open(clip, decoder) as reader:
                engine = self.engine
                report = pipeline.run(
                    reader,
                    lambda frames: pipeline.Future(engine.begin(frames, on_device=decoder == "cuda")),
                    lambda frame: None,
                    batch=engine.batch,
                    ahead=engine.ahead,
                    fits=Frame.batches_with,
                )
                frames = report.frames_out
        return Timing(frames, self.clock.wall() - wall, self.clock.cpu() - cpu)

    # The others

    def _others(self) -> None:
        """ONNX Runtime on the same device, beside ours."""
        from realtime.benchmark.measure import time_network

        size = next(iter(self.wanted.fps))
        frames = list(natural_frames(self.engine.batch, size=size))
        number = self.engine.device.partition(":")[2] or "0"
        for word, title in (("cuda", "CUDA"), ("tensorrt", "TensorRT")):
            name = f"ONNX Runtime, {title}, {size[0]}x{size[1]}"
            try:
                if not self.on_cuda:
                    raise InputError("no CUDA device")
                other = Stylizer(self.style, backend="onnx", device=f"{word}:{number}").engine
                fps = self._best(
                    lambda other=other: time_network(  # type: ignore[misc]
                        other, frames, other.batch, self.effort.seconds, self.clock
                    )
                )
            except InputError as error:
                self.checks.append(Check(name, None, "fps", note=f"not here: {' '.join(str(error).split())}"))
                continue
            self.checks.append(Check(name, round(fps, 1), "fps", note="; ".join(other.notes)))


def markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    gpus = ", ".join(report["machine"]["gpus"]) or report["machine"]["processor"]
    packages = ", ".join(f"{name} {number}" for name, number in report["machine"]["packages"].items())
    verdict = "Everything holds." if report["holds"] else f"Does not hold: {'; '.join(report['failed'])}."
    lines = [
        f"# GPU report: {gpus}",
        "",
        f"{verdict} Measured {report['date']} in {report['seconds']:.0f} s with the style {report['style']}:"
        f" {report['engine']}. {packages}, Python {report['machine']['python']}.",
        "",
        "| what | measured | at least | holds | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for check in report["checks"]:
        value = "–" if check["value"] is None else f"{check['value']:g} {check['unit']}".strip()
        least = "" if check["least"] is None else f"{check['least']:.3g} {check['unit']}".strip()
        holds = {True: "yes", False: "**no**", None: ""}[check["holds"]]
        lines.append(f"| {check['name']} | {value} | {least} | {holds} | {check['note'].replace('|', '/')} |")
    lines += ["", *(f"* {note}" for note in report["notes"])] if report["notes"] else []
    return "\n".join([*lines, "", f"The tests that need a device: `{report['tests']}`."]) + "\n"
