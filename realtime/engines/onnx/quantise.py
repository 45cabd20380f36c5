"""What int8 needs to know of a network: how large its values become. Measured on pictures, in fp32."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from realtime.engines.onnx.graph import Span, Steps
from realtime.transnet.color import planes_from_rgb
from realtime.transnet.folding import TRAINED_IN, FoldedBlock, FoldedTransNet, fold
from realtime.transnet.network import CENTER, MULTIPLE, TransNet

PICTURES = 12
"""Pictures that `generated_pictures` makes."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured; holds for every meaning of the planes' numbers.

    Attributes:
        spans: of each step of the balanced network.
        gains: for each seam of the network (see `balanced`), by what its channels are divided.
    """

    spans: dict[str, Span]
    gains: tuple[Tensor, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "spans": {name: [span.scale, span.zero] for name, span in self.spans.items()},
            "gains": [gain.tolist() for gain in self.gains],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        spans = {str(name): Span(float(scale), int(zero)) for name, (scale, zero) in values["spans"].items()}
        return cls(spans, tuple(torch.tensor(gain, dtype=torch.float32) for gain in values["gains"]))


@dataclass(frozen=True, slots=True)
class _Seam:
    """Channels that some convolutions give and others take, with nothing but sums, ReLU and a shuffle between.

    Attributes:
        givers: convolutions; where one gives more than the channels, the phases of one become neighbouring pixels.
        takers: convolutions.
    """

    givers: tuple[nn.Conv2d, ...]
    takers: tuple[nn.Conv2d, ...]


def _seams(network: FoldedTransNet) -> list[_Seam]:
    """Where the channels of a network can be scaled without changing what it gives: not around a norm that is left."""

    def plain(*parts: nn.Module | None) -> bool:
        return all(isinstance(part, nn.Conv2d) and part.groups == 1 for part in parts)

    def down_of(part: nn.Module) -> nn.Module:
        return part[0] if isinstance(part, nn.Sequential) else part

    blocks: list[Any] = list(network.blocks)
    wanted: list[tuple[Sequence[nn.Module], Sequence[nn.Module]]] = [
        ([network.stem], [down_of(network.down)]),
        ([network.up], [network.refine]),
        ([network.refine], [network.out]),
    ]
    for block in blocks:
        assert isinstance(block, FoldedBlock)
        if isinstance(block.norm, nn.Identity):
            wanted.append(([block.first], [block.second]))
    mix = [] if network.mix is None else [network.mix]
    wanted.append(([network.down, *mix, *(b.second for b in blocks)], [*(b.first for b in blocks), network.up]))
    return [
        _Seam(tuple(givers), tuple(takers))  # type: ignore[arg-type]
        for givers, takers in wanted
        if plain(*givers, *takers)
    ]


def balanced(network: FoldedTransNet, gains: Sequence[Tensor]) -> FoldedTransNet:
    """The same network with channels of about equal size, so that one scale suits all of them.

    Convolutions are linear and ReLU keeps factors, so what a giver is divided by its takers can be multiplied with
    (Nagel et al. 2019, arXiv 1906.04721).

    Args:
        network: folded, for any meaning of the numbers.
        gains: one vector for each seam.

    Returns:
        a new network that gives the same up to rounding.
    """
    network = deepcopy(network)
    for seam, gain in zip(_seams(network), gains, strict=True):
        for conv in seam.givers:
            assert conv.bias is not None
            given = gain.repeat_interleave(conv.out_channels // len(gain))
            conv.weight.data = conv.weight / given[:, None, None, None]
            conv.bias.data = conv.bias / given
        for conv in seam.takers:
            conv.weight.data = conv.weight * gain[None, :, None, None]
    return network


def _measure_gains(network: FoldedTransNet, cells: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """For each seam the square root of how large a channel becomes over how much it counts for the takers."""
    seams = _seams(network)
    largest = [torch.zeros(seam.takers[0].in_channels) for seam in seams]
    hooks = []
    for index, seam in enumerate(seams):

        def note(module: nn.Module, given: tuple[Tensor, ...], index: int = index) -> None:
            largest[index] = torch.maximum(largest[index], given[0].abs().amax((0, 2, 3)))

        hooks += [conv.register_forward_pre_hook(note) for conv in seam.takers]
    try:
        for x in cells:
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    gains = []
    for seam, size in zip(seams, largest, strict=True):
        counts = torch.stack([conv.weight.abs().amax((0, 2, 3)) for conv in seam.takers]).amax(0)
        # what hardly ever speaks, or is hardly heard, must not blow up
        size, counts = (
            size.clamp_min(1e-3 * float(size.max()) + 1e-9),
            counts.clamp_min(1e-3 * float(counts.max()) + 1e-9),
        )
        gain = (size / counts).sqrt()
        # powers of two: so that nothing is rounded
        gains.append(2 ** (gain / gain.log().mean().exp()).log2().round())
    return tuple(gains)


class _Ranges(torch.fx.Interpreter):
    """Runs a network and remembers the smallest and the largest number of each step."""

    def __init__(self, network: FoldedTransNet) -> None:
        super().__init__(torch.fx.GraphModule(network, Steps().trace(network)))
        self.found: dict[str, tuple[float, float]] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        """Called for each step."""
        value = super().run_node(n)
        if isinstance(value, Tensor):
            low, high = (float(v) for v in torch.aminmax(value))
            before = self.found.get(n.name, (low, high))
            self.found[n.name] = min(low, before[0]), max(high, before[1])
        return value


@torch.inference_mode()
def calibrate(network: TransNet, pictures: Iterable[Tensor]) -> Calibration:
    """Measure what int8 needs to know.

    Args:
        network: in its training form; it stays as it is.
        pictures: (N, 3, H, W) RGB in 0..1, at least one; `generated_pictures`, or such as will be stylised.

    Raises:
        ValueError: there is none.
    """
    cells = [cells_of(picture) for picture in pictures]
    if not cells:
        raise ValueError("no pictures to calibrate with")
    folded = fold(network, *TRAINED_IN)
    gains = _measure_gains(folded, cells)
    ranges = _Ranges(balanced(folded, gains))
    for x in cells:
        ranges.run(x.clone())  # the steps work in place
    return Calibration({name: Span.of(*found) for name, found in ranges.found.items()}, gains)


def cells_of(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in 0..1 -> (N, 24, h, w): the network's input as it has it in a file, codes less 128."""
    rgb = F.pad(rgb, (0, -rgb.shape[3] % MULTIPLE, 0, -rgb.shape[2] % MULTIPLE), mode="replicate")
    y, uv = (plane.round().clamp(0, 255) for plane in planes_from_rgb(rgb, *TRAINED_IN))
    return torch.cat([F.pixel_unshuffle(y, 4), F.pixel_unshuffle(uv, 2)], 1) - CENTER


