"""What the CUDA engine keeps ready for batches of one size: memory, and the network's work as one recorded graph."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from realtime.engines.cuda.errors import first_line, is_out_of_memory
from realtime.engines.cuda.runtime import CudaRuntime, Event, Stream
from realtime.engines.plane_packing import DevicePacking, FrameLayout
from realtime.frames import Frame, Matrix, Range
from realtime.options import PaintOptions
from realtime.transnet.folding import FoldedTransNet, fold
from realtime.transnet.network import PLANE_CHANNELS, TransNet
from realtime.transnet.texture import texture_gain, wrapped_origin

SLOTS = 2
"""Batches in transfer at the same time: one is uploaded while the network works on the other."""

LANES = 6
"""Lanes that are kept, at most."""

_WARM_UPS = 3


@dataclass(frozen=True, slots=True)
class LaneKey:
    """What a lane is made for: the frames' size and colours, their number, and whether they are blended."""

    layout: FrameLayout
    frames: int
    matrix: Matrix
    range: Range
    blends: bool


@dataclass(slots=True)
class Slot:
    """Memory of one batch in transfer.

    Attributes:
        given: pinned, for the upload.
        source, result: on the device.
        given_origins, origins: the frames' places on the texture plane, (N, 2) fp32: pinned, and on the device. (0, 2)
            where the network has none.
        uploaded: after it, the pinned memory may be filled again.
        computed: after it, `source` and `origins` may be overwritten.
        fetched: after it, `result` may be overwritten.
        held: surfaces that are read until `uploaded`.
    """

    given: Tensor
    source: Tensor
    result: Tensor
    given_origins: Tensor
    origins: Tensor
    uploaded: Event | None = None
    computed: Event | None = None
    fetched: Event | None = None
    held: tuple[object, ...] = ()

    def note_origins(self, frames: Sequence[Frame]) -> None:
        """Fill `given_origins`."""
        for frame, origin in zip(frames, self.given_origins, strict=False):
            origin[0], origin[1] = wrapped_origin(frame.origin)


class Lane:
    """Memory for batches of one size, and the network's work on them.

    Args:
        key: what it is made for.
        net: the network, folded.
        runtime: the device.
        dtype: of the network.
        compute: the stream of the work.

    Attributes:
        source, result: (N, bytes) uint8 planes.
        origins: (N, 2) fp32, or (0, 2); see `DevicePacking.add_texture`.
        strength: () of `dtype`; see `PaintOptions`.
        texture: whether the network has a texture plane.
        slots: memory of batches in transfer.
        replay: starts the work of `run`.
    """

    def __init__(self, key: LaneKey, net: FoldedTransNet, runtime: CudaRuntime, dtype: torch.dtype, compute: Stream):
        layout, count, where = key.layout, key.frames, runtime.where
        planes = partial(torch.zeros, count, layout.bytes, dtype=torch.uint8, device=where)
        self.texture = net.architecture.texture
        origins = partial(torch.zeros, count if self.texture else 0, 2, device=where)
        with runtime.on(compute):
            self.source, self.result, self.origins = planes(), planes(), origins()
            self._cells = torch.zeros(count, *layout.cells, net.architecture.inputs, dtype=dtype, device=where)
            self.strength = torch.ones((), dtype=dtype, device=where)
            self._gain = torch.ones((), device=where)
            self.slots = []
            for _ in range(SLOTS):
                given = runtime.pinned(count, layout.bytes)
                places = runtime.pinned(count, 8).view(torch.float32).zero_() if self.texture else torch.zeros(0, 2)
                self.slots.append(Slot(given, planes(), planes(), places, origins()))
            self._packing = DevicePacking(layout, where, dtype, texture=self.texture)
        self._net, self._blends = net, key.blends
        self._turn = 0
        self.replay: Callable[[], object] = self.run

    def set_paint(self, paint: PaintOptions) -> None:
        """What the next work is done with; in the stream that is current."""
        if self._blends:
            self.strength.fill_(paint.strength)
        if self.texture:
            self._gain.fill_(texture_gain(paint.texture))

    def run(self) -> None:
        """Paint `source` into `result`."""
        self._packing.pack(self.source, self._cells)
        if self.texture:
            self._packing.add_texture(self.origins, self._gain, self._cells)
        x = self._cells.permute(0, 3, 1, 2)
        out = self._net(x)
        if self._blends:
            out = torch.lerp(x[:, :PLANE_CHANNELS], out, self.strength)
        # contiguous() does nothing where the network has kept channels_last
        self._packing.unpack(out.permute(0, 2, 3, 1).contiguous(), self.result)

    def next_slot(self) -> Slot:
        """The slot that was used longest ago."""
        self._turn += 1
        return self.slots[self._turn % SLOTS]


class Lanes:
    """The lanes of an engine; the one that was used longest ago is dropped for a new one.

    Args:
        network: in its training form.
        runtime: the device.
        dtype: of the network.
        graphs: record each lane's work as a CUDA graph.
        note: is told why graphs are not used after all.
    """

    def __init__(
        self,
        network: TransNet,
        runtime: CudaRuntime,
        dtype: torch.dtype,
        *,
        graphs: bool,
        note: Callable[[str], None],
    ) -> None:
        self._network, self._runtime, self._dtype, self._note = network, runtime, dtype, note
        self.graphs = graphs and runtime.records
        self.compute = runtime.stream()
        self._nets: dict[tuple[Matrix, Range], FoldedTransNet] = {}
        self._lanes: OrderedDict[LaneKey, Lane] = OrderedDict()

    def get(self, key: LaneKey) -> Lane:
        """The lane for such batches; made where it is missing."""
        lane = self._lanes.get(key)
        if lane is not None:
            self._lanes.move_to_end(key)
            return lane
        if len(self._lanes) >= LANES:
            self._runtime.synchronize()  # copies from or to its memory may be under way
            self._lanes.popitem(last=False)
        lane = Lane(key, self._net(key.matrix, key.range), self._runtime, self._dtype, self.compute)
        with self._runtime.on(self.compute), exact_kernels():
            for _ in range(_WARM_UPS if self._runtime.where.type == "cuda" else 1):  # kernels are chosen here
                lane.run()
            if self.graphs:
                self._record(lane)
        self._lanes[key] = lane
        return lane

    def _net(self, matrix: Matrix, range: Range) -> FoldedTransNet:
        key = (matrix, range)
        if key not in self._nets:
            self._nets[key] = fold(self._network, matrix, range).cast(self._runtime.where, self._dtype)
        return self._nets[key]

    def _record(self, lane: Lane) -> None:
        try:
            lane.replay = self._runtime.record(lane.run, self.compute)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            # A failed recording looks like a failed device; only a device that is lost fails here again.
            self._runtime.synchronize()
            self.graphs = False
            self._note(f"CUDA graphs are not used: {first_line(error)}")

    def __len__(self) -> int:
        return len(self._lanes)

    def clear(self) -> None:
        """Free the memory of all lanes."""
        self._runtime.synchronize()
        self._lanes.clear()
        self._runtime.trim()


def exact_kernels() -> AbstractContextManager[Any]:
    """cuDNN measures which of its kernels is fastest, and convolutions in fp32 keep all their bits.

    The phases of contour planes span many turns: the ten bits of TF32 would be too few.
    """
    manager: AbstractContextManager[Any] = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
    return manager
