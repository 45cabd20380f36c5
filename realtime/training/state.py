"""The state of a run, from which it continues as if it had never stopped: weights, their average, optimisers, step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from realtime.errors import InputError
from realtime.training.paths import state_path
from realtime.training.run import TrainingRun
from realtime.transnet.checkpoint import write_atomically


@dataclass(frozen=True, eq=False)
class State:
    """The state of a run after a step.

    Attributes:
        run: the run.
        step: number of steps done.
        processes: that train together.
        seconds: of work so far, in all calls.
        scaler: state of the loss scaling, JSON values.
        tensors: by name, on any device; see `pack`.
    """

    run: TrainingRun
    step: int
    processes: int
    seconds: float
    scaler: dict[str, Any]
    tensors: dict[str, Tensor]

    def write(self) -> None:
        """Write the state beside the run's checkpoint.

        Raises:
            RestyleError: it cannot be written; the previous state stays.
        """
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in self.tensors.items()}
        values = {"run": self.run.to_json(), "step": self.step, "processes": self.processes}
        values |= {"seconds": self.seconds, "scaler": self.scaler}
        metadata = {name: json.dumps(value) for name, value in values.items()}
        write_atomically(state_path(self.run.output), save(tensors, metadata))

    @classmethod
    def read(cls, output: Path) -> State:
        """The state of the run that writes a checkpoint.

        Raises:
            InputError: there is none, or it is damaged or of another version.
        """
        path = state_path(output)
        if not path.is_file():
            raise InputError(f"{path}: no such file; a run can be resumed where its state lies beside its checkpoint")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = {name: json.loads(value) for name, value in file.metadata().items()}
                tensors = {k: file.get_tensor(k) for k in file.keys()}
            run = TrainingRun.from_json(output, metadata["run"])
            step, processes, seconds = (metadata[name] for name in ("step", "processes", "seconds"))
            return cls(run, step, processes, float(seconds), metadata["scaler"], tensors)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, InputError) as error:
            raise InputError(f"{path}: the state of the run is damaged, or of another version: {error}") from None


def pack(prefix: str, network: nn.Module, optimizer: Any) -> dict[str, Tensor]:
    """A network and its Adam optimiser as named tensors.

    Args:
        prefix: of all names, so that several networks fit into one file.
        network: the module itself, not a wrapper.
        optimizer: made with `network.parameters()`.
    """
    tensors = {f"{prefix}.network.{k}": v for k, v in network.state_dict().items()}
    names = [k for k, _ in network.named_parameters()]
    for i, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"{prefix}.optimizer.{names[i]}.{k}": torch.as_tensor(v) for k, v in entry.items()}
    return tensors


def unpack(tensors: dict[str, Tensor], prefix: str, network: nn.Module, optimizer: Any) -> None:
    """The inverse of `pack`.

    Raises:
        KeyError, RuntimeError: the tensors are those of another network.
    """
    network.load_state_dict(part(tensors, f"{prefix}.network."))
    entries = part(tensors, f"{prefix}.optimizer.")
    state = optimizer.state_dict()
    if entries:  # Adam has no state before its first step
        for i, (name, _) in enumerate(network.named_parameters()):
            state["state"][i] = {k: entries[f"{name}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
    optimizer.load_state_dict(state)


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
