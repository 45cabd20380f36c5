"""The processes of a run: one, or one for each device, as `torchrun` starts them."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import torch
import torch.distributed as dist
from torch import Tensor

from realtime.engines.torch.device import choose_device
from realtime.errors import InputError


class Processes:
    """A context: the processes of a run, which know each other inside of it.

    Args:
        device: "auto", "cpu", "cuda", ...; of several processes each takes a GPU of its own.

    Attributes:
        device: of this process.
        rank, count: number of this process, and of all.

    Raises:
        InputError: the device is missing, or the processes cannot talk to each other.
    """

    def __init__(self, device: str) -> None:
        self.count, self.rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        kind = choose_device(device)
        if self.count > 1 and kind.type == "cuda":
            kind = choose_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        self.device = kind

    def __enter__(self) -> Self:
        if self.count == 1:
            return self
        if not dist.is_available():
            raise InputError("several processes: this PyTorch was built without torch.distributed")
        backend = "nccl" if self.device.type == "cuda" else "gloo"
        if backend == "nccl" and not dist.is_nccl_available():
            raise InputError("several GPUs: this PyTorch was built without NCCL")
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        try:
            dist.init_process_group(backend)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"several processes: they do not find each other: {error}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.count > 1:
            dist.destroy_process_group()

    def agree(self, seconds: float, stop: bool) -> tuple[float, bool]:
        """The time by the first process's clock, and whether any process is to stop. All must call this."""
        if self.count == 1:
            return seconds, stop
        values = torch.tensor([0.0 if self.rank else seconds, float(stop)], dtype=torch.float64, device=self.device)
        dist.all_reduce(values)
        return float(values[0]), bool(values[1])

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
            values /= self.count
        return values
