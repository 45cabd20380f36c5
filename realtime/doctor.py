"""What this machine offers to restyle: versions, devices, providers, encoders, cameras, styles; and why not more."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import TYPE_CHECKING, Any

from realtime.release import __version__

if TYPE_CHECKING:
    from realtime.engines.cuda.runtime import CudaRuntime

_PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "lightning-fabric", "onnx", "openvino")


def examine() -> dict[str, Any]:
    """Examine the machine. Never raises for what is missing: its entry says why.

    Returns:
        a dictionary for JSON, in which an entry is {name, works, reason, ...}.
        installation: what is wrong with the installation itself, in words.
        versions: {name: version}.
        cpu: name, cores, threads (torch's own choice), capability, bf16, architecture.
        devices, providers (ONNX Runtime's), encoders, hardware_decoders, microphones, virtual_cameras: entries.
        gpu: entries for the parts of processing on a GPU.
        cameras: entries with modes, in words.
        styles: names in the gallery; styles_error says why it cannot be read, or is None.
    """
    from realtime.media import capabilities

    styles, styles_error = _styles()
    return {
        "installation": installation_problems(),
        "versions": _versions() | capabilities.versions(),
        "cpu": _cpu(),
        "devices": _devices(),
        "gpu": _gpu(),
        "providers": _providers(),
        "encoders": [asdict(found) for found in capabilities.encoders()],
        "hardware_decoders": [asdict(found) for found in capabilities.hardware_decoders()],
        "cameras": [asdict(found) for found in capabilities.cameras()],
        "microphones": [asdict(found) for found in capabilities.listed_microphones()],
        "virtual_cameras": [asdict(found) for found in capabilities.virtual_cameras()],
        "styles": styles,
        "styles_error": styles_error,
    }


def installation_problems(owners: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Whether another distribution has replaced parts of restyle's packages, and what to do about it.

    Args:
        owners: names of the distributions that hold each top-level package; None looks at what is installed.
    """
    import realtime

    problems = []
    owners = packages_distributions() if owners is None else owners
    for name in ("realtime", "export"):
        others = sorted(set(owners.get(name, [])) - {"restyle"})
        if others:
            problems.append(
                f"{', '.join(others)} has a package named {name!r}, too, and may have replaced files of restyle's: "
                f"install restyle in an environment of its own, or run pip uninstall {' '.join(others)} and "
                f"pip install --force-reinstall --no-deps restyle"
            )
    if not problems and "Stylizer" not in dir(realtime):
        problems.append(
            f"{realtime.__file__} is not restyle's: another distribution has a package of this name; "
            "run pip install --force-reinstall --no-deps restyle"
        )
    return problems


def _versions() -> dict[str, str]:
    found = {"restyle": __version__, "python": platform.python_version(), "system": platform.platform()}
    found |= {name: _version(name) or "not installed" for name in _PACKAGES}
    runtimes = [f"{number} ({name})" for name in ("onnxruntime-gpu", "onnxruntime") if (number := _version(name))]
    return {**found, "onnxruntime": runtimes[0] if runtimes else "not installed"}


def _version(name: str) -> str:
    """The version of an installed distribution; empty where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cpu() -> dict[str, Any]:
    import torch

    from realtime.engines.machine import cores, cpu_name
    from realtime.engines.torch.device import cpu_bf16

    return {
        "name": cpu_name(),
        "architecture": platform.machine(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bf16": cpu_bf16(),
    }


def _devices() -> list[dict[str, Any]]:
    import torch

    from realtime.engines.machine import cpu_name

    found = [_entry("cpu", title=cpu_name())]
    reason = _why_no_cuda()
    if reason:
        found.append(_entry("cuda", reason))
    for index in range(0 if reason else torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append(
            _entry(
                f"cuda:{index}",
                title=properties.name,
                memory_gib=round(properties.total_memory / 2**30, 1),
                compute_capability=f"{properties.major}.{properties.minor}",
                bf16=bool(torch.cuda.is_bf16_supported()),
            )
        )
    if torch.backends.mps.is_available():
        found.append(_entry("mps", title="Apple GPU"))
    elif not torch.backends.mps.is_built():
        found.append(_entry("mps", "this build of torch has no MPS (macOS only)"))
    else:
        found.append(_entry("mps", "needs macOS 12.3 or later and an Apple GPU"))
    return found


def _entry(name: str, reason: str = "", **more: Any) -> dict[str, Any]:
    """An entry of the report; it works where there is no reason why not."""
    return {"name": name, "works": not reason, "reason": reason, **more}


def _gpu() -> list[dict[str, Any]]:
    """The parts of processing on a CUDA device, each tried, and why one is missing."""
    import torch

    names = ("CUDA graphs", "NVDEC surfaces", "NVENC surfaces")
    if reason := _why_no_cuda():
        return [_entry(name, f"no CUDA device: {reason}") for name in names]
    from realtime.engines.cuda.runtime import CudaRuntime
    from realtime.media.files.surfaces import CudaSurfaces

    runtime = CudaRuntime(torch.device("cuda", 0))
    surfaces = CudaSurfaces(0, runtime.bind)
    reasons = (
        _why_no_graphs(runtime),
        surfaces.decoder_problem(),
        surfaces.encoder_problem("h264_nvenc", 640, 360),
    )
    return [_entry(name, why) for name, why in zip(names, reasons, strict=True)]


def _why_no_graphs(runtime: CudaRuntime) -> str:
    """Why a graph cannot be recorded and replayed on a device; empty where it can."""
    import torch

    from realtime.engines.cuda.errors import first_line

    try:
        stream = runtime.stream()
        with runtime.on(stream):
            number = torch.zeros(1, device=runtime.where)
            number.add_(1)
            replay = runtime.record(lambda: number.add_(1), stream)
            replay()
        runtime.synchronize()
        return "" if float(number) == 2 else "a recorded graph does something else when it is replayed"
    except RuntimeError as error:
        return first_line(error)


def _why_no_cuda() -> str:
    """Why torch cannot use a CUDA device; empty where it can."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:  # AssertionError or RuntimeError, by build and by cause
        return " ".join(str(error).split()).partition(". Please check")[0]
    return "" if torch.cuda.device_count() else "no device found"


def _providers() -> list[dict[str, Any]]:
    """ONNX Runtime's providers, as far as engines use them, and OpenVINO by itself."""
    from realtime.engines.onnx.openvino_session import openvino_problem
    from realtime.engines.onnx.providers import PROVIDERS, load_onnxruntime, provider_problem
    from realtime.errors import InputError

    try:
        built = load_onnxruntime().get_available_providers()
    except InputError as error:
        return [_entry("onnxruntime", str(error))]
    found = []
    for provider in PROVIDERS.values():
        if provider.name in built or provider.device == "cuda":  # users ask for CUDA even where it is not built in
            reason = (_why_no_cuda() if provider.memory == "cuda" else "") or provider_problem(provider)
            found.append(_entry(provider.name, reason))
    return [*found, _entry("openvino (--backend openvino)", openvino_problem())]


def _styles() -> tuple[list[str], str | None]:
    from realtime.errors import RestyleError
    from realtime.transnet.gallery import styles

    try:
        return [card.name for card in styles()], None
    except RestyleError as error:
        return [], str(error)
