"""What the engines need of a runtime: sessions that take and give NumPy arrays."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from realtime.engines.onnx.graph import Target
from realtime.errors import RestyleError, one_line

MAX_SHAPES = 4
"""Input shapes that a session keeps ready, where each is compiled or recorded by itself."""

Arrays = Mapping[str, np.ndarray]
Shapes = tuple[tuple[int, ...], ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a network.

    Attributes:
        name: of the tensor.
        shape: numbers; names (or "") where a size is free.
        dtype: of its elements.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: np.dtype[Any]

    @property
    def is_static(self) -> bool:
        """Whether all sizes are known."""
        return all(isinstance(size, int) for size in self.shape)


class Session(ABC):
    """A network that is ready to run.

    Attributes:
        name: of the network, for messages.
        inputs, outputs: in the order of the file.
        metadata: the file's own properties.
        notes: what the user should know. May grow when new shapes are run.
    """

    runtime: str
    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def run(self, arrays: Arrays) -> list[np.ndarray]:
        """All outputs for all inputs. May be called by several threads at the same time.

        Raises:
            RestyleError: the runtime failed.
        """
        try:
            return self._run(arrays)
        except RestyleError:
            raise
        except Exception as error:  # the runtimes' errors have no common base
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise RestyleError(f"{self.name}: {self.runtime} failed on {shapes}: {runtime_message(error)}") from error

    @abstractmethod
    def _run(self, arrays: Arrays) -> list[np.ndarray]: ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime on one device.

    Attributes:
        backend, device: of engines with this runtime.
        title: what runs there, as the runtime calls it.
        precisions: what it can compute in; the first is what "auto" means.
        side_by_side: frames are painted by workers, one each; else in batches.
        target: see `realtime.engines.onnx.graph.build`.
        open: opens a model, which is a file or its contents: `open(model, parallel=, threads=)` gives a session for
            `parallel` runs at the same time, each with `threads` on the CPU. Where `precisions` has bf16, `bf16=True`
            computes floats in it, whatever they are in the model.
    """

    backend: str
    device: str
    title: str
    precisions: tuple[str, ...]
    side_by_side: bool
    target: Target
    open: Callable[..., Session]


def for_shapes(ready: dict[Shapes, T], arrays: Arrays, make: Callable[[], T]) -> T:
    """What is ready for arrays of these shapes; made if necessary, in the place of the oldest if there are too many."""
    shapes = tuple(array.shape for array in arrays.values())
    if shapes not in ready:
        if len(ready) >= MAX_SHAPES:
            del ready[next(iter(ready))]
        ready[shapes] = make()
    return ready[shapes]


def runtime_message(error: object) -> str:
    """A runtime's error as one line, without the place in the runtime's source."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", one_line(error))
    return re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", text)
