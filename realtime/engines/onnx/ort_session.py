"""Networks in ONNX Runtime, with every execution provider."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from realtime.engines.onnx.graph import Target
from realtime.engines.onnx.providers import CPU, CUDA, OrtDevice, Provider, choose_device, load_onnxruntime, silenced
from realtime.engines.onnx.session import Arrays, Runtime, Session, Shapes, TensorInfo, for_shapes, runtime_message
from realtime.errors import RestyleError, StyleError

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}


def ort_runtime(device: str = "auto") -> Runtime:
    """ONNX Runtime on a device; see `choose_device`."""
    where = choose_device(device)
    provider, open = where.provider, partial(OrtSession, device=where)
    precisions = ("fp16", "fp32") if provider.half else ("fp32", "int8")
    target: Target = "cpu" if provider.device in ("cpu", "openvino") else "any"
    return Runtime("onnx", where.name, provider.name, precisions, not provider.static_shapes, target, open)


class OrtSession(Session):
    """A network in ONNX Runtime.

    On the CPU any shape runs at once. For other devices a session is opened for each of the last shapes: with all
    sizes known and inputs and outputs that stay in the same memory, CUDA can replay the whole network as one graph.

    Args:
        model: a file, or its contents.
        device: where to run.
        parallel: on the CPU, how many runs go on at the same time.
        threads: on the CPU, of each run.
        name: of the network, for messages; None takes the file's.

    Raises:
        StyleError: the file is missing or damaged, or this ONNX Runtime does not support it.
        RestyleError: the provider fails.
    """

    runtime = "ONNX Runtime"

    def __init__(
        self,
        model: bytes | Path,
        device: OrtDevice = OrtDevice(),
        *,
        parallel: int = 1,
        threads: int = 1,
        name: str | None = None,
    ) -> None:
        self.name = name or (str(model) if isinstance(model, Path) else "network")
        self._model, self._device, self._threads = model, device, threads
        self._static = device.provider.static_shapes
        self._graphs = bool(device.provider.graph_option)
        self._ready: dict[Shapes, Callable[[Arrays], list[np.ndarray]]] = {}
        self._lock = threading.Lock()
        # where shapes must be known, the file is first inspected on the CPU
        first = self._open(CPU if self._static else device.provider)
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for n in range(parallel):
            # parallel runs of one session share its threads; with one thread each they have none to share
            self._free.put(first if n == 0 or threads == 1 else self._open(device.provider))
        self.inputs, self.outputs = (
            tuple(map(_tensor_info, tensors)) for tensors in (first.get_inputs(), first.get_outputs())
        )
        self.metadata = dict(first.get_modelmeta().custom_metadata_map)

    def _run(self, arrays: Arrays) -> list[np.ndarray]:
        if self._static:
            with self._lock:
                return for_shapes(self._ready, arrays, lambda: self._runner(arrays))(arrays)
        session = self._free.get()
        try:
            found: list[np.ndarray] = session.run(None, dict(arrays))
            return found
        finally:
            self._free.put(session)

    def _runner(self, arrays: Arrays) -> Callable[[Arrays], list[np.ndarray]]:
        """What runs arrays of these shapes."""
        sizes = {
            name: size
            for tensor in self.inputs
            for name, size in zip(tensor.shape, arrays[tensor.name].shape, strict=True)
            if isinstance(name, str) and name
        }
        provider = self._device.provider
        session = self._open(provider, sizes)
        if self._graphs and not all(_tensor_info(tensor).is_static for tensor in session.get_outputs()):
            # a recorded graph writes to one place of one size
            self._without_graphs("the network does not tell the size of its output")
            session = self._open(provider, sizes)
        if provider.memory == "cpu":
            return lambda arrays: session.run(None, dict(arrays))
        return BoundSession(session, arrays, self._device).run

    def _open(self, provider: Provider, sizes: Mapping[str, int] | None = None) -> Any:
        onnxruntime = load_onnxruntime()
        options = self._session_options(onnxruntime, provider, sizes or {})
        index, providers = self._device.index, [provider]
        if provider.name != CPU.name:
            providers += [CUDA, CPU] if provider.device == "tensorrt" else [CPU]
        chosen = [
            (p.name, OrtDevice(p, index).provider_options(graphs=self._graphs and p is provider)) for p in providers
        ]
        model = str(self._model) if isinstance(self._model, Path) else self._model
        try:
            with silenced(onnxruntime):
                session = onnxruntime.InferenceSession(model, options, providers=chosen, enable_fallback=0)
        except Exception as error:  # ONNX Runtime's have no common base
            if provider.name == CPU.name:
                raise self._file_error(error) from None
            if self._graphs:  # some node runs on the CPU, so no graph can be recorded
                self._without_graphs(runtime_message(error))
                return self._open(provider, sizes)
            raise RestyleError(f"{self.name}: {provider.name} cannot run it: {runtime_message(error)}") from error
        if (used := session.get_providers()[0]) != provider.name:
            raise RestyleError(f"{self.name}: {provider.name} was asked for, but ONNX Runtime used {used}")
        if provider.name != CPU.name:
            self._note_fallbacks(session, provider)
        return session

    def _session_options(self, onnxruntime: Any, provider: Provider, sizes: Mapping[str, int]) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # threads that wait in a loop would take the cores from the decoder and the encoder
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if provider.device == "directml":
            options.enable_mem_pattern = False
        if provider.name != CPU.name:
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        for dimension, size in sizes.items():
            options.add_free_dimension_override_by_name(dimension, size)
        return options

    def _without_graphs(self, reason: str) -> None:
        self._graphs = False
        self.notes += (f"CUDA graphs are not used: {reason}",)

    def _note_fallbacks(self, session: Any, provider: Provider) -> None:
        """A note if some operations run on the CPU, where this version of ONNX Runtime tells."""
        if not hasattr(session, "get_provider_graph_assignment_info"):
            return
        counts = [(part.ep_name, len(part.get_nodes())) for part in session.get_provider_graph_assignment_info()]
        if on_cpu := sum(count for name, count in counts if name == CPU.name):
            note = f"{on_cpu} of {sum(n for _, n in counts)} operations run on the CPU, not in {provider.name}"
            if note not in self.notes:
                self.notes += (note,)

    def _file_error(self, error: Exception) -> StyleError:
        """What is wrong with a file that ONNX Runtime does not open."""
        if isinstance(self._model, Path) and not self._model.is_file():
            reason = "is a folder, not an ONNX file" if self._model.is_dir() else "no such style file"
            return StyleError(f"{self.name}: {reason}")
        text, runtime = runtime_message(error), f"ONNX Runtime {load_onnxruntime().__version__}"
        reason = f"{runtime} cannot run it: {text}"
        if re.search("protobuf parsing failed|no graph was found", text, re.IGNORECASE):
            reason = "not an ONNX file, or damaged"
        elif found := re.search(r"Opset (\d+) is under development|opset version (\d+)", text):
            reason = f"made for opset {found[1] or found[2]}, which {runtime} does not support"
        elif found := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text):
            reason = f"ONNX format {found[1]}; {runtime} reads up to {found[2]}"
        return StyleError(f"{self.name}: {reason}")


def _tensor_info(tensor: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else str(size or "") for size in tensor.shape or ())
    return TensorInfo(tensor.name, shape, _DTYPES.get(tensor.type, np.dtype(object)))


class BoundSession:
    """A session for inputs of one shape, whose inputs and outputs stay in the same memory of the device.

    Args:
        session: ONNX Runtime's.
        arrays: of the shapes and types that will come.
        device: where the tensors are.
    """

    def __init__(self, session: Any, arrays: Arrays, device: OrtDevice) -> None:
        value: Callable[..., Any] = load_onnxruntime().OrtValue.ortvalue_from_numpy
        where = (device.provider.memory, device.index)
        self._session, self._binding = session, session.io_binding()
        # copies: on the CPU a value shares its array's memory, and would write into it
        self._inputs = {name: value(np.array(array, order="C"), *where) for name, array in arrays.items()}
        for name, given in self._inputs.items():
            self._binding.bind_ortvalue_input(name, given)
        for tensor in map(_tensor_info, session.get_outputs()):
            if tensor.is_static:
                empty = np.empty([int(size) for size in tensor.shape], tensor.dtype)
                self._binding.bind_ortvalue_output(tensor.name, value(empty, *where))
            else:  # of unknown size: memory is taken in each run
                self._binding.bind_output(tensor.name, *where)

    def run(self, arrays: Arrays) -> list[np.ndarray]:
        """All outputs for all inputs, which have the shapes given before."""
        for name, array in arrays.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))
        self._session.run_with_iobinding(self._binding)
        found: list[np.ndarray] = self._binding.copy_outputs_to_cpu()
        return found
