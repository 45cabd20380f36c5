"""The PyTorch engine: CPU (bf16 where the processor has it), CUDA and MPS (fp16)."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from realtime.engines.base import Precision, Trace
from realtime.engines.torch.fused import FusedTransNet, fusing_works
from realtime.errors import InputError
from realtime.frames import Frame, Matrix, Range, chroma_shape
from realtime.memory import keep_memory
from realtime.transnet.folding import FoldedTransNet, fold
from realtime.transnet.network import MULTIPLE, PLANE_CHANNELS, TransNet

TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


MOST_WORKERS = 8
"""Frames that a CPU works on side by side, at most: each takes memory of its own. More cores share the frames."""


def cpu_bf16() -> Literal["amx", "avx512", "arm", "emulated", "no"]:
    """How this processor takes bf16: by which instructions of its own, "emulated" (slower than fp32), or "no"."""
    flags: dict[str, Any] = dict(getattr(torch.cpu, "get_capabilities", dict)())
    if flags.get("amx_bf16"):
        return "amx"
    if flags.get("avx512_bf16"):
        return "avx512"
    try:
        supported = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build without oneDNN
        return "no"
    if not supported:
        return "no"
    return "arm" if platform.machine().lower() in ("aarch64", "arm64") else "emulated"


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16 by instructions of its own."""
    return cpu_bf16() in ("amx", "avx512", "arm")


def choose_device(wanted: str) -> torch.device:
    """The device meant by "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        InputError: it is not there, or no such word; the message says why.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = wanted.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdigit())):
        raise InputError(f"device {wanted!r}: choose auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda":
        if not torch.cuda.is_available():
            built = torch.version.cuda
            reason = "no NVIDIA driver or no GPU was found" if built else "this PyTorch was built without CUDA"
            raise InputError(f"device {wanted!r}: {reason}")
        if int(number or 0) >= torch.cuda.device_count():
            raise InputError(f"device {wanted!r}: there are only {torch.cuda.device_count()} CUDA devices, from cuda:0")
        return torch.device("cuda", int(number or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps': only on Apple silicon with macOS 12.3 or later")
    return torch.device(kind)


def choose_precision(wanted: Precision, device: torch.device) -> str:
    """The precision meant by "auto" on a device; any other is taken as it is.

    Raises:
        InputError: the device cannot compute in it.
    """
    if wanted == "auto":
        if device.type == "cpu":
            return "bf16" if cpu_has_bf16() else "fp32"
        return "fp16"
    if wanted not in TYPES:
        raise InputError(f"precision {wanted!r}: choose auto, fp32, fp16 or bf16")
    if wanted == "fp16" and device.type == "cpu":
        raise InputError("precision 'fp16': not on the CPU; choose auto, fp32 or bf16")
    return wanted


class TorchEngine:
    """Runs a TransNet in PyTorch. See `realtime.engines.base.Engine`.

    Args:
        network: in its training form; folded here for the colours of the frames that come.
        device, precision: see `choose_device` and `choose_precision`.
        batch: frames at once; None takes one for each worker on a CPU, and 8 elsewhere.
        threads: on the CPU; None takes one for each core.

    Raises:
        InputError: a device or precision is not to be had.
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
    ) -> None:
        where = choose_device(device)
        if batch is not None and batch < 1:
            raise InputError(f"batch {batch}: must be 1 or more")
        if threads is not None and threads < 1:
            raise InputError(f"threads {threads}: must be 1 or more")
        self.network = network
        self.device = str(where)
        self.precision = choose_precision(precision, where)
        self.threads = threads or torch.get_num_threads()
        self.batch = batch or (min(self.threads, MOST_WORKERS) if where.type == "cpu" else 8)
        self.notes: list[str] = []
        self.trace: Trace | None = None
        self._where, self._type = where, TYPES[self.precision]
        self._nets: dict[tuple[Matrix, Range], nn.Module] = {}
        if where.type == "cpu":
            keep_memory()
        self._workers = start_workers(self.threads) if where.type == "cpu" else None
        self.ahead = 0 if self._workers is None else 1
        self._fused = where.type == "cpu" and self.precision == "bf16" and fusing_works()
        if where.type == "cpu":
            if precision == "auto" and self.precision == "fp32":
                self.notes.append("this processor has no bf16 instructions: computing in fp32")
            if self.precision == "bf16" and not self._fused:
                self.notes.append("this PyTorch has no fused oneDNN convolutions: running the plain ones")
            self.description = (
                f"torch on cpu, {self.precision}, {self.threads} {'threads' if self.threads > 1 else 'thread'}"
            )
        else:
            name = torch.cuda.get_device_name(where) if where.type == "cuda" else "Apple GPU"
            self.description = f"torch on {where} ({name}), {self.precision}, batches of {self.batch}"

    def _net(self, matrix: Matrix, range: Range) -> nn.Module:
        key = (matrix, range)
        if key not in self._nets:
            folded: FoldedTransNet = fold(self.network, matrix, range)
            folded = folded.cast(self._where, self._type)
            self._nets[key] = FusedTransNet(folded) if self._fused else folded
        return self._nets[key]

    def stylize(self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False) -> list[Frame]:
        """See `realtime.engines.base.Engine.stylize`."""
        if not frames:
            return []
        net = self._net(frames[0].color.matrix, frames[0].color.range)
        run = partial(self._run, net, strength=strength, keep_color=keep_color)
        if self._workers is None:
            return run(frames)
        if len(frames) == 1:  # all threads on the one frame
            with using_threads(self.threads):
                return run(frames)
        return self.begin(frames, strength=strength, keep_color=keep_color)()

    def begin(
        self, frames: Sequence[Frame], *, strength: float = 1.0, keep_color: bool = False
    ) -> Callable[[], list[Frame]]:
        """See `realtime.engines.base.Overlapping.begin`. Without workers the work is done before this returns."""
        if self._workers is None or not frames:
            styled = self.stylize(frames, strength=strength, keep_color=keep_color)
            return lambda: styled
        net = self._net(frames[0].color.matrix, frames[0].color.range)
        jobs = [
            self._workers.submit(self._run, net, [frame], strength=strength, keep_color=keep_color) for frame in frames
        ]
        return lambda: [frame for job in jobs for frame in job.result()]

    @torch.inference_mode()
    def _run(self, net: nn.Module, frames: Sequence[Frame], *, strength: float, keep_color: bool) -> list[Frame]:
        begin = time.perf_counter()
        height, width = frames[0].height, frames[0].width
        packed = pack(frames).to(self._where, non_blocking=True)
        # The top bit turned over makes a code of 0..255 the signed number of that code less 128, which is what the
        # network takes and gives; signed bytes are converted in a fraction of the time that unsigned ones take.
        x = (packed.view(torch.int8) ^ -128).permute(0, 3, 1, 2).to(self._type)
        out = net(x)
        if strength < 1:
            out = torch.lerp(x, out, strength)
        signed = out.permute(0, 2, 3, 1).round_().clamp_(-128, 127).to(torch.int8).contiguous()
        styled = unpack((signed ^ -128).view(torch.uint8).cpu(), frames, height, width, keep_color)
        if self.trace is not None:
            self.trace("paint", frames, begin, time.perf_counter())
        return styled


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """PyTorch uses so many threads here, and then as many as before."""
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count != before:
            torch.set_num_threads(before)


