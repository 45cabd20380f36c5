"""The OpenVINO engine: the same models as the ONNX engine runs, on processors where OpenVINO is faster.

Optional: `pip install restyle[openvino]`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from realtime.engines.onnx.engine import NetworkModels, SessionEngine, check_file_precision
from realtime.engines.onnx.quantise import Calibration
from realtime.engines.onnx.sessions import SHAPES, Port, Session, one_line
from realtime.engines.torch.device import cpu_has_bf16
from realtime.errors import InputError, RestyleError, StyleError
from realtime.options import Precision
from realtime.transnet.network import TransNet

_PRECISIONS = ("fp32", "bf16", "int8")


@cache
def _core() -> Any:
    """OpenVINO itself: one for the process, which is never given back.

    Its CPU plugin gives the thread that loads it another stack for signals, and puts the old one back when it goes. Two
    of them that go in the order in which they came leave the thread with a stack that is freed: the next signal writes
    into somebody's memory (seen with 2026.4).
    """
    import openvino

    return openvino.Core()


def why_not() -> str:
    """Why OpenVINO cannot be used; empty where it can."""
    try:
        devices = _core().available_devices
    except ImportError as error:
        return f"OpenVINO is not installed ({one_line(error)}): pip install restyle[openvino]"
    except RuntimeError as error:  # its plugins cannot be loaded
        return f"OpenVINO cannot be started: {one_line(error)}"
    return "" if "CPU" in devices else f"OpenVINO finds no CPU here, only {', '.join(devices) or 'nothing'}"


class OpenVinoSession:
    """A network in OpenVINO on the CPU, compiled for each of the last shapes. See `realtime.engines.onnx.sessions`.

    Args:
        model: a file, or its contents.
        hint: what to compute floats in: "f32" or "bf16".
        streams: runs side by side.
        threads: for all of them together.
        name: what errors call it.

    Raises:
        StyleError: the file is missing, damaged, or asks for what OpenVINO has not.
    """

    def __init__(self, model: bytes | Path, *, hint: str, streams: int, threads: int, name: str = "") -> None:
        import openvino

        self._name = name or (str(model) if isinstance(model, Path) else "network")
        if isinstance(model, Path) and not model.is_file():
            raise StyleError(f"{self._name}: no such style file")
        try:
            self._model = _core().read_model(str(model) if isinstance(model, Path) else model)
        except Exception as error:  # OpenVINO's are plain RuntimeErrors, and more kinds while it converts
            raise StyleError(f"{self._name}: OpenVINO cannot read it, or it is damaged: {one_line(error)}") from None
        self._hint, self._streams, self._threads = hint, streams, threads
        self._ready: dict[tuple[tuple[int, ...], ...], queue.SimpleQueue[Any]] = {}
        self._one_at_a_time = threading.Lock()
        self.inputs, self.outputs = (tuple(map(_port, ports)) for ports in (self._model.inputs, self._model.outputs))
        self.metadata: Mapping[str, str] = _metadata(self._model)
        self.runs_on = f"OpenVINO {openvino.__version__.partition('-')[0]}"
        self.notes: list[str] = []

    def _requests(self, feeds: Mapping[str, np.ndarray]) -> queue.SimpleQueue[Any]:
        """Requests for arrays of these shapes, one for each run side by side."""
        key = tuple(array.shape for array in feeds.values())
        with self._one_at_a_time:
            if key not in self._ready:
                if len(self._ready) >= SHAPES:
                    del self._ready[next(iter(self._ready))]
                model = self._model.clone()
                model.reshape({name: list(array.shape) for name, array in feeds.items()})
                options = {
                    "INFERENCE_PRECISION_HINT": self._hint,
                    "NUM_STREAMS": str(self._streams),
                    "INFERENCE_NUM_THREADS": str(self._threads),
                    # the decoder and the encoder want these cores as well
                    "ENABLE_CPU_PINNING": False,
                }
                compiled = _core().compile_model(model, "CPU", options)
                self._ready[key] = queue.SimpleQueue()
                for _ in range(self._streams):
                    self._ready[key].put(compiled.create_infer_request())
            return self._ready[key]

    def run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """See `realtime.engines.onnx.sessions.Session.run`."""
        try:
            requests = self._requests(feeds)
            request = requests.get()
            try:
                request.infer(dict(feeds), share_inputs=True)
                return [np.array(output.data) for output in request.output_tensors]
            finally:
                requests.put(request)
        except RuntimeError as error:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in feeds.items())
            raise RestyleError(f"{self._name}: OpenVINO failed on {shapes}: {one_line(error)}") from error


def _port(port: Any) -> Port:
    shape = tuple(size.get_length() if size.is_static else "" for size in port.get_partial_shape())
    return Port(port.get_any_name(), shape, np.dtype(port.get_element_type().to_dtype()))


def _metadata(model: Any) -> dict[str, str]:
    """The metadata of an ONNX file, which OpenVINO keeps among its own notes."""
    notes = model.get_rt_info()
    if "framework" not in notes:
        return {}
    said = notes["framework"]
    said = getattr(said, "value", said)  # wrapped or not, by OpenVINO's version
    return {str(name): str(getattr(value, "value", value)) for name, value in dict(said).items()}


class OpenVinoEngine(SessionEngine):
    """Runs a TransNet, or an ONNX file, in OpenVINO on the CPU.

    Args:
        network: in its training form; or a file, made by `restyle export` or by others (a plain RGB network).
        device: "auto" or "cpu".
        precision: "fp32", "bf16" or "int8"; "auto" takes bf16 where the processor has it, else fp32.
        batch: frames at once; None takes one for each core.
        threads: None takes one for each core.
        calibration: for int8; None measures on generated pictures.

    Raises:
        InputError: OpenVINO is not installed; the device or precision is not to be had.
        StyleError: the file is damaged, or no style network.
    """

    def __init__(
        self,
        network: TransNet | Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        batch: int | None = None,
        threads: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if reason := why_not():
            raise InputError(reason)
        if device not in ("auto", "cpu"):
            raise InputError(f"device {device!r}: the OpenVINO engine runs on the CPU; choose auto or cpu")
        source: NetworkModels | Path
        if isinstance(network, Path):
            wanted, source = None, network
        else:
            wanted = choose_precision(precision)
            # floats are the network's; in which format OpenVINO computes with them is its own affair
            source = NetworkModels(
                network, "int8" if wanted == "int8" else "fp32", target="cpu", calibration=calibration
            )
        hint = "bf16" if wanted == "bf16" else "f32"

        def opener(model: bytes | Path, count: int, threads: int) -> list[Session]:
            session: Session = OpenVinoSession(model, hint=hint, streams=count, threads=count * threads)
            return [session] * count

        super().__init__(
            source,
            opener,
            backend="openvino",
            device="cpu",
            precision=wanted,
            side_by_side=True,
            batch=batch,
            threads=threads,
        )
        if isinstance(network, Path):
            check_file_precision(network, self.precision, precision)


def choose_precision(wanted: Precision) -> str:
    """The precision meant by "auto"; any other as it is.

    Raises:
        InputError: OpenVINO does not compute in it on a CPU.
    """
    if wanted == "auto":
        return "bf16" if cpu_has_bf16() else "fp32"
    if wanted not in _PRECISIONS:
        raise InputError(f"precision {wanted!r}: OpenVINO on the CPU takes auto, {', '.join(_PRECISIONS)}")
    return wanted
