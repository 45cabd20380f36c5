"""The ONNX engine: TransNet, or anybody's ONNX file, in ONNX Runtime.

On a CPU frames are painted side by side, one on each worker, as in the PyTorch engine and for the same reason. On a
device they go in batches, through sessions whose inputs and outputs stay there.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from realtime.engines.base import Trace
from realtime.engines.onnx.graph import Target, build
from realtime.engines.onnx.io_adapters import FORMAT, CellsForm, Form, card_of, describe
from realtime.engines.onnx.quantise import Calibration, balanced, calibrate, generated_pictures
from realtime.engines.onnx.sessions import OrtSession, Place, Session, choose_place
from realtime.engines.workers import MOST_WORKERS, start_workers, using_threads
from realtime.errors import InputError
from realtime.frames import Frame, Matrix, Range
from realtime.media.convert.planes import blend
from realtime.memory import keep_memory
from realtime.options import Precision
from realtime.transnet.checkpoint import StyleCard
from realtime.transnet.folding import fold
from realtime.transnet.network import TransNet

Opener = Callable[[bytes | Path, int, int], list[Session]]
"""Opens a model for so many runs side by side, with so many threads each. One session may stand in the list twice."""

DEVICE_BATCH = 8
"""Frames at once on a device."""

_Finish = Callable[[Sequence[Frame], Sequence[Frame]], list[Frame]]


class NetworkModels:
    """A network as ONNX models, one for each meaning of the planes' numbers: cells in, cells out.

    Args:
        network: in its training form.
        precision: "fp32", "fp16" or "int8".
        target: see `realtime.engines.onnx.graph.build`.
        calibration: for int8; None measures on generated pictures.
    """

    def __init__(
        self, network: TransNet, precision: str, *, target: Target, calibration: Calibration | None = None
    ) -> None:
        self.network, self.precision, self.target = network, precision, target
        if precision == "int8" and calibration is None:
            with using_threads(1):  # small pictures, and often a busy machine: two threads would wait for each other
                calibration = calibrate(network, generated_pictures())
        self.calibration = calibration

    def __call__(self, matrix: Matrix, range: Range) -> bytes:
        """The model's bytes."""
        folded = fold(self.network, matrix, range)
        spans = None
        if self.precision == "int8":
            assert self.calibration is not None
            folded, spans = balanced(folded, self.calibration.gains), self.calibration.spans
        model = build(folded, ends="cells", half=self.precision == "fp16", spans=spans, target=self.target)
        data: bytes = model.SerializeToString()
        return data


