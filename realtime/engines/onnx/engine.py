"""The ONNX and the OpenVINO engine: a TransNet, or any style network in an ONNX file, in one of the two runtimes.

On a CPU frames are painted side by side, one by each worker, as in the PyTorch engine and for the same reason. On other
devices they are painted in batches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import torch

from realtime.engines.base import DEFAULT_PAINT, Closing, Finish, Trace
from realtime.engines.onnx.calibration import Calibration, calibrate
from realtime.engines.onnx.channel_balancing import balanced
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.engines.onnx.graph import build
from realtime.engines.onnx.io_adapters import IoAdapter, PackedIo
from realtime.engines.onnx.model_file import inspect_file
from realtime.engines.onnx.session import Runtime, Session
from realtime.engines.workers import MOST_WORKERS, start_workers, using_threads
from realtime.errors import InputError
from realtime.frames import Frame, Matrix, Range
from realtime.media.convert.planes import blend
from realtime.options import PaintOptions, Precision
from realtime.transnet.checkpoint import StyleCard
from realtime.transnet.folding import fold
from realtime.transnet.network import TransNet

DEVICE_BATCH = 8
"""Default of the batch on a device other than the CPU."""

Meaning = tuple[Matrix, Range]


class OnnxEngine(Closing):
    """Runs ONNX models. See `realtime.engines.base.Engine`.

    Args:
        source: a network in its training form; or a file, made by `restyle export` or by others (a plain RGB network).
        runtime: what runs it.
        precision: what it computes in. A file has its own.
        batch: frames at once; None takes one for each worker on a CPU, and 8 elsewhere.
        threads: on the CPU; None takes one for each core.
        calibration: for precision int8 only; None measures on generated pictures.
        notes: further notes, of whoever chose this engine.

    Attributes:
        threads: of the CPU.
        style: what a file says of its style; None for a network.
        foreign: the source is a file that was not written by `restyle export`: its architecture is not known.

    Raises:
        InputError: the precision is not available.
        StyleError: the file is damaged, or no style network.
    """

    style: StyleCard | None

    def __init__(
        self,
        source: TransNet | Path,
        runtime: Runtime,
        *,
        precision: Precision = "auto",
        batch: int | None = None,
        threads: int | None = None,
        calibration: Calibration | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.backend, self.device = runtime.backend, runtime.device
        self.threads = threads or torch.get_num_threads()
        self._source, self._runtime = source, runtime
        self._side_by_side = min(self.threads, MOST_WORKERS) if runtime.side_by_side else 1
        self._sessions: dict[tuple[Meaning | None, int], Session] = {}
        self._lock = Lock()
        self._notes = tuple(notes)
        self.precision, self.style, self.foreign = "fp32", None, False
        self._adapter: IoAdapter
        if isinstance(source, Path):
            self._inspect(source, precision)
        else:
            self.precision = _chosen(precision, runtime)
            self._adapter = PackedIo(source.architecture)
        if self.precision == "int8" and calibration is None and not isinstance(source, Path):
            with using_threads(1):  # small pictures: two threads would only wait for each other
                calibration = calibrate(source, generated_pictures())
        self._calibration = calibration if self.precision == "int8" else None
        self.batch = batch or (self._side_by_side if runtime.side_by_side else DEVICE_BATCH)
        how = f"batches of {self.batch}"
        if runtime.side_by_side:
            how = f"{self.threads} {'threads' if self.threads > 1 else 'thread'}"
        self.description = f"{self.backend} on {self.device} ({runtime.title}), {self.precision}, {how}"
        self._workers = start_workers(self.threads) if runtime.side_by_side else None
        self.ahead = 0 if self._workers is None else 1

    def _inspect(self, path: Path, precision: Precision) -> None:
        """Take over what a file says of itself."""
        file = inspect_file(self._session(None), path)
        self._adapter, self.style, self.precision, self.foreign = file.adapter, file.card, file.precision, file.foreign
        self._notes += file.notes
        if precision not in ("auto", file.precision):
            hint = f"leave --precision out, or export the style in {precision}"
            raise InputError(f"{path}: computes in {file.precision}; {hint}")

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Engine`."""
        sessions = [note for session in self._sessions.values() for note in session.notes]
        return (*self._notes, *dict.fromkeys(sessions))

    def _session(self, meaning: Meaning | None, *, alone: bool = False) -> Session:
        """A session for frames side by side, or one that has all threads for a frame `alone`."""
        parallel = 1 if alone else self._side_by_side
        with self._lock:
            if (meaning, parallel) not in self._sessions:
                model = self._source if isinstance(self._source, Path) else self._model(self._source, meaning)
                options = {"bf16": True} if self.precision == "bf16" else {}
                self._sessions[meaning, parallel] = self._runtime.open(
                    model, parallel=parallel, threads=self.threads // parallel, **options
                )
            return self._sessions[meaning, parallel]

    def _model(self, network: TransNet, meaning: Meaning | None) -> bytes:
        assert meaning is not None
        folded, quantizations = fold(network, *meaning), None
        if self._calibration is not None:
            folded, quantizations = balanced(folded, self._calibration.gains), self._calibration.quantizations
        half, target = self.precision == "fp16", self._runtime.target
        model = build(folded, io="packed", half=half, quantizations=quantizations, target=target)
        data: bytes = model.SerializeToString()
        return data

    def _meaning(self, frames: Sequence[Frame]) -> Meaning | None:
        """What a network is folded for; None for a file."""
        color = frames[0].color
        return None if isinstance(self._source, Path) else (color.matrix, color.range)

    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> list[Frame]:
        """See `Engine.stylize`."""
        if self._workers is None or len(frames) != 1:
            return self.begin(frames, paint)()
        return self._paint(self._session(self._meaning(frames), alone=True), frames, paint, None)

    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = DEFAULT_PAINT,
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Finish:
        """See `Engine.begin`."""
        if not frames:
            return list
        session = self._session(self._meaning(frames))
        if self._workers is None:
            styled = self._paint(session, frames, paint, trace)
            return lambda: styled
        jobs = [self._workers.submit(self._paint, session, [frame], paint, trace) for frame in frames]
        return lambda: [frame for job in jobs for frame in job.result()]

    def _paint(
        self, session: Session, frames: Sequence[Frame], paint: PaintOptions, trace: Trace | None
    ) -> list[Frame]:
        began = time.perf_counter()
        batch = self._adapter.batch or len(frames)
        styled: list[Frame] = []
        for first in range(0, len(frames), batch):
            some = list(frames[first : first + batch])
            filled = some + some[-1:] * (batch - len(some))
            outputs = session.run(self._adapter.inputs(filled, paint))
            styled += self._adapter.frames(outputs, filled)[: len(some)]
        if paint.strength < 1:
            styled = [blend(source, frame, paint.strength) for source, frame in zip(frames, styled, strict=True)]
        if paint.keep_color:
            styled = [s.with_planes(s.y, source.u, source.v) for source, s in zip(frames, styled, strict=True)]
        if trace is not None:
            trace("paint", frames, began, time.perf_counter())
        return styled

    def close(self) -> None:
        """See `Engine.close`."""
        if self._workers is not None:
            self._workers.shutdown()
        self._sessions.clear()


def _chosen(precision: Precision, runtime: Runtime) -> str:
    """The number format meant by "auto"; any other as it is, if the runtime has it."""
    if precision == "auto":
        return runtime.precisions[0]
    if precision not in runtime.precisions:
        able = f"the {runtime.backend} engine on {runtime.device} takes auto, {', '.join(runtime.precisions)}"
        raise InputError(f"precision {precision!r}: {able}; another --backend may have it")
    return precision
