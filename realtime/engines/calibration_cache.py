"""Calibrations for int8, which are measured once for each network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from realtime.engines.fidelity import picture_frames, psnr
from realtime.engines.measurement_cache import MeasurementCache
from realtime.engines.onnx.calibration import Calibration, calibrate
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.engines.onnx.ort_session import ort_runtime
from realtime.engines.torch.engine import TorchEngine
from realtime.engines.workers import using_threads
from realtime.release import __version__
from realtime.transnet.network import TransNet

PICTURES = 8
"""Pictures of a calibration: fewer than an export takes, for somebody waits. It costs 0.1 dB over photographs."""


@dataclass(frozen=True, slots=True)
class MeasuredCalibration:
    """A calibration, and how well it works.

    Attributes:
        calibration: of a network.
        psnr: of int8 against fp32, in dB, on pictures other than those of the calibration.
    """

    calibration: Calibration
    psnr: float


def calibration_of(network: TransNet) -> MeasuredCalibration:
    """From the cache, or measured now on generated pictures."""
    cache = MeasurementCache("calibrations.json")
    weights = hashlib.sha256()
    for name, value in network.state_dict().items():
        weights.update(name.encode() + value.numpy().tobytes())
    key = {"restyle": __version__, "torch": torch.__version__, "weights": weights.hexdigest()}
    try:
        found = cache.read(key)
        return MeasuredCalibration(Calibration.from_json(found["calibration"]), float(found["psnr"]))
    except (KeyError, TypeError, ValueError):
        with using_threads(1):  # small pictures: two threads would only wait for each other
            calibration = calibrate(network, generated_pictures(PICTURES))
            measured = MeasuredCalibration(calibration, _psnr(network, calibration))
        cache.write(key, {"calibration": calibration.to_json(), "psnr": measured.psnr})
        return measured


def _psnr(network: TransNet, calibration: Calibration) -> float:
    frames = picture_frames(seed=1)
    with (
        TorchEngine(network, device="cpu", precision="fp32", threads=1) as exact,
        OnnxEngine(network, ort_runtime("cpu"), precision="int8", threads=1, calibration=calibration) as int8,
    ):
        return psnr(*([engine.stylize([frame])[0] for frame in frames] for engine in (exact, int8)))
