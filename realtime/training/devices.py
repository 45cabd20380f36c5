"""Where a run computes: Lightning Fabric on one device, or in the processes that `torchrun` starts."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from lightning_fabric import Fabric

from realtime.engines.torch.device import cpu_has_bf16
from realtime.errors import InputError
from realtime.options import TrainOptions


def is_main_process() -> bool:
    """Whether this is the only process of a run, or the first of those that `torchrun` started."""
    return int(os.environ.get("RANK", "0")) == 0


def make_fabric(options: TrainOptions, name: str) -> Fabric:
    """Fabric on one device, or under torchrun on the devices of all its processes.

    Args:
        options: device, precision and folder of the TensorBoard logs.
        name: of the run in these logs.

    Raises:
        InputError: the device or TensorBoard is missing.
    """
    accelerator, _, index = options.device.partition(":")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    devices: Any = here if world > 1 else [int(index)] if index else 1
    loggers: Any = []
    if options.log_dir is not None:
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        try:
            loggers = [TensorBoardLogger(options.log_dir, name="", version=name)]
        except ModuleNotFoundError as error:
            raise InputError(
                f"--log-dir: TensorBoard is not installed ({error}); pip install 'restyle[tensorboard]'"
            ) from None
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        return Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=max(1, world // here),
            strategy="ddp" if world > 1 else "auto",
            precision=_precision(options.precision, accelerator),  # type: ignore[arg-type]
            loggers=loggers,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"device {options.device}: {error}") from None


def _precision(wanted: str, accelerator: str) -> str:
    """Lightning's name of a precision; "auto" is bf16 where the device computes it fast."""
    if wanted == "auto":
        on_cuda = accelerator in ("auto", "cuda") and torch.cuda.is_available()
        wanted = "bf16" if (torch.cuda.is_bf16_supported() if on_cuda else cpu_has_bf16()) else "fp32"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[wanted]