def start_workers(threads: int) -> ThreadPoolExecutor:
    """Workers that paint frames side by side, each with its share of the threads: one, on up to eight cores.

    Two cores on one frame meet at a barrier after every layer, and wait there for whichever was interrupted by the
    decoder or the encoder; two cores on two frames never wait. The count of OpenMP is each thread's own, but PyTorch
    also takes the last one set for threads that begin later, so the process's is put back.
    """
    count = min(threads, MOST_WORKERS)
    before = torch.get_num_threads()
    workers = ThreadPoolExecutor(
        count, "torch-worker", initializer=torch.set_num_threads, initargs=(max(1, threads // count),)
    )
    barrier = threading.Barrier(count)
    list(workers.map(lambda _: barrier.wait(), range(count)))  # all of them begin now
    torch.set_num_threads(before)
    return workers


def pack(frames: Sequence[Frame]) -> Tensor:
    """Frames as the network's channels, padded by replication to the network's multiple.

    Returns:
        (N, h, w, 24) uint8, contiguous: 16 phases of Y, 4 of U, 4 of V; h and w in cells of 4 luma pixels.
    """
    height, width = frames[0].height, frames[0].width
    h, w = (-(-s // MULTIPLE) * MULTIPLE // 4 for s in (height, width))
    packed = torch.empty(len(frames), h, w, PLANE_CHANNELS, dtype=torch.uint8)
    # A cell's row of 4 luma pixels is moved as one 32-bit number, one of 2 chroma pixels as a 16-bit number.
    luma, chroma = packed.view(torch.int32), packed.view(torch.int16)
    for n, frame in enumerate(frames):
        luma[n, ..., 0:4].copy_(_in_cells(frame.y, h, w, 4, np.int32))
        chroma[n, ..., 8:10].copy_(_in_cells(frame.u, h, w, 2, np.int16))
        chroma[n, ..., 10:12].copy_(_in_cells(frame.v, h, w, 2, np.int16))
    return packed


def _in_cells(plane: np.ndarray, h: int, w: int, side: int, row: type[np.signedinteger[Any]]) -> Tensor:
    """(h, w, side): the rows of each cell as one number each."""
    bottom, right = h * side - plane.shape[0], w * side - plane.shape[1]
    if bottom or right:
        plane = np.pad(plane, ((0, bottom), (0, right)), mode="edge")
    if plane.strides[1] != 1 or plane.strides[0] % side or plane.ctypes.data % side:
        plane = np.ascontiguousarray(plane)  # not one line after the other at whole numbers: rare, and still right
    rows: Tensor = torch.from_numpy(plane.view(row)).unflatten(0, (h, side)).permute(0, 2, 1)
    return rows


def unpack(codes: Tensor, frames: Sequence[Frame], height: int, width: int, keep_color: bool) -> list[Frame]:
    """The inverse of `pack`: (N, h, w, 24) uint8, contiguous, to frames of the times and the size of `frames`."""
    tall, broad = chroma_shape(height, width)
    luma, chroma = codes.view(torch.int32), codes.view(torch.int16)
    result = []
    for n, frame in enumerate(frames):
        y = _plane(luma[n, ..., 0:4])[:height, :width]
        if keep_color:
            u, v = frame.u, frame.v
        else:
            u = _plane(chroma[n, ..., 8:10])[:tall, :broad]
            v = _plane(chroma[n, ..., 10:12])[:tall, :broad]
        result.append(frame.with_planes(y, u, v))
    return result


def _plane(rows: Tensor) -> np.ndarray:
    """The inverse of `_in_cells`."""
    h, w, side = rows.shape
    lines: np.ndarray = rows.permute(0, 2, 1).reshape(h * side, w).numpy()
    return lines.view(np.uint8)
