"""The PyTorch engine: CPU (bf16 where the processor has it) and MPS (fp16)."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import nn

from realtime.engines.base import DEFAULT_PAINT, Closing, Finish, Trace, texture_amount
from realtime.engines.plane_packing import centered, pack, rounded_codes, unpack
from realtime.engines.torch.device import DTYPES, choose_device, torch_precision
from realtime.engines.torch.fused import fuse, fusing_works
from realtime.engines.workers import MOST_WORKERS, start_workers, using_threads
from realtime.frames import Frame, Matrix, Range
from realtime.options import PaintOptions, Precision
from realtime.transnet.folding import FoldedTransNet, fold
from realtime.transnet.network import PLANE_CHANNELS, TransNet


class TorchEngine(Closing):
    """Runs a TransNet in PyTorch. See `realtime.engines.base.Engine`.

    On a CPU, frames are painted side by side by workers; a single frame is painted by all threads.

    Args:
        network: in its training form. It is folded for the colours of the frames that come.
        device: see `choose_device`.
        precision: see `torch_precision`.
        batch: frames at once; None takes one for each worker on a CPU, and 8 elsewhere.
        threads: on the CPU; None takes one for each core.
        notes: further notes, of whoever chose this engine.

    Raises:
        InputError: a device or precision is not available.
    """

    backend = "torch"

    def __init__(
        self,
        network: TransNet,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        batch: int | None = None,
        threads: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        where = choose_device(device)
        on_cpu = where.type == "cpu"
        self.network = network
        self.device = str(where)
        self.precision = torch_precision(precision, where)
        self.threads = threads or torch.get_num_threads()
        self.batch = batch or (min(self.threads, MOST_WORKERS) if on_cpu else 8)
        self.ahead = 1 if on_cpu else 0
        self._where, self._type = where, DTYPES[self.precision]
        self._nets: dict[tuple[Matrix, Range], nn.Module] = {}
        self._fused = on_cpu and self.precision == "bf16" and fusing_works()
        own_notes = []
        if on_cpu and precision == "auto" and self.precision == "fp32":
            own_notes.append("this processor has no bf16 instructions: computing in fp32")
        if on_cpu and self.precision == "bf16" and not self._fused:
            own_notes.append("this PyTorch has no fused oneDNN convolutions: running the plain ones")
        self.notes = (*own_notes, *notes)
        if on_cpu:
            how = f"{self.threads} {'threads' if self.threads > 1 else 'thread'}"
            self.description = f"torch on cpu, {self.precision}, {how}"
        else:
            name = torch.cuda.get_device_name(where) if where.type == "cuda" else "Apple GPU"
            self.description = f"torch on {where} ({name}), {self.precision}, batches of {self.batch}"
        self._workers = start_workers(self.threads) if on_cpu else None

    def _net(self, matrix: Matrix, range: Range) -> nn.Module:
        key = (matrix, range)
        if key not in self._nets:
            folded = self._folded(matrix, range).cast(self._where, self._type)
            self._nets[key] = fuse(folded) if self._fused else folded
        return self._nets[key]

    def _folded(self, matrix: Matrix, range: Range) -> FoldedTransNet:
        """A network of this engine's own, folded for the source's colours."""
        return fold(self.network, matrix, range)

    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> list[Frame]:
        """See `Engine.stylize`."""
        if self._workers is None or len(frames) != 1:
            return self.begin(frames, paint)()
        with using_threads(self.threads):
            return self._run(self._net(frames[0].color.matrix, frames[0].color.range), frames, paint, None)

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
        net = self._net(frames[0].color.matrix, frames[0].color.range)
        if self._workers is None:
            styled = self._run(net, frames, paint, trace)
            return lambda: styled
        jobs = [self._workers.submit(self._run, net, [frame], paint, trace) for frame in frames]
        return lambda: [frame for job in jobs for frame in job.result()]

    @torch.inference_mode()
    def _run(self, net: nn.Module, frames: Sequence[Frame], paint: PaintOptions, trace: Trace | None) -> list[Frame]:
        began = time.perf_counter()
        packed = pack(frames, texture_amount(self.network.architecture, paint))
        cells = centered(packed.to(self._where, non_blocking=True)).permute(0, 3, 1, 2).to(self._type)
        out = net(cells)
        if paint.strength < 1:
            out = torch.lerp(cells[:, :PLANE_CHANNELS], out, paint.strength)
        codes = rounded_codes(out.permute(0, 2, 3, 1)).cpu()
        styled = unpack(codes, frames, keep_color=paint.keep_color)
        if trace is not None:
            trace("paint", frames, began, time.perf_counter())
        return styled

    def close(self) -> None:
        """See `Engine.close`."""
        if self._workers is not None:
            self._workers.shutdown()
        self._nets.clear()
