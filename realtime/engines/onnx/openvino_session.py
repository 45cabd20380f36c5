"""Networks in OpenVINO on the CPU. OpenVINO is optional: `pip install restyle[openvino]`."""

from __future__ import annotations

import queue
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from realtime.engines.onnx.session import Arrays, Runtime, Session, Shapes, TensorInfo, for_shapes, runtime_message
from realtime.engines.torch.device import cpu_has_bf16
from realtime.errors import InputError, StyleError


@cache
def _core() -> Any:
    """OpenVINO itself: one for the process, which is never closed.

    Its CPU plugin gives the thread that loads it another signal stack, and restores the old one when it is closed. Two
    that are closed in the order in which they were opened leave the thread with a stack that was freed, and the next
    signal writes into other memory (seen with 2026.4).
    """
    import openvino

    return openvino.Core()


def openvino_problem() -> str:
    """Why OpenVINO cannot be used; empty where it can."""
    try:
        devices = _core().available_devices
    except ImportError as error:
        return f"OpenVINO is not installed ({runtime_message(error)}): pip install restyle[openvino]"
    except RuntimeError as error:  # its plugins cannot be loaded
        return f"OpenVINO cannot be started: {runtime_message(error)}"
    return "" if "CPU" in devices else f"OpenVINO finds no CPU here, only {', '.join(devices) or 'nothing'}"


def openvino_runtime(device: str = "auto") -> Runtime:
    """OpenVINO on the CPU.

    Raises:
        InputError: it cannot be used, or another device is asked for.
    """
    if problem := openvino_problem():
        raise InputError(problem)
    if device not in ("auto", "cpu"):
        raise InputError(f"device {device!r}: the OpenVINO engine runs on the CPU; choose auto or cpu")
    import openvino

    title = f"OpenVINO {openvino.__version__.partition('-')[0]}"
    precisions = ("bf16", "fp32", "int8") if cpu_has_bf16() else ("fp32", "bf16", "int8")
    return Runtime("openvino", "cpu", title, precisions, True, "cpu", OpenVinoSession)


class OpenVinoSession(Session):
    """A network in OpenVINO, compiled for each of the last shapes.

    Args:
        model: a file, or its contents.
        bf16: compute floats in bf16, whatever they are in the file.
        parallel: how many runs go on at the same time.
        threads: of each run.

    Raises:
        StyleError: the file is missing or damaged, or OpenVINO does not support it.
    """

    runtime = "OpenVINO"

    def __init__(self, model: bytes | Path, *, bf16: bool = False, parallel: int = 1, threads: int = 1) -> None:
        self.name = str(model) if isinstance(model, Path) else "network"
        if isinstance(model, Path) and not model.is_file():
            raise StyleError(f"{self.name}: no such style file")
        try:
            self._model = _core().read_model(str(model) if isinstance(model, Path) else model)
        except Exception as error:  # RuntimeErrors, and other kinds while it converts
            text = runtime_message(error)
            raise StyleError(f"{self.name}: OpenVINO cannot read it, or it is damaged: {text}") from None
        self._parallel = parallel
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "NUM_STREAMS": str(parallel),
            "INFERENCE_NUM_THREADS": str(parallel * threads),
            # the decoder and the encoder need these cores as well
            "ENABLE_CPU_PINNING": False,
        }
        self._ready: dict[Shapes, queue.SimpleQueue[Any]] = {}
        self._lock = threading.Lock()
        self.inputs, self.outputs = (
            tuple(map(_tensor_info, tensors)) for tensors in (self._model.inputs, self._model.outputs)
        )
        self.metadata = _metadata(self._model)

    def _run(self, arrays: Arrays) -> list[np.ndarray]:
        with self._lock:
            requests = for_shapes(self._ready, arrays, lambda: self._compile(arrays))
        request = requests.get()
        try:
            request.infer(dict(arrays), share_inputs=True)
            return [np.array(output.data) for output in request.output_tensors]
        finally:
            requests.put(request)

    def _compile(self, arrays: Arrays) -> queue.SimpleQueue[Any]:
        """Requests for arrays of these shapes, one for each run at the same time."""
        model = self._model.clone()
        model.reshape({name: list(array.shape) for name, array in arrays.items()})
        compiled = _core().compile_model(model, "CPU", self._options)
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self._parallel):
            requests.put(compiled.create_infer_request())
        return requests


def _tensor_info(tensor: Any) -> TensorInfo:
    shape = tuple(size.get_length() if size.is_static else "" for size in tensor.get_partial_shape())
    return TensorInfo(tensor.get_any_name(), shape, np.dtype(tensor.get_element_type().to_dtype()))


def _metadata(model: Any) -> dict[str, str]:
    """The metadata of an ONNX file, which OpenVINO keeps in its runtime information."""
    info = model.get_rt_info()
    if "framework" not in info:
        return {}
    found = info["framework"]
    found = getattr(found, "value", found)  # wrapped or not, depending on OpenVINO's version
    return {str(name): str(getattr(value, "value", value)) for name, value in dict(found).items()}
