"""The CUDA engine: planes to the GPU and back beside the network's work, as few kernels as possible between.

What happens to a batch, in three streams that wait for each other by events, while the CPU goes on with the next one:

    upload     pinned memory ─► the device: Y, U and V as they are, 1.5 bytes a pixel
    compute    unshuffle and sign · network (fp16, channels_last) · blend, round, clamp, shuffle: one recorded graph
    download   the device ─► pinned memory, which the frames' planes are views of

Frames that already lie on the device (a hardware decoder's surfaces) are copied there instead of being uploaded, and
where surfaces are wanted, results stay there. `begin` returns when all of that is queued; what it returns waits.

Where memory runs out the batch is halved and the work goes on; a single frame that does not fit goes in tiles.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realtime.engines.base import Precision, Trace
from realtime.engines.cuda.cudnn import CudnnTransNet, cudnn_problem
from realtime.engines.cuda.device import (
    CudaDevice,
    Device,
    Mark,
    Stream,
    first_line,
    is_lost,
    is_out_of_memory,
    lost,
    sizes_up_to,
)
from realtime.engines.cuda.plane_packing import Ends, Layout, PlainEnds
from realtime.engines.cuda.triton_packing import TritonEnds, triton_problem
from realtime.engines.tiling import SIDE, stylize_in_tiles
from realtime.engines.torch.engine import TYPES, choose_device, choose_precision
from realtime.errors import InputError, RestyleError
from realtime.frames import Frame, Matrix, Planes, Range, SurfaceFrame
from realtime.transnet.folding import fold
from realtime.transnet.network import PLANE_CHANNELS, TransNet

DEFAULT_BATCH = 8
"""Frames at once where nothing was measured."""

SLOTS = 2
"""Batches whose planes are on their way at the same time: one is uploaded while the other is computed with."""

LANES = 6
"""Sizes of frames and batches that are kept ready, at most: each has memory and a graph of its own."""

_WARM_UPS = 3
_SMALLEST_TILE = 256

Finish = Callable[[], list[Frame]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the engine runs; see `realtime.engines.cuda.tuning` for how it is chosen.

    Attributes:
        batch: frames at once.
        network: "plain", or "cudnn" with fused convolutions.
        ends: "plain", or "triton" with a kernel at each end.
        graphs: whether each batch is one recorded graph.
    """

    batch: int = DEFAULT_BATCH
    network: str = "plain"
    ends: str = "plain"
    graphs: bool = True

    def __str__(self) -> str:
        parts = [f"batches of {self.batch}"]
        parts += ["fused convolutions"] * (self.network == "cudnn")
        parts += ["Triton kernels"] * (self.ends == "triton")
        parts += ["CUDA graphs"] * self.graphs
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class _Key:
    """What a lane is made for."""

    layout: Layout
    frames: int
    matrix: Matrix
    range: Range
    blends: bool


@dataclass(slots=True)
class _Slot:
    """Memory for one batch on its way.

    Attributes:
        given: pinned, for the upload.
        source, result: on the device.
        uploaded: the pinned memory may be filled again.
        computed: the source may be overwritten.
        fetched: the result may be overwritten.
        held: surfaces that are read until `uploaded`.
    """

    given: Tensor
    source: Tensor
    result: Tensor
    uploaded: Mark | None = None
    computed: Mark | None = None
    fetched: Mark | None = None
    held: tuple[object, ...] = ()


