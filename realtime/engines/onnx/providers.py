"""ONNX Runtime's execution providers: which there are, which work on this machine, and why others do not.

ONNX Runtime silently falls back to the CPU where a provider's libraries are missing. Therefore a provider is tried out
before it is used, and what is missing is named.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from realtime.cache_folder import cache_folder
from realtime.engines.onnx.session import runtime_message
from realtime.errors import InputError

# An ONNX model with the one node y = Identity(x): the smallest thing to open a provider with.
_IDENTITY = (
    b'\x08\x08\x12\x00:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02'
    b"\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)

_GPU_PACKAGE = "the package onnxruntime-gpu has it (Linux and Windows on x86-64)"


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider.

    Attributes:
        device: the word for it in `--device`.
        name: ONNX Runtime's.
        package: where it can be had, for messages.
        memory: where its tensors are, in ONNX Runtime's words.
        options: ONNX Runtime's.
        graph_option: the one that records CUDA graphs, for which every shape must be known.
        half: whether it computes in fp16.
        static_shapes: whether it is faster, or only works, with shapes that are known when a session is opened.
    """

    device: str
    name: str
    package: str = "another build may have it"
    memory: str = "cpu"
    options: Mapping[str, str] = field(default_factory=dict, compare=False)
    graph_option: str = ""
    half: bool = True
    static_shapes: bool = True


CPU = Provider("cpu", "CPUExecutionProvider", half=False, static_shapes=False)
CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    _GPU_PACKAGE,
    "cuda",
    {
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "arena_extend_strategy": "kSameAsRequested",
    },
    "enable_cuda_graph",
)
_TENSORRT = {"trt_fp16_enable": "1", "trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
_COREML = {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL", "RequireStaticInputShapes": "1"}
_OPENVINO_PACKAGE = "the package onnxruntime-openvino has it; or use --backend openvino"

PROVIDERS: Mapping[str, Provider] = {
    provider.device: provider
    for provider in (
        CPU,
        CUDA,
        Provider("tensorrt", "TensorrtExecutionProvider", _GPU_PACKAGE, "cuda", _TENSORRT, "trt_cuda_graph_enable"),
        Provider("coreml", "CoreMLExecutionProvider", "the package onnxruntime for macOS has it", options=_COREML),
        Provider("directml", "DmlExecutionProvider", "the package onnxruntime-directml (Windows) has it", "dml"),
        Provider(
            "openvino", "OpenVINOExecutionProvider", _OPENVINO_PACKAGE, options={"device_type": "CPU"}, half=False
        ),
    )
}

AUTOMATIC = ("cuda", "directml", "coreml", "cpu")
"""What device "auto" tries, in this order."""


@dataclass(frozen=True, slots=True)
class OrtDevice:
    """A device that ONNX Runtime runs on: a provider, and the number of the GPU."""

    provider: Provider = CPU
    index: int = 0

    @property
    def name(self) -> str:
        """As in `--device`: "cuda:0", "cpu", ..."""
        return f"{self.provider.device}:{self.index}" if self.provider.memory == "cuda" else self.provider.device

    def provider_options(self, *, graphs: bool) -> dict[str, str]:
        """The provider's options; `graphs` records CUDA graphs."""
        options = dict(self.provider.options)
        if self.provider.memory != "cpu":
            options["device_id"] = str(self.index)
        if self.provider.graph_option:
            options[self.provider.graph_option] = str(int(graphs))
        if self.provider.device == "tensorrt":
            folder = cache_folder() / "tensorrt"
            with contextlib.suppress(OSError):  # then TensorRT stores nothing
                folder.mkdir(parents=True, exist_ok=True)
            options["trt_engine_cache_path"] = options["trt_timing_cache_path"] = str(folder)
        return options


def choose_device(wanted: str) -> OrtDevice:
    """The device meant by "auto" or by a word of `PROVIDERS`; "cuda" and "tensorrt" may have a number ("cuda:1").

    "mps" is CoreML, by which ONNX Runtime uses Apple's GPU.

    Raises:
        InputError: the word is unknown, or the device cannot be used; the message says why.
    """
    if wanted == "auto":
        return OrtDevice(next((p for d in AUTOMATIC if not provider_problem(p := PROVIDERS[d])), CPU))
    word, _, number = wanted.partition(":")
    provider = PROVIDERS.get("coreml" if word == "mps" else word)
    if provider is None or (number and (provider.memory != "cuda" or not number.isdigit())):
        raise InputError(f"device {wanted!r}: for ONNX Runtime choose auto, {', '.join(PROVIDERS)}, or cuda:N")
    if problem := provider_problem(provider):
        raise InputError(f"device {wanted!r}: {provider.name} cannot be used: {problem}")
    return OrtDevice(provider, int(number or 0))


def load_onnxruntime() -> Any:
    """The package onnxruntime.

    Raises:
        InputError: it cannot be imported; the message says why.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"ONNX Runtime cannot be loaded ({runtime_message(error)}): pip install onnxruntime") from None
    return onnxruntime


@contextlib.contextmanager
def silenced(onnxruntime: Any) -> Iterator[None]:
    """ONNX Runtime writes nothing: its errors are raised as well, and a fallback to the CPU is noticed otherwise."""
    onnxruntime.set_default_logger_severity(4)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # preload_dlls prints, and stdout belongs to --json
            yield
    finally:
        onnxruntime.set_default_logger_severity(2)  # ONNX Runtime's default


@cache
def provider_problem(provider: Provider) -> str:
    """Why a provider cannot be used on this machine; empty where it can. A build also lists providers that cannot."""
    onnxruntime = load_onnxruntime()
    if provider.name not in onnxruntime.get_available_providers():
        return f"this build of ONNX Runtime does not have it; {provider.package}"
    if provider.memory == "cuda" and not has_nvidia_driver():
        return "no NVIDIA driver was found"
    with silenced(onnxruntime):
        if provider.memory == "cuda" and hasattr(onnxruntime, "preload_dlls"):
            with contextlib.suppress(OSError):  # the provider itself names what is missing
                onnxruntime.preload_dlls()  # CUDA's libraries, as PyTorch or NVIDIA's packages have installed them
        try:
            session = onnxruntime.InferenceSession(_IDENTITY, providers=[provider.name], enable_fallback=0)
            if provider.name in session.get_providers():
                return ""
        except Exception as error:  # each provider has its own
            return runtime_message(error)
    return missing_library(provider) or "its libraries could not be loaded"


def has_nvidia_driver() -> bool:
    """Whether NVIDIA's driver is installed."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def missing_library(provider: Provider) -> str:
    """The loader's message on a provider's library, which names the library that is missing; empty if there is none."""
    onnxruntime = load_onnxruntime()
    short = provider.name.removesuffix("ExecutionProvider").lower()
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        for shared in folder.glob("*onnxruntime_providers_shared.so"):
            ctypes.CDLL(str(shared), mode=ctypes.RTLD_GLOBAL)
        for extension in ("so", "dll"):
            for path in folder.glob(f"*onnxruntime_providers_{short}.{extension}"):
                ctypes.CDLL(str(path))
    except OSError as error:
        version = getattr(onnxruntime, "cuda_version", "") if provider.memory == "cuda" else ""
        return runtime_message(error) + (f" (this build needs CUDA {version} and cuDNN 9)" if version else "")
    return ""
