"""What a run needs to go on as if it had never stopped: weights, their average, optimisers, and where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from realtime.errors import InputError
from realtime.transnet.checkpoint import write_atomically


class Average:
    """A moving average of a network's weights; the norms' statistics are copied as they are."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step; early on the average is short."""
        decay = min(self.decay, (1 + step) / (10 + step))
        parameters = {k for k, _ in network.named_parameters()}
        for k, v in network.state_dict().items():
            if k in parameters:
                self.values[k].lerp_(v, 1 - decay)
            else:
                self.values[k].copy_(v)


def state_path(output: Path) -> Path:
    """Where a run keeps its state."""
    return output.with_name(output.stem + ".state.safetensors")


def pack_training(prefix: str, network: nn.Module, optimizer: Any) -> dict[str, Tensor]:
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


def unpack_training(tensors: dict[str, Tensor], prefix: str, network: nn.Module, optimizer: Any) -> None:
    """The inverse of `pack_training`.

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
    """Those tensors whose names begin so, without that beginning."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def write_state(output: Path, tensors: dict[str, Tensor], step: int, config: dict[str, Any], scaler: Any) -> None:
    """Write the state of a run; the one before stays if it cannot be written.

    Args:
        output: the run's checkpoint.
        tensors: any device.
        step: steps that were done.
        config: what `read_state` compares.
        scaler: state of the loss scaling, JSON values.

    Raises:
        RestyleError: it cannot be written.
    """
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    metadata = {"step": str(step), "config": json.dumps(config), "scaler": json.dumps(scaler)}
    write_atomically(state_path(output), save(tensors, metadata))


def read_state(output: Path, config: dict[str, Any]) -> tuple[dict[str, Tensor], int, Any]:
    """The state of a run: tensors, steps done, and the loss scaling's.

    Raises:
        InputError: the file is damaged, or the run had other settings.
    """
    path = state_path(output)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}
        step, then, scaler = int(metadata["step"]), json.loads(metadata["config"]), json.loads(metadata["scaler"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: the state of the run is damaged: {error}") from None
    now = json.loads(json.dumps(config))
    changed = sorted(k for k in now if then.get(k) != now[k])
    if changed:
        raise InputError(f"{path}: the run to resume had other settings for {', '.join(changed)}")
    return tensors, step, scaler