class SessionEngine:
    """What the engines that run ONNX models share. See `realtime.engines.base.Engine`.

    Args:
        source: models of a network, or a file.
        opener: opens what `source` gives.
        backend: the engine's name.
        device: as `Engine.device`.
        precision: what `source` computes in; None asks the file.
        side_by_side: frames run on workers, one each; else in batches.
        batch: frames at once; None takes one for each worker, or `DEVICE_BATCH`.
        threads: on the CPU; None takes one for each core.

    Attributes:
        style: what a file says of its style; None for a network.
        foreign: whether it is a file that restyle has not made: of its architecture nothing is known.
    """

    def __init__(
        self,
        source: NetworkModels | Path,
        opener: Opener,
        *,
        backend: str,
        device: str,
        precision: str | None,
        side_by_side: bool,
        batch: int | None,
        threads: int | None,
    ) -> None:
        if batch is not None and batch < 1:
            raise InputError(f"batch {batch}: must be 1 or more")
        if threads is not None and threads < 1:
            raise InputError(f"threads {threads}: must be 1 or more")
        self.backend, self.device = backend, device
        self.threads = threads or torch.get_num_threads()
        self.notes: list[str] = []
        self.trace: Trace | None = None
        self.style: StyleCard | None = None
        self.foreign = False
        self._source, self._opener = source, opener
        self._count = min(self.threads, MOST_WORKERS) if side_by_side else 1
        self._each = max(1, self.threads // self._count)
        if side_by_side:
            keep_memory()
        self._workers = start_workers(self.threads) if side_by_side else None
        self.ahead = 0 if self._workers is None else 1
        self._sessions: dict[tuple[Matrix, Range] | None, queue.SimpleQueue[Session]] = {}
        self._wide: dict[tuple[Matrix, Range] | None, queue.SimpleQueue[Session]] = {}
        self._form: Form = CellsForm()
        if isinstance(source, Path):
            first = self._open(None).get_nowait()
            self._sessions[None].put(first)
            self._form = describe(first, source)
            self.style = card_of(first, source)
            precision = precision or _precision_of(first)
            self.foreign = first.metadata.get("format") != FORMAT
            if self.foreign:
                self.notes.append(_taken_for(self._form))
        self.precision = precision or "fp32"
        self.batch = batch or (self._count if side_by_side else DEVICE_BATCH)
        self._describe("")

    def _describe(self, runs_on: str) -> None:
        how = f"batches of {self.batch}"
        if self._workers is not None:
            how = f"{self.threads} {'threads' if self.threads > 1 else 'thread'}"
        by = f" ({runs_on})" if runs_on else ""
        self.description = f"{self.backend} on {self.device}{by}, {self.precision}, {how}"

    def _model(self, key: tuple[Matrix, Range] | None) -> bytes | Path:
        return self._source if isinstance(self._source, Path) else self._source(*(key or ("bt709", "limited")))

    def _open(self, key: tuple[Matrix, Range] | None) -> queue.SimpleQueue[Session]:
        """Sessions for frames side by side."""
        if key not in self._sessions:
            self._sessions[key] = _pool(self._opener(self._model(key), self._count, self._each))
        return self._sessions[key]

    def _open_wide(self, key: tuple[Matrix, Range] | None) -> queue.SimpleQueue[Session]:
        """A session that has all threads for one frame."""
        if key not in self._wide:
            self._wide[key] = _pool(self._opener(self._model(key), 1, self.threads))
        return self._wide[key]

    def _key(self, frames: Sequence[Frame]) -> tuple[Matrix, Range] | None:
        color = frames[0].color
        return None if isinstance(self._source, Path) else (color.matrix, color.range)

    def stylize(self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False) -> list[Frame]:
        """See `realtime.engines.base.Engine.stylize`."""
        if not frames:
            return []
        finish = partial(_finished, strength=strength, keep_color=keep_color)
        if self._workers is None:
            return self._paint(self._open(self._key(frames)), frames, finish)
        if len(frames) == 1:  # all threads on the one frame
            pool = self._open_wide(self._key(frames)) if self._count > 1 else self._open(self._key(frames))
            return self._paint(pool, frames, finish)
        return self.begin(frames, strength=strength, keep_color=keep_color)()

    def begin(
        self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False
    ) -> Callable[[], list[Frame]]:
        """See `realtime.engines.base.Overlapping.begin`. Without workers the work is done before this returns."""
        if self._workers is None or not frames:
            styled = self.stylize(frames, strength=strength, keep_color=keep_color)
            return lambda: styled
        pool, finish = self._open(self._key(frames)), partial(_finished, strength=strength, keep_color=keep_color)
        jobs = [self._workers.submit(self._paint, pool, [frame], finish) for frame in frames]
        return lambda: [frame for job in jobs for frame in job.result()]

    def _paint(self, pool: queue.SimpleQueue[Session], frames: Sequence[Frame], finish: _Finish) -> list[Frame]:
        begin = time.perf_counter()
        session = pool.get()
        try:
            styled = finish(frames, self._run(session, frames))
        finally:
            pool.put(session)
        if self.trace is not None:
            self.trace("paint", frames, begin, time.perf_counter())
        return styled

    def _run(self, session: Session, frames: Sequence[Frame]) -> list[Frame]:
        most = self._form.most or len(frames)
        styled: list[Frame] = []
        for first in range(0, len(frames), most):
            some = list(frames[first : first + most])
            filled = some + some[-1:] * (most - len(some))
            styled += self._form.frames(session.run(self._form.feeds(filled)), filled)[: len(some)]
        self._describe(session.runs_on)
        for note in session.notes:
            if note not in self.notes:
                self.notes.append(note)
        return styled


def _pool(sessions: Sequence[Session]) -> queue.SimpleQueue[Session]:
    pool: queue.SimpleQueue[Session] = queue.SimpleQueue()
    for session in sessions:
        pool.put(session)
    return pool


def _finished(source: Sequence[Frame], styled: Sequence[Frame], *, strength: float, keep_color: bool) -> list[Frame]:
    """Styled frames, blended with their sources and in their colours as far as wanted."""
    done = []
    for before, after in zip(source, styled, strict=True):
        if strength < 1:
            after = blend(before, after, strength)
        done.append(after.with_planes(after.y, before.u, before.v) if keep_color else after)
    return done


def _precision_of(session: Session) -> str:
    """What a file computes in, as far as it can be seen."""
    said = session.metadata.get("precision", "")
    if session.metadata.get("format") == FORMAT and said in ("fp32", "fp16", "int8"):
        return said
    return "fp16" if session.inputs[0].type == "float16" else "fp32"


def _taken_for(form: Form) -> str:
    """What an unknown network was taken for."""
    full = getattr(form, "full", 1.0)
    size = getattr(form, "size", None)
    text = f"taken for a network on RGB in 0..{full:g}"
    return text + (f"; it takes {size[0]}x{size[1]} only: frames are scaled to that and back" if size else "")


class OnnxEngine(SessionEngine):
    """Runs a TransNet, or an ONNX file, in ONNX Runtime.

    Args:
        network: in its training form; or a file, made by `restyle export` or by others (a plain RGB network).
        device: see `realtime.engines.onnx.sessions.choose_place`.
        precision: "fp32" or "int8" on the CPU, "fp32" or "fp16" elsewhere; "auto" takes fp32 on the CPU (see
            `realtime.engines.choice` for what is faster) and fp16 elsewhere. A file has its own.
        batch: frames at once; None takes one for each core on a CPU, and 8 elsewhere.
        threads: on the CPU; None takes one for each core.
        calibration: for int8; None measures on generated pictures.

    Raises:
        InputError: a device or precision is not to be had.
        StyleError: the file is damaged, or no style network.
    """

    def __init__(
        self,
        network: TransNet | Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        batch: int | None = None,
        threads: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        place = choose_place(device)
        on_cpu = place.kind.memory == "cpu"
        source: NetworkModels | Path
        if isinstance(network, Path):
            wanted, source = None, network
        else:
            wanted = choose_precision(precision, place)
            target: Target = "cpu" if place.kind.word in ("cpu", "openvino") else "any"
            source = NetworkModels(network, wanted, target=target, calibration=calibration)

        def opener(model: bytes | Path, count: int, threads: int) -> list[Session]:
            # one session runs any number of frames at once, but its further threads are shared by all of them
            opened: list[Session] = [
                OrtSession(model, place, threads=threads) for _ in range(1 if threads == 1 else count)
            ]
            return [opened[n % len(opened)] for n in range(count)]

        super().__init__(
            source,
            opener,
            backend="onnx",
            device=place.name,
            precision=wanted,
            side_by_side=on_cpu and not place.kind.fixed,
            batch=batch,
            threads=threads,
        )
        if isinstance(network, Path):
            check_file_precision(network, self.precision, precision)


def choose_precision(wanted: Precision, place: Place) -> str:
    """The precision meant by "auto" on a device; any other as it is.

    Raises:
        InputError: ONNX Runtime does not compute in it there.
    """
    there = ("fp32", "fp16") if place.kind.half else ("fp32", "int8")
    if wanted == "auto":
        return "fp16" if place.kind.half else "fp32"
    if wanted not in there:
        hint = "; --backend torch has it where the processor does" if wanted == "bf16" else ""
        raise InputError(f"precision {wanted!r}: ONNX Runtime on {place.name} takes auto, {' or '.join(there)}{hint}")
    return wanted


def check_file_precision(path: Path, found: str, wanted: Precision) -> None:
    """Refuse a precision that a file has not.

    Raises:
        InputError: it is another one.
    """
    if wanted not in ("auto", found):
        raise InputError(f"{path}: computes in {found}; leave --precision away, or export the style in {wanted}")
