"""The roofline: what a network must at least compute and move for a frame, and how fast this machine does either.

Williams et al. 2009. A network can be no faster than its multiplications at the machine's best, nor than its memory
traffic at the machine's best. Both bests are measured here, not taken from a data sheet: the faster of a large matrix
product and a large convolution in the same precision, and a copy too large for any cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.benchmark.measure import Clock

_DEVICES = ("cpu", "cuda", "mps")
_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Work:
    """What convolutions must do for one frame.

    Attributes:
        macs: multiply-accumulates.
        values: numbers that each convolution reads and writes once: its input and its output.
    """

    macs: float
    values: float

    def times(self, factor: float) -> Work:
        """The same for `factor` times as many pixels."""
        return Work(self.macs * factor, self.values * factor)

    def traffic(self, precision: str, width: int, height: int) -> float:
        """Bytes of a frame: every convolution's input and output once, and the 8-bit planes in and out.

        Weights are left out: they stay in a cache from frame to frame. So does much else, where caches are large; a
        network can be faster than this traffic at the speed of memory.

        Args:
            precision: one that `has_roof` knows.
            width, height: of the picture.
        """
        return self.values * _TYPES[precision].itemsize + 2 * 1.5 * width * height


def count_work(network: nn.Module, sample: Tensor) -> Work:
    """Watch one forward pass, and add up all that has a kernel (a `weight` of four axes).

    Args:
        network: any network; run once, without gradients.
        sample: what it takes, one picture.
    """
    macs = values = 0.0

    def note(module: nn.Module, args: Any, result: Tensor) -> None:
        nonlocal macs, values
        weight = module.weight
        assert isinstance(weight, Tensor)
        macs += weight.numel() * result.shape[-2] * result.shape[-1]
        values += args[0].numel() + result.numel()

    kernels = [m for m in network.modules() if isinstance(w := getattr(m, "weight", None), Tensor) and w.ndim == 4]
    hooks = [module.register_forward_hook(note) for module in kernels]
    try:
        with torch.inference_mode():
            network(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return Work(macs, values)


@dataclass(frozen=True, slots=True)
class Roof:
    """The best that a device was seen to do.

    Attributes:
        matrix: multiply-accumulates a second of a large matrix product.
        convolution: the same of a large 3x3 convolution.
        copy: bytes a second that a large copy reads and writes.
    """

    matrix: float
    convolution: float
    copy: float

    @property
    def macs(self) -> float:
        """The better of product and convolution."""
        return max(self.matrix, self.convolution)

    def higher(self, other: Roof) -> Roof:
        """The best of both readings."""
        return Roof(
            max(self.matrix, other.matrix), max(self.convolution, other.convolution), max(self.copy, other.copy)
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """The least time of a frame under a roof.

    Attributes:
        seconds: of a frame.
        by: "compute" or "memory".
    """

    seconds: float
    by: str


def limit(macs: float, traffic: float, roof: Roof) -> Limit:
    """The least time in which `macs` can be computed and `traffic` bytes moved, both at once."""
    compute, memory = macs / roof.macs, traffic / roof.copy
    return Limit(max(compute, memory), "compute" if compute >= memory else "memory")


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How large the measured operations are: side of the matrices, side and channels of the picture, bytes copied."""

    matrix: int
    picture: int
    channels: int
    copied: int


_ON_CPU = _Sizes(2048, 96, 128, 128 * 2**20)
_ON_GPU = _Sizes(8192, 256, 256, 1024 * 2**20)


def has_roof(device: str, precision: str) -> bool:
    """Whether PyTorch can measure it: a device of its own, and a number format that it multiplies matrices in."""
    return device.partition(":")[0] in _DEVICES and precision in _TYPES


def measure_roof(
    device: str, precision: str, clock: Clock, *, threads: int | None = None, seconds: float = 0.25
) -> Roof:
    """Measure a device's roof (see `has_roof`).

    Args:
        device: "cpu", "cuda:0", "mps".
        precision: "fp32", "fp16" or "bf16".
        clock: read around each operation.
        threads: on the CPU; None takes PyTorch's own choice.
        seconds: for each of the three operations, at least; each runs three times or more.
    """
    where, dtype = torch.device(device), _TYPES[precision]
    sizes = _ON_CPU if where.type == "cpu" else _ON_GPU
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.inference_mode():
            return _measure(where, dtype, sizes, clock, seconds)
    finally:
        torch.set_num_threads(before)


def _measure(where: torch.device, dtype: torch.dtype, sizes: _Sizes, clock: Clock, seconds: float) -> Roof:
    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=where).to(dtype)

    def best(run: Callable[[], object]) -> float:
        return _quickest(run, where, clock, seconds)

    a, b = random(sizes.matrix, sizes.matrix), random(sizes.matrix, sizes.matrix)
    product = torch.empty_like(a)
    matrix = sizes.matrix**3 / best(partial(torch.mm, a, b, out=product))

    x, kernel = (
        random(*shape).to(memory_format=torch.channels_last)
        for shape in ((1, sizes.channels, sizes.picture, sizes.picture), (sizes.channels, sizes.channels, 3, 3))
    )
    macs = kernel.numel() * sizes.picture**2
    convolution = macs / best(partial(F.conv2d, x, kernel, padding=1))

    source = torch.ones(sizes.copied, dtype=torch.uint8, device=where)
    copy = 2 * sizes.copied / best(partial(torch.zeros_like(source).copy_, source))
    return Roof(matrix, convolution, copy)


def _quickest(run: Callable[[], object], where: torch.device, clock: Clock, seconds: float) -> float:
    """Seconds of the quickest call: a roof is what the machine can do when nothing disturbs it."""
    run()  # lays weights out, picks a kernel
    _wait(where)
    begin = clock.wall()
    quickest, calls = math.inf, 0
    while calls < 3 or clock.wall() - begin < seconds:
        before = clock.wall()
        run()
        _wait(where)
        quickest = min(quickest, clock.wall() - before)
        calls += 1
    return quickest


def _wait(where: torch.device) -> None:
    """Until a device has done what it was given; a CPU has."""
    if where.type == "cuda":
        torch.cuda.synchronize(where)
    elif where.type == "mps":
        torch.mps.synchronize()
