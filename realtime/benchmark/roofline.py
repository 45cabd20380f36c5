"""The roofline model (Williams et al. 2009): the least time that a network needs for a frame on this machine.

A network is no faster than its multiplications at the machine's peak speed, nor than its memory traffic at the
machine's peak bandwidth. Both peaks are measured, not taken from a data sheet: the faster of a large matrix product and
a large convolution in the same precision, and a copy that is too large for any cache.
"""

from __future__ import annotations

import math
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.benchmark.measure import Clock
from realtime.engines.workers import using_threads

_DEVICES = ("cpu", "cuda", "mps")
_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Work:
    """What a network's convolutions do for one frame.

    Attributes:
        macs: multiply-accumulates.
        values: numbers that the convolutions read and write: the inputs and outputs of each.
    """

    macs: float
    values: float

    def times(self, factor: float) -> Work:
        """The work for `factor` times as many pixels."""
        return Work(self.macs * factor, self.values * factor)

    def traffic(self, precision: str, width: int, height: int) -> float:
        """Bytes per frame: each convolution's input and output once, and the 8-bit planes in and out.

        Weights are left out, since they stay in a cache. Where caches are large, more stays there, and a network can be
        faster than this traffic allows.

        Args:
            precision: one that `has_roof` knows.
            width, height: of the frame.
        """
        return self.values * _TYPES[precision].itemsize + 2 * 1.5 * width * height


def count_work(network: nn.Module, sample: Tensor) -> Work:
    """Count the work of all modules with a convolution's weight (four axes) in one forward pass.

    Args:
        network: any network.
        sample: its input, for one frame.
    """
    macs = values = 0.0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal macs, values
        weight = module.weight
        assert isinstance(weight, Tensor)
        macs += weight.numel() * output.shape[-2] * output.shape[-1]
        values += inputs[0].numel() + output.numel()

    modules = [m for m in network.modules() if isinstance(w := getattr(m, "weight", None), Tensor) and w.ndim == 4]
    hooks = [module.register_forward_hook(count) for module in modules]
    try:
        with torch.inference_mode():
            network(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return Work(macs, values)


@dataclass(frozen=True, slots=True)
class Roof:
    """A device's measured peaks.

    Attributes:
        matrix: multiply-accumulates per second of a large matrix product.
        convolution: the same of a large 3x3 convolution.
        copy: bytes per second that a large copy reads and writes.
    """

    matrix: float
    convolution: float
    copy: float

    @property
    def macs(self) -> float:
        """The higher of product and convolution."""
        return max(self.matrix, self.convolution)

    def higher(self, other: Roof) -> Roof:
        """The higher peaks of two measurements."""
        return Roof(
            max(self.matrix, other.matrix), max(self.convolution, other.convolution), max(self.copy, other.copy)
        )

    def limit(self, macs: float, traffic: float) -> tuple[float, str]:
        """The least seconds for `macs` multiply-accumulates and `traffic` bytes at once, and what limits them:
        "compute" or "memory"."""
        compute, memory = macs / self.macs, traffic / self.copy
        return max(compute, memory), "compute" if compute >= memory else "memory"


class Sizes(NamedTuple):
    """Sizes of the measured operations: side of the matrices, side and channels of the image, bytes copied."""

    matrix: int
    image: int
    channels: int
    copied: int


_ON_CPU = Sizes(2048, 96, 128, 128 * 2**20)
_ON_GPU = Sizes(8192, 256, 256, 1024 * 2**20)


def has_roof(device: str, precision: str) -> bool:
    """Whether `measure_roof` can measure a device in a precision: PyTorch must know both."""
    return device.partition(":")[0] in _DEVICES and precision in _TYPES


def measure_roof(
    device: str,
    precision: str,
    clock: Clock,
    *,
    threads: int | None = None,
    seconds: float = 0.25,
    sizes: Sizes | None = None,
) -> Roof:
    """Measure a device's peaks.

    Args:
        device, precision: see `has_roof`.
        clock: read around each operation.
        threads: on the CPU; None takes PyTorch's choice.
        seconds: least duration of each of the three operations; each runs three times at least.
        sizes: of the operations; None for ones that fill the device.
    """
    where, dtype = torch.device(device), _TYPES[precision]
    sizes = sizes or (_ON_CPU if where.type == "cpu" else _ON_GPU)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=where).to(dtype)

    def fastest(run: Callable[[], object]) -> float:
        return fastest_call(run, where, clock, seconds)

    with using_threads(threads or torch.get_num_threads()), torch.inference_mode():
        a, b = random(sizes.matrix, sizes.matrix), random(sizes.matrix, sizes.matrix)
        matrix = sizes.matrix**3 / fastest(partial(torch.mm, a, b, out=torch.empty_like(a)))

        x = random(1, sizes.channels, sizes.image, sizes.image).to(memory_format=torch.channels_last)
        kernel = random(sizes.channels, sizes.channels, 3, 3).to(memory_format=torch.channels_last)
        macs = kernel.numel() * sizes.image**2
        convolution = macs / fastest(partial(F.conv2d, x, kernel, padding=1))

        source = torch.ones(sizes.copied, dtype=torch.uint8, device=where)
        copy = 2 * sizes.copied / fastest(partial(torch.zeros_like(source).copy_, source))
    return Roof(matrix, convolution, copy)


def fastest_call(run: Callable[[], object], where: torch.device, clock: Clock, seconds: float) -> float:
    """Seconds of the fastest of many calls on a device, in `seconds` or more: a peak is what it does undisturbed."""

    def call() -> None:
        run()
        if where.type != "cpu":
            torch.accelerator.synchronize(where)

    call()  # warms up
    timer = timeit.Timer(call, timer=clock.wall)
    first = timer.timeit(1)
    more = max(2, math.ceil(seconds / max(first, 1e-6)) - 1)
    return min(first, *timer.repeat(more, 1))