class _Lane:
    """Everything for batches of one size: slots, the graph, and the memory that it works in."""

    def __init__(self, key: _Key, net: nn.Module, ends: Ends, device: Device, dtype: torch.dtype, compute: Stream):
        layout, count = key.layout, key.frames
        empty = partial(torch.zeros, device=device.where)
        with device.on(compute):
            self.source = empty(count, layout.bytes, dtype=torch.uint8)
            self.result = empty(count, layout.bytes, dtype=torch.uint8)
            self.cells = empty(count, *layout.cells, PLANE_CHANNELS, dtype=dtype)
            self.weight = torch.ones((), device=device.where, dtype=dtype)
            self.slots = [
                _Slot(
                    device.pinned(count, layout.bytes),
                    empty(count, layout.bytes, dtype=torch.uint8),
                    empty(count, layout.bytes, dtype=torch.uint8),
                )
                for _ in range(SLOTS)
            ]
        self._net, self._ends, self._blends = net, ends, key.blends
        self._turn = 0
        self.replay: Callable[[], object] = self.run

    def run(self) -> None:
        """Paint what lies in `source` into `result`."""
        self._ends.pack(self.source, self.cells)
        x = self.cells.permute(0, 3, 1, 2)
        out = self._net(x)
        if self._blends:
            out = torch.lerp(x, out, self.weight)
        # a no-op where the network has kept channels_last
        self._ends.unpack(out.permute(0, 2, 3, 1).contiguous(), self.result)

    def next_slot(self) -> _Slot:
        """The slot that was used longest ago."""
        self._turn += 1
        return self.slots[self._turn % SLOTS]


