"""One batch on a CUDA device: planes there and back beside the network's work on other batches.

Three streams wait for each other by events, while the CPU goes on with the next batch:

    upload     pinned memory ─► the device: Y, U and V as they are, 1.5 bytes a pixel
    compute    pack · network (fp16, channels_last) · blend, round, unpack: one recorded graph
    download   the device ─► pinned memory, which the frames' planes are views of

Frames that already lie on the device (a hardware decoder's surfaces) are copied there instead of being uploaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from realtime.engines.base import Finish, Trace
from realtime.engines.cuda.lanes import Lane, LaneKey, Lanes, Slot, exact_kernels
from realtime.engines.cuda.runtime import CudaRuntime
from realtime.engines.cuda.surfaces import copy_surface, nv12, surface_frame
from realtime.engines.plane_packing import FrameLayout
from realtime.frames import Frame, SurfaceFrame
from realtime.options import PaintOptions
from realtime.transnet.network import TransNet


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for with some frames; see `realtime.engines.base.Engine.begin`."""

    paint: PaintOptions
    on_device: bool
    trace: Trace | None


class Batches:
    """Starts batches on a device.

    Args:
        network: in its training form.
        runtime: the device.
        dtype: of the network.
        graphs: see `Lanes`.
        note: see `Lanes`.
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
        self._runtime = runtime
        self._upload = runtime.stream()
        self.lanes = Lanes(network, runtime, dtype, graphs=graphs, note=note)
        self._download = runtime.stream()

    @torch.inference_mode()
    def start(self, frames: Sequence[Frame], capacity: int, job: Job) -> Finish:
        """Start a batch of frames of one size.

        Args:
            frames: `capacity` of them at most.
            capacity: frames that there is to be memory for.
            job: what is asked for.
        """
        began = time.perf_counter()
        layout, color = FrameLayout(frames[0].height, frames[0].width), frames[0].color
        key = LaneKey(layout, capacity, color.matrix, color.range, job.paint.strength < 1)
        lane = self.lanes.get(key)
        slot = lane.next_slot()
        self._bring(frames, slot, layout)
        surfaces = self._compute(frames, lane, slot, layout, job)
        # Frames given as surfaces keep their colours on the device; the others' are still on the CPU.
        own_chroma = job.paint.keep_color and not isinstance(frames[0], SurfaceFrame)
        if surfaces is not None:
            done, taken = self._runtime.event(self.lanes.compute), surfaces
        else:
            with self._runtime.on(self._download):
                self._runtime.wait(self._download, self._runtime.event(self.lanes.compute))
                taken = self._runtime.pinned(len(frames), layout.bytes)
                taken.copy_(slot.result[: len(frames)], non_blocking=True)
            slot.fetched = done = self._runtime.event(self._download)
        held = slot.held

        def finish() -> list[Frame]:
            nonlocal held
            done.synchronize()  # also for surfaces: an encoder knows nothing of our streams
            held = ()  # the decoder may use their memory again
            if surfaces is not None:
                styled: list[Frame] = [surface_frame(one, like) for one, like in zip(taken, frames, strict=True)]
            else:
                styled = [_frame(one, like, layout, own_chroma) for one, like in zip(taken, frames, strict=True)]
            if job.trace is not None:
                job.trace("paint", frames, began, time.perf_counter())
            return styled

        return finish

    def _bring(self, frames: Sequence[Frame], slot: Slot, layout: FrameLayout) -> None:
        """Copy the frames' planes and origins to the slot's memory on the device."""
        runtime, upload = self._runtime, self._upload
        if slot.uploaded is not None:
            slot.uploaded.synchronize()  # then nothing reads the pinned memory or the surfaces any more
        slot.held = ()
        slot.note_origins(frames)
        on_device = isinstance(frames[0], SurfaceFrame)
        if not on_device:
            for frame, flat in zip(frames, slot.given, strict=False):
                for plane, target in zip((frame.y, frame.u, frame.v), layout.planes(flat), strict=True):
                    target.numpy()[:] = plane
        with runtime.on(upload):
            runtime.wait(upload, slot.computed)
            slot.origins.copy_(slot.given_origins, non_blocking=True)
            if on_device:
                runtime.wait_for_default(upload)
                slot.held = tuple(copy_surface(frame, slot.source[n], layout) for n, frame in enumerate(frames))
            else:
                count = len(frames)
                slot.source[:count].copy_(slot.given[:count], non_blocking=True)
        slot.uploaded = runtime.event(upload)

    def _compute(self, frames: Sequence[Frame], lane: Lane, slot: Slot, layout: FrameLayout, job: Job) -> Tensor | None:
        """Paint the slot's `source` into its `result`; or into new surfaces, which are returned."""
        runtime, compute = self._runtime, self.lanes.compute
        with runtime.on(compute):
            runtime.wait(compute, slot.uploaded)
            lane.source.copy_(slot.source, non_blocking=True)
            lane.origins.copy_(slot.origins, non_blocking=True)
            slot.computed = runtime.event(compute)
            lane.set_paint(job.paint)
            with exact_kernels():
                lane.replay()
            runtime.wait(compute, slot.fetched)
            if job.on_device:
                count = len(frames)
                y, u, v = layout.planes(lane.result[:count])
                if job.paint.keep_color:
                    _, u, v = layout.planes(lane.source[:count])
                return nv12(y, u, v)
            slot.result.copy_(lane.result, non_blocking=True)
            if job.paint.keep_color and isinstance(frames[0], SurfaceFrame):
                luma = layout.height * layout.width
                slot.result[:, luma:].copy_(lane.source[:, luma:], non_blocking=True)
        return None


def _frame(flat: Tensor, like: Frame, layout: FrameLayout, own_chroma: bool) -> Frame:
    """A frame whose planes are views of pinned memory, (layout.bytes,)."""
    y, u, v = (plane.numpy() for plane in layout.planes(flat))
    return like.with_planes(y, like.u if own_chroma else u, like.v if own_chroma else v)
