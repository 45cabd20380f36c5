"""The ranges of a network's values, which int8 needs: measured on pictures, in fp32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor

from realtime.engines.onnx.builder import Quantization
from realtime.engines.onnx.channel_balancing import balanced_ranges, choose_gains
from realtime.engines.onnx.steps import NetworkSteps
from realtime.transnet.color import planes_from_rgb
from realtime.transnet.folding import TRAINED_IN, FoldedTransNet, fold
from realtime.transnet.network import MULTIPLE, SCALE, Architecture, TransNet, pack_planes
from realtime.transnet.texture import FIELD_SIDE, field_codes, texture_planes


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of a network. Holds for every meaning of the planes' codes.

    Attributes:
        quantizations: of each step of the balanced network, by name.
        gains: how it is balanced (`realtime.engines.onnx.channel_balancing`).
    """

    quantizations: dict[str, Quantization]
    gains: tuple[Tensor, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "quantizations": {name: [q.scale, q.zero_point] for name, q in self.quantizations.items()},
            "gains": [gain.tolist() for gain in self.gains],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Calibration:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the values are something else.
        """
        quantizations = {
            str(name): Quantization(float(scale), int(zero)) for name, (scale, zero) in values["quantizations"].items()
        }
        return cls(quantizations, tuple(torch.tensor(gain, dtype=torch.float32) for gain in values["gains"]))


@torch.inference_mode()
def calibrate(network: TransNet, pictures: Iterable[Tensor]) -> Calibration:
    """Measure what int8 needs.

    Args:
        network: in its training form; it stays as it is.
        pictures: (N, 3, H, W) RGB in 0..1, at least one: `generated_pictures`, or such as will be stylised.

    Raises:
        ValueError: there are none.
    """
    recorder = _RangeRecorder(fold(network, *TRAINED_IN))
    for number, picture in enumerate(pictures):
        recorder.run(network_input(picture, network.architecture, seed=number))
    if not recorder.found:
        raise ValueError("no pictures to calibrate with")
    gains = choose_gains(recorder.network, recorder.found)
    ranges = balanced_ranges(recorder.network, gains, recorder.found)
    return Calibration({name: Quantization.for_range(*found) for name, found in ranges.items()}, gains)


class _RangeRecorder(torch.fx.Interpreter):
    """Runs a network and records the smallest and the largest value of each channel of each step."""

    def __init__(self, network: FoldedTransNet) -> None:
        super().__init__(torch.fx.GraphModule(network, NetworkSteps(network).graph))
        self.network = network
        self.found: dict[str, tuple[Tensor, Tensor]] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            low, high = value.amin((0, 2, 3)), value.amax((0, 2, 3))
            if n.name in self.found:
                before = self.found[n.name]
                low, high = torch.minimum(low, before[0]), torch.maximum(high, before[1])
            self.found[n.name] = low, high
        return value


def network_input(rgb: Tensor, architecture: Architecture, seed: int = 0) -> Tensor:
    """Pictures as a folded network takes them.

    Args:
        rgb: (N, 3, H, W), 0..1.
        architecture: of the network.
        seed: chooses the pictures' places on the texture plane.

    Returns:
        (N, 24 or 28, h, w): codes - 128, rounded as in a file.
    """
    rgb = F.pad(rgb, (0, -rgb.shape[3] % MULTIPLE, 0, -rgb.shape[2] % MULTIPLE), mode="replicate")
    y, uv = (plane.round().clamp(0, 255) for plane in planes_from_rgb(rgb, *TRAINED_IN))
    cells = pack_planes(y, uv) * SCALE
    if not architecture.texture:
        return cells
    places = torch.rand(len(cells), 2, generator=torch.Generator().manual_seed(seed)) * (2 * FIELD_SIDE)
    texture = texture_planes(field_codes(), places, *cells.shape[2:]).round()
    return torch.cat([cells, texture], 1)