def generated_pictures(count: int = PICTURES, height: int = 144, width: int = 192, seed: int = 0) -> list[Tensor]:
    """Pictures for calibration where there are none: all that drives a network to its limits, in little space.

    Clouds and blocks of all sizes; flat shapes with hard and soft edges; every grey and many colours all over a picture
    (what a wall or a sky becomes is where networks differ most); ramps from faint to steep.

    Returns:
        `count` of (1, 3, height, width) and two of many small ones, in 0..1, some of these blacker than black and
        whiter than white; always the same for the same arguments.
    """
    draw = _Draw(seed, height, width)
    kinds = (draw.clouds, draw.blocks, draw.shapes, draw.shapes)
    return [*(kinds[n % len(kinds)]() for n in range(count)), draw.flat(), draw.ramps()]


class _Draw:
    """Random pictures, each method of a kind of its own."""

    def __init__(self, seed: int, height: int, width: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.height, self.width = height, width

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=self.generator))

    def noise(self, fall: float, mode: str = "bicubic", finest: int | None = None) -> Tensor:
        """(1, 3, H, W), most of it in -0.5..0.5: octaves, each `fall` times as strong as the coarser one before."""
        total, weight, cells = torch.zeros(1, 3, self.height, self.width), 1.0, 2
        while cells <= (finest or max(2, self.height // 2)):
            shape = (cells, max(2, cells * self.width // self.height))
            gray, colour = (torch.randn(1, n, *shape, generator=self.generator) for n in (1, 3))
            total += weight * F.interpolate(gray + 0.6 * colour, (self.height, self.width), mode=mode)
            weight, cells = weight * fall, cells * 2
        low, high = torch.quantile(total.flatten()[::7], torch.tensor([0.02, 0.98])).tolist()
        scaled: Tensor = (total - low) / max(high - low, 1e-6) - 0.5
        return scaled

    def clouds(self) -> Tensor:
        return (self.noise(self.uniform(0.3, 0.6)) * self.uniform(0.5, 1.2) + self.uniform(0.3, 0.7)).clamp(0, 1)

    def blocks(self) -> Tensor:
        """At the highest contrasts black, white and pure colours."""
        blocks = self.noise(self.uniform(0.6, 0.95), "nearest")
        return (blocks * self.uniform(0.8, 3) + self.uniform(0.35, 0.65)).clamp(0, 1)

    def shapes(self) -> Tensor:
        """Discs and rectangles, some sharp and some blurred, plain and clouded, on a faint ground."""
        rows = torch.linspace(-1, 1, self.height)[:, None]
        columns = torch.linspace(-1, 1, self.width)[None] * self.width / self.height
        picture = self.noise(0.4, finest=8) * self.uniform(0.02, 0.5) + self.uniform(0.1, 0.9)
        for number in range(24):
            turn = torch.tensor(self.uniform(0, math.tau))
            x, y = columns - self.uniform(-1.4, 1.4), rows - self.uniform(-1, 1)
            across = x * turn.cos() + y * turn.sin()
            along = (y * turn.cos() - x * turn.sin()) / self.uniform(0.1, 1)
            away = torch.hypot(across, along) if number % 2 else torch.maximum(across.abs(), along.abs())
            blur = 1.0 if number % 3 else self.uniform(1, 6)
            inside = ((self.uniform(0.03, 0.6) - away) * self.height / 2 / blur).clamp(0, 1)
            colour = torch.rand(1, 3, 1, 1, generator=self.generator) * self.uniform(0.2, 1) + self.uniform(0, 0.3)
            if number % 3 == 0:
                colour = colour + self.noise(0.5, finest=16) * self.uniform(0, 0.3)
            picture = torch.lerp(picture, colour.expand_as(picture), inside)
        return (picture + self.noise(0.9) * self.uniform(0, 0.1)).clamp(0, 1)

    def flat(self) -> Tensor:
        """(219, 3, 16, 16): one colour each; replication at the borders makes it endless. Codes from 0 to 255."""
        lowest, highest = -16 / 219, 239 / 219
        grays = torch.linspace(lowest, highest, 96)[:, None].expand(-1, 3)
        colours = torch.rand(96, 3, generator=self.generator)
        pure = torch.cartesian_prod(*[torch.linspace(0, 1, 3)] * 3)
        return torch.cat([grays, colours, pure])[..., None, None].expand(-1, -1, 16, 16).contiguous()

    def ramps(self) -> Tensor:
        """(36, 3, 48, 48)."""
        count, side = 36, 48
        turn = torch.rand(count, 1, 1, generator=self.generator) * math.tau
        steep = 10 ** (torch.rand(count, 1, 1, generator=self.generator) * 2 - 2.3)
        line = torch.linspace(-1, 1, side)
        ramp = (turn.cos() * line[:, None] + turn.sin() * line) * steep
        tint = 1 + 0.5 * torch.randn(count, 3, 1, 1, generator=self.generator)
        return (torch.rand(count, 3, 1, 1, generator=self.generator) + tint * ramp[:, None]).clamp(0, 1)
