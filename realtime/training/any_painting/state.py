"""The state of a run, from which it continues: weights, their average, Adam, the step, the time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from realtime.errors import InputError
from realtime.training.any_painting.run import AnyTrainRun
from realtime.training.paths import state_path
from realtime.transnet.checkpoint import write_atomically

FORMAT = "restyle-any-painting-state"


@dataclass(frozen=True, eq=False)
class AnyState:
    """The state of a run after a step. Random numbers depend on the seed and the step alone.

    Attributes:
        run: the run.
        step: number of steps done.
        seconds: of training, in all calls.
        processes: that train together.
        pictures: numbers of pictures of the folders of paintings, and of the photographs.
        tensors: of the learner, by name.
    """

    run: AnyTrainRun
    step: int
    seconds: float
    processes: int
    pictures: list[int]
    tensors: dict[str, Tensor]

    def write(self) -> None:
        """Write the state beside the run's output.

        Raises:
            RestyleError: it cannot be written; the previous state stays.
        """
        values: dict[str, Any] = {
            "run": self.run.to_json(),
            "step": self.step,
            "seconds": self.seconds,
            "processes": self.processes,
            "pictures": self.pictures,
        }
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        metadata = {"format": FORMAT} | {name: json.dumps(value) for name, value in values.items()}
        write_atomically(state_path(self.run.output), save(tensors, metadata))

    @classmethod
    def read(cls, output: Path) -> AnyState:
        """The state of the run that writes a file.

        Raises:
            InputError: there is none, or it is damaged or of another version.
        """
        path = state_path(output)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                values = {name: json.loads(text) for name, text in metadata.items() if name != "format"}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            run = AnyTrainRun.from_json(output, values.pop("run"))
            return cls(run=run, tensors=tensors, **values)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, InputError) as error:
            raise InputError(f"{path}: the state of the run is damaged, or of another version: {error}") from None


def is_state_of_any_painting(output: Path) -> bool:
    """Whether the run that writes a file is one of this trainer. False where there is no state that can be read."""
    try:
        with safe_open(state_path(output), framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False
