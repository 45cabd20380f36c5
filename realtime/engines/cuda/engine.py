"""The CUDA engine: batches on a device, and what to do when its memory is full.

Where memory runs out, the batch is halved and the work goes on; a single frame that does not fit is painted in tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock

from realtime.engines.base import DEFAULT_PAINT, Closing, Finish, Trace
from realtime.engines.cuda.batches import Batches, Job
from realtime.engines.cuda.errors import device_lost, first_line, is_lost, is_out_of_memory
from realtime.engines.cuda.lanes import SLOTS
from realtime.engines.cuda.runtime import CudaRuntime
from realtime.engines.tiling import SIDE, stylize_in_tiles
from realtime.engines.torch.device import DTYPES, choose_device, torch_precision
from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.options import PaintOptions, Precision
from realtime.transnet.network import TransNet

DEFAULT_BATCH = 8
"""Frames at once where nothing was measured."""

_SMALLEST_TILE = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """How the engine runs; see `realtime.engines.cuda.tuning` for how it is chosen.

    Attributes:
        batch: frames at once.
        graphs: whether a batch's work is started as one recorded graph.
    """

    batch: int = DEFAULT_BATCH
    graphs: bool = True

    def __str__(self) -> str:
        return f"batches of {self.batch}" + (", CUDA graphs" if self.graphs else "")


class CudaEngine(Closing):
    """Runs a TransNet on a CUDA device. See `realtime.engines.base.Engine` and `OnDevice`.

    Args:
        network: in its training form. It is folded for the colours of the frames that come.
        device: "auto", "cuda" or "cuda:N".
        precision: see `torch_precision`.
        batch: frames at once; None takes the plan's.
        plan: how to run; None takes a default.
        runtime: the device; None opens `device`. For tests.
        notes: further notes, of whoever chose this engine.

    Raises:
        InputError: a device or precision is not available.
    """

    backend = "torch"
    ahead = SLOTS - 1

    def __init__(
        self,
        network: TransNet,
        *,
        device: str = "cuda",
        precision: Precision = "auto",
        batch: int | None = None,
        plan: Plan | None = None,
        runtime: CudaRuntime | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if runtime is None:
            where = choose_device(device)
            if where.type != "cuda":
                raise InputError(f"device {device!r}: this engine is for CUDA devices")
            runtime = CudaRuntime(where)
        plan = plan or Plan()
        self.network = network
        self.device = str(runtime.where)
        self.precision = torch_precision(precision, runtime.where)
        self._runtime = runtime
        self._notes = list(notes)
        self._batch = batch or plan.batch
        self._tiled: set[tuple[int, int]] = set()
        self._lock = RLock()
        dtype = DTYPES[self.precision]
        self._batches = Batches(network, runtime, dtype, graphs=plan.graphs, note=self._notes.append)

    @property
    def index(self) -> int:
        """See `OnDevice.index`."""
        return self._runtime.where.index or 0

    def bind(self) -> None:
        """See `OnDevice.bind`."""
        self._runtime.bind()

    @property
    def batch(self) -> int:
        """See `Engine`. Becomes less where the memory does not suffice."""
        return self._batch

    @property
    def plan(self) -> Plan:
        """How it runs."""
        return Plan(self._batch, self._batches.lanes.graphs)

    @property
    def description(self) -> str:
        """See `Engine`."""
        return f"torch on {self.device} ({self._runtime.title}), {self.precision}, {self.plan}"

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Engine`."""
        return tuple(self._notes)

    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> list[Frame]:
        """See `Engine.stylize`."""
        return self.begin(frames, paint)()

    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = DEFAULT_PAINT,
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Finish:
        """See `Engine.begin`.

        Raises:
            DeviceLost: the device has failed; this process cannot use it any more.
            RestyleError: a single frame does not fit into its memory, not even in tiles.
        """
        job, frames = Job(paint, on_device, trace), list(frames)
        with self._lock, self._device_errors():
            parts = self._start(frames, job)

        def finish() -> list[Frame]:
            with self._device_errors():
                try:
                    return [frame for part in parts for frame in part()]
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    # Found out late: a kernel allocates memory when it runs.
                    with self._lock:
                        self._halve(error, len(frames))
                        return [frame for part in self._start(frames, job) for frame in part()]

        return finish

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._batches.lanes.clear()

    @contextmanager
    def _device_errors(self) -> Iterator[None]:
        """Raise `DeviceLost` for the errors that mean it."""
        try:
            yield
        except RuntimeError as error:
            if is_lost(error):
                raise device_lost(self._runtime.where, error) from error
            raise

    def _start(self, frames: list[Frame], job: Job) -> list[Finish]:
        """Start frames in as few batches as the memory allows."""
        started: list[Finish] = []
        at = 0
        while at < len(frames):
            group = frames[at : at + self._batch]
            if (group[0].height, group[0].width) in self._tiled:
                started += [self._in_tiles(frame, job, None) for frame in group]
                at += len(group)
                continue
            capacity = next(size for size in capacities(self._batch) if size >= len(group))
            try:
                started.append(self._batches.start(group, capacity, job))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if len(group) > 1:
                    self._halve(error, len(group))
                    continue
                self._batches.lanes.clear()
                started.append(self._in_tiles(group[0], job, error))
            at += len(group)
        return started

    def _halve(self, error: BaseException, tried: int) -> None:
        self._batches.lanes.clear()
        self._batch = max(1, min(self._batch, tried) // 2)
        self._note(f"{self.device}: out of memory with {tried} frames at once; going on with {self._batch}")

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    def _in_tiles(self, frame: Frame, job: Job, error: BaseException | None) -> Finish:
        """Paint a frame that does not fit as a whole. A tile that does not fit either comes here again."""
        architecture, longest = self.network.architecture, max(frame.width, frame.height)
        # Instance norm would normalise every tile by itself.
        if longest <= _SMALLEST_TILE + 2 * architecture.reach or architecture.instance_norm:
            why = first_line(error) if error is not None else "out of memory"
            raise RestyleError(
                f"{self.device}: its memory is too small for {frame.width}x{frame.height} pixels ({why}); close what "
                f"else runs there, choose a smaller --size, or --device cpu"
            ) from error
        self._tiled.add((frame.height, frame.width))
        self._note(f"{self.device}: out of memory with {frame.width}x{frame.height} pixels at once; they go in tiles")
        side = min(SIDE, max(_SMALLEST_TILE, longest // 2 // 16 * 16))
        styled = stylize_in_tiles(self, frame, job.paint, reach=architecture.reach, side=side)
        return lambda: [styled]


def capacities(most: int) -> list[int]:
    """Numbers of frames that lanes are made for: 1, 2, 4, ... up to `most`, and `most` itself."""
    sizes = [1]
    while sizes[-1] * 2 < most:
        sizes.append(sizes[-1] * 2)
    return sizes if sizes[-1] == most else [*sizes, most]