class CudaEngine:
    """Runs a TransNet on a CUDA device. See `realtime.engines.base.Engine`.

    Args:
        network: in its training form; folded here for the colours of the frames that come.
        device: "auto", "cuda", "cuda:N".
        precision: see `choose_precision`.
        batch: frames at once; None takes the plan's.
        plan: how to run; None takes what works without trying anything out.
        runs_on: what to use for the device; for tests.

    Attributes:
        surfaces: results stay on the device, as `SurfaceFrame`s.
        plan: how it runs.

    Raises:
        InputError: a device or precision is not to be had.
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
        threads: int | None = None,
        plan: Plan | None = None,
        runs_on: Device | None = None,
    ) -> None:
        if batch is not None and batch < 1:
            raise InputError(f"batch {batch}: must be 1 or more")
        if threads is not None and threads < 1:
            raise InputError(f"threads {threads}: must be 1 or more")
        if runs_on is None:
            where = choose_device(device)
            if where.type != "cuda":
                raise InputError(f"device {device!r}: this engine is for CUDA devices")
            runs_on = CudaDevice(where)
        self._device = runs_on
        self.network = network
        self.device = str(runs_on.where)
        self.precision = choose_precision(precision, runs_on.where)
        self._type = TYPES[self.precision]
        self.plan = plan or Plan()
        self.batch = batch or self.plan.batch
        self.notes: list[str] = []
        self.trace: Trace | None = None
        self.surfaces = False
        self._most = self.batch
        self._tiled: set[tuple[int, int]] = set()
        self._lock = RLock()
        self._nets: dict[tuple[Matrix, Range], nn.Module] = {}
        self._lanes: OrderedDict[_Key, _Lane] = OrderedDict()
        self._graphs = self.plan.graphs and runs_on.records
        self._streams: tuple[Stream, Stream, Stream] | None = None
        self._check_plan()
        self._describe()

    @property
    def index(self) -> int:
        """The device's number."""
        return self._device.where.index or 0

    def bind(self) -> None:
        """Make the device's context the current one of this thread: a decoder or an encoder will share it."""
        self._device.bind()

    def _describe(self) -> None:
        plan = Plan(self.batch, self.plan.network, self.plan.ends, self._graphs)
        self.description = f"torch on {self.device} ({self._device.title}), {self.precision}, {plan}"

    def _check_plan(self) -> None:
        """Take what is plain where a faster way does not work, and say so."""
        network, ends = self.plan.network, self.plan.ends
        if network == "cudnn" and (problem := cudnn_problem(self._device.where, self._type)):
            self.notes.append(f"fused convolutions are not used: {problem}")
            network = "plain"
        if ends == "triton" and (problem := triton_problem(self._device.where, self._type)):
            self.notes.append(f"Triton kernels are not used: {problem}")
            ends = "plain"
        self.plan = Plan(self.plan.batch, network, ends, self.plan.graphs)

    # What is kept ready

    def _net(self, matrix: Matrix, range: Range) -> nn.Module:
        key = (matrix, range)
        if key not in self._nets:
            folded = fold(self.network, matrix, range).cast(self._device.where, self._type)
            self._nets[key] = CudnnTransNet(folded) if self.plan.network == "cudnn" else folded
        return self._nets[key]

    def _lane(self, key: _Key, compute: Stream) -> _Lane:
        """The lane for such batches, made where it is missing; the one that was used longest ago goes for it."""
        lane = self._lanes.get(key)
        if lane is not None:
            self._lanes.move_to_end(key)
            return lane
        while len(self._lanes) >= LANES:
            self._drop(next(iter(self._lanes)))
        where = self._device.where
        ends: Ends
        if self.plan.ends == "triton":
            ends = TritonEnds(key.layout)
        else:
            ends = PlainEnds(key.layout, where, self._type)
        lane = _Lane(key, self._net(key.matrix, key.range), ends, self._device, self._type, compute)
        with self._device.on(compute):
            for _ in range(_WARM_UPS if where.type == "cuda" else 1):  # libraries choose their kernels here
                lane.run()
        if self._graphs:
            try:
                with self._device.on(compute):
                    lane.replay = self._device.record(lane.run, compute)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                # A recording that fails looks like a device that does; only one that is lost goes on failing.
                self._device.synchronize()
                self._graphs = False
                self.notes.append(f"CUDA graphs are not used: {first_line(error)}")
                self._describe()
        self._lanes[key] = lane
        return lane

    def _drop(self, key: _Key) -> None:
        self._device.synchronize()  # its memory may be on its way to or from somewhere
        del self._lanes[key]

    def _forget(self) -> None:
        """Give back all the memory that is only kept ready."""
        self._device.synchronize()
        self._lanes.clear()
        self._device.trim()

    # Work

    def stylize(self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False) -> list[Frame]:
        """See `realtime.engines.base.Engine.stylize`."""
        return self.begin(frames, strength=strength, keep_color=keep_color)()

    def begin(self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False) -> Finish:
        """See `realtime.engines.base.Overlapping.begin`.

        Raises:
            DeviceLost: the device has failed; nothing can be done with it in this process.
            RestyleError: a single frame does not fit into its memory, not even in tiles.
        """
        work = partial(self._shrinking, strength=strength, keep_color=keep_color)
        with self._lock, self._guarded():
            parts = work(list(frames))

        def finish() -> list[Frame]:
            with self._guarded():
                try:
                    return [frame for part in parts for frame in part()]
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    # Found out late: by a kernel that takes its memory as it starts.
                    with self._lock:
                        self._halve(error, len(frames))
                        return [frame for part in work(list(frames)) for frame in part()]

        return finish

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Errors of the device as restyle's own."""
        try:
            yield
        except RestyleError:
            raise
        except RuntimeError as error:
            if is_lost(error):
                raise lost(self._device.where, error) from error
            raise

    def _shrinking(self, frames: list[Frame], *, strength: float, keep_color: bool) -> list[Finish]:
        """Begin frames in as few batches as the memory allows."""
        begun: list[Finish] = []
        tiles = partial(self._in_tiles, strength=strength, keep_color=keep_color)
        at = 0
        while at < len(frames):
            group = frames[at : at + self._most]
            if (group[0].height, group[0].width) in self._tiled:
                begun += [tiles(frame, None) for frame in group]
                at += len(group)
                continue
            try:
                begun.append(self._begin(group, strength=strength, keep_color=keep_color))
                at += len(group)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if len(group) > 1:
                    self._halve(error, len(group))
                    continue
                self._forget()
                begun.append(tiles(group[0], error))
                at += 1
        return begun

    def _halve(self, error: BaseException, tried: int) -> None:
        self._forget()
        self._most = max(1, min(self._most, tried) // 2)
        self.batch = min(self.batch, self._most)
        said = f"{self.device}: out of memory with {tried} frames at once; going on with {self._most}"
        if said not in self.notes:
            self.notes.append(said)
        self._describe()

    def _in_tiles(self, frame: Frame, error: BaseException | None, *, strength: float, keep_color: bool) -> Finish:
        """A frame that does not fit as a whole, at once. A tile that does not fit either comes here again."""
        reach, longest = self.network.architecture.reach, max(frame.width, frame.height)
        # With instance norm every tile would be normalised by itself.
        if longest <= _SMALLEST_TILE + 2 * reach or self.network.architecture.norm == "instance":
            words = first_line(error) if error is not None else "out of memory"
            raise RestyleError(
                f"{self.device}: its memory is too small for {frame.width}x{frame.height} pixels ({words}); close what "
                f"else runs there, choose a smaller --size, or --device cpu"
            ) from error
        size = (frame.height, frame.width)
        if size not in self._tiled:
            self._tiled.add(size)
            said = f"{self.device}: out of memory with {frame.width}x{frame.height} pixels at once; they go in tiles"
            self.notes.append(said)
        surfaces, self.surfaces = self.surfaces, False
        try:
            styled = stylize_in_tiles(
                self,
                frame,
                reach=reach,
                strength=strength,
                keep_color=keep_color,
                side=min(SIDE, max(_SMALLEST_TILE, longest // 2 // 16 * 16)),
            )
        finally:
            self.surfaces = surfaces
        return lambda: [styled]

    def _precise(self) -> AbstractContextManager[Any]:
        """cuDNN measures which of its kernels is fastest, and contours keep all bits of fp32.

        Their phases are many turns wide: the ten bits of TF32 would be too few.
        """
        manager: AbstractContextManager[Any] = torch.backends.cudnn.flags(
            enabled=True, benchmark=True, allow_tf32=False
        )
        return manager

    @torch.inference_mode()
    def _begin(self, frames: list[Frame], *, strength: float, keep_color: bool) -> Finish:
        began = time.perf_counter()
        device, first = self._device, frames[0]
        if self._streams is None:
            self._streams = device.stream(), device.stream(), device.stream()
        upload, compute, download = self._streams
        layout = Layout(first.height, first.width)
        room = next(size for size in sizes_up_to(self._most) if size >= len(frames))
        key = _Key(layout, room, first.color.matrix, first.color.range, strength < 1)
        with self._precise():
            lane = self._lane(key, compute)
        slot = lane.next_slot()

        on_device = isinstance(first, SurfaceFrame)
        if slot.uploaded is not None:
            slot.uploaded.synchronize()  # then nothing reads the pinned memory, or the surfaces that the slot holds
        slot.held = ()
        if not on_device:
            _fill(slot.given.numpy(), frames, layout)
        with device.on(upload):
            device.wait(upload, slot.computed)
            if on_device:
                device.wait_for_others(upload)
                slot.held = tuple(_copy_surface(frame, slot.source[n], layout) for n, frame in enumerate(frames))
            else:
                count = len(frames)
                slot.source[:count].copy_(slot.given[:count], non_blocking=True)
        slot.uploaded = device.mark(upload)

        with device.on(compute):
            device.wait(compute, slot.uploaded)
            lane.source.copy_(slot.source, non_blocking=True)
            slot.computed = device.mark(compute)
            if strength < 1:
                lane.weight.fill_(strength)
            with self._precise():
                lane.replay()
            device.wait(compute, slot.fetched)
            if self.surfaces:
                surfaces = self._as_surfaces(lane, len(frames), layout, keep_color)
                done = device.mark(compute)
                return partial(self._give_surfaces, surfaces, frames, done, slot.held, began)
            slot.result.copy_(lane.result, non_blocking=True)
            if keep_color and on_device:  # the source's colours are there already, and not on the CPU
                luma = layout.height * layout.width
                slot.result[:, luma:].copy_(lane.source[:, luma:], non_blocking=True)
            painted = device.mark(compute)
        with device.on(download):
            device.wait(download, painted)
            taken = device.pinned(len(frames), layout.bytes)
            taken.copy_(slot.result[: len(frames)], non_blocking=True)
        slot.fetched = done = device.mark(download)
        return partial(self._give, taken, frames, layout, keep_color and not on_device, done, slot.held, began)

    def _give(
        self,
        taken: Tensor,
        frames: Sequence[Frame],
        layout: Layout,
        keep_color: bool,
        done: Mark,
        held: tuple[object, ...],
        began: float,
    ) -> list[Frame]:
        """Wait for a batch, and give it as frames whose planes are views of its pinned memory."""
        done.synchronize()
        del held
        styled = []
        for frame, flat in zip(frames, taken, strict=True):
            y, u, v = (plane.numpy() for plane in layout.planes(flat))
            styled.append(frame.with_planes(y, frame.u if keep_color else u, frame.v if keep_color else v))
        self._tell(frames, began)
        return styled

    def _as_surfaces(self, lane: _Lane, count: int, layout: Layout, keep_color: bool) -> Tensor:
        """(count, H * 3/2, W): each frame's NV12 in one piece, as hardware encoders want it."""
        height, width = layout.height, layout.width
        y, u, v = layout.planes(lane.result[:count])
        if keep_color:
            _, u, v = layout.planes(lane.source[:count])
        surfaces = torch.empty(count, height * 3 // 2, width, dtype=torch.uint8, device=self._device.where)
        surfaces[:, :height].copy_(y)
        pairs = surfaces[:, height:].unflatten(-1, (width // 2, 2))
        pairs[..., 0].copy_(u)
        pairs[..., 1].copy_(v)
        return surfaces

    def _give_surfaces(
        self, surfaces: Tensor, frames: Sequence[Frame], done: Mark, held: tuple[object, ...], began: float
    ) -> list[Frame]:
        """Wait for a batch, and give it as surfaces: an encoder knows nothing of our streams."""
        done.synchronize()
        del held
        styled: list[Frame] = []
        for frame, surface in zip(frames, surfaces, strict=True):
            height, width = frame.height, frame.width
            luma, chroma = surface[:height], surface[height:].unflatten(-1, (width // 2, 2))
            styled.append(
                SurfaceFrame(
                    luma,
                    chroma,
                    size=(width, height),
                    fetch=partial(_fetch, luma, chroma),
                    owner=surface,
                    pts=frame.pts,
                    duration=frame.duration,
                    time_base=frame.time_base,
                    color=frame.color,
                )
            )
        self._tell(frames, began)
        return styled

    def _tell(self, frames: Sequence[Frame], began: float) -> None:
        if self.trace is not None:
            self.trace("paint", frames, began, time.perf_counter())


def _fill(given: np.ndarray, frames: Sequence[Frame], layout: Layout) -> None:
    """Planes, as they are, into pinned memory: (N, layout.bytes)."""
    luma, part = layout.height * layout.width, layout.chroma[0] * layout.chroma[1]
    for flat, frame in zip(given, frames, strict=False):
        flat[:luma].reshape(layout.height, layout.width)[:] = frame.y
        flat[luma : luma + part].reshape(layout.chroma)[:] = frame.u
        flat[luma + part :].reshape(layout.chroma)[:] = frame.v


def _copy_surface(frame: Frame, flat: Tensor, layout: Layout) -> object:
    """A surface's planes into the device's own memory. What is returned must live until that is done."""
    assert isinstance(frame, SurfaceFrame)
    luma, chroma = from_dlpack(frame.luma), from_dlpack(frame.chroma)
    y, u, v = layout.planes(flat)
    y.copy_(luma, non_blocking=True)
    u.copy_(chroma[..., 0], non_blocking=True)
    v.copy_(chroma[..., 1], non_blocking=True)
    return frame, luma, chroma


def from_dlpack(plane: Any) -> Tensor:
    """A plane as a tensor of the same memory.

    PyTorch's own function hands over its stream, which decoders' planes refuse; who calls this has waited for them.
    """
    if isinstance(plane, Tensor):
        return plane
    tensor: Tensor = torch.utils.dlpack.from_dlpack(plane.__dlpack__())
    return tensor


def _fetch(luma: Tensor, chroma: Tensor) -> Planes:
    """A surface's planes on the CPU."""
    pairs = chroma.cpu()
    return luma.cpu().numpy(), pairs[..., 0].contiguous().numpy(), pairs[..., 1].contiguous().numpy()
