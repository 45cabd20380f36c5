"""Paints single pictures: the loss network, the paintings and the masks that stills and clips have in common."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.engines.torch.device import choose_device, cpu_has_bf16
from realtime.errors import InputError
from realtime.media.convert.rgb import resize_image
from realtime.media.files import stills
from realtime.options import PaintingOptions
from realtime.painting.objective import Objective, StyleTarget, TemporalTarget, style_grams
from realtime.painting.optimise import Canvas, Painted, Step, optimise
from realtime.painting.pictures import to_rgb, with_colors_of
from realtime.painting.recipes import SMALLEST, make_recipe
from realtime.painting.scoring import PaintingMeter
from realtime.perception.features import LossNetwork, to_tensor
from realtime.results import PaintingProgress, PaintingScores, ScaleSummary

MIDDLE_GRAY = 0.5

Report = Callable[[PaintingProgress], None]


@dataclass(frozen=True, slots=True, eq=False)
class PaintedScales:
    """The result of painting at several sizes.

    Attributes:
        picture: (1, 3, H, W) in 0..1.
        scales: each size, in order.
    """

    picture: Tensor
    scales: tuple[ScaleSummary, ...]


class Painter:
    """Paints pictures with one set of paintings and options.

    Args:
        styles: the paintings, one or more.
        options: how to paint.
        report: called with the progress after each step, or each block of steps of L-BFGS.
        frames: number of frames of a clip; None if unknown.

    Attributes:
        recipe: as the loss network allows it.
        device, precision: of the loss network.
        notes: what the user should know.

    Raises:
        InputError: a file or a value is wrong, or the loss network lacks layers of the recipe.
    """

    def __init__(
        self,
        styles: Sequence[Path],
        options: PaintingOptions,
        report: Report | None = None,
        frames: int | None = 1,
    ) -> None:
        self.options, self._report, self._frames = options, report, frames
        self.notes: list[str] = []
        recipe = make_recipe(options)
        self._paintings = [stills.read_image(path) for path in styles]
        self._masks = [_read_mask(path) for path in options.mask]
        self._shares = options.blend or (1.0,) * len(styles)
        self.device = choose_device(options.device)
        self._exact = LossNetwork.load(options.features, options.loss_network)
        self.recipe = recipe.on(self._exact)
        if self.recipe is not recipe:
            self.notes.append(
                f"{self._exact.name} has no layers of VGG-19: style at {', '.join(n for n, _ in self.recipe.style)},"
                f" content at {', '.join(n for n, _ in self.recipe.content)}"
            )
        self.precision = self._precision()
        self._exact.to(self.device)
        self.network = copy.deepcopy(self._exact) if self.precision == "bf16" else self._exact
        self.network.to(memory_format=torch.channels_last)
        if self.precision == "bf16":
            self.network.to(torch.bfloat16)
        self._grams: dict[int, list[tuple[Tensor, ...]]] = {}
        self._meter: PaintingMeter | None = None
        self._last_preview = 0
        self._began = time.perf_counter()

    def _precision(self) -> str:
        """Number format of the loss network. L-BFGS takes fp32, because its line search needs exact losses."""
        if self.options.precision != "auto":
            return self.options.precision
        if self.recipe.optimizer == "lbfgs":
            return "fp32"
        fast = torch.cuda.is_bf16_supported() if self.device.type == "cuda" else cpu_has_bf16()
        return "bf16" if fast and self.device.type in ("cuda", "cpu") else "fp32"

    @property
    def seconds(self) -> float:
        """Since the painter was ready."""
        return time.perf_counter() - self._began

    # Painting

    def _targets(self, height: int, width: int) -> list[StyleTarget]:
        """The paintings for a picture of this size."""
        short = min(height, width)
        if short not in self._grams:
            side = max(SMALLEST, round(short * self.options.style_scale))
            resized = [to_tensor(resize_image(p, side), self.device) for p in self._paintings]
            self._grams[short] = [style_grams(self.network, self.recipe, p) for p in resized]
        count = len(self._paintings)
        guides: list[Tensor | None] = [self._mask(m, height, width) for m in self._masks] or [None]
        guides = guides * count if len(guides) == 1 else guides
        found = zip(self._grams[short], self._shares, guides, strict=True)
        return [StyleTarget(grams, share, guide) for grams, share, guide in found if share]

    def _mask(self, mask: np.ndarray, height: int, width: int) -> Tensor:
        return to_tensor(resize_image(mask, (width, height)), self.device).mean(1, keepdim=True)

    def _cover(self, height: int, width: int) -> Tensor | None:
        """(1, 1, H, W) in 0..1, where the painting shows: under any of the masks; None: everywhere."""
        if not self._masks:
            return None
        return torch.stack([self._mask(m, height, width) for m in self._masks]).amax(0)

    def _noise(self, height: int, width: int) -> Tensor:
        """(1, 3, H, W): noise about middle gray."""
        generator = torch.Generator().manual_seed(self.options.seed)
        values = torch.randn(1, 3, height, width, generator=generator) * self.recipe.noise + MIDDLE_GRAY
        return values.to(self.device)

    def paint(
        self,
        source: np.ndarray,
        start: Tensor,
        *,
        steps: int | None = None,
        temporal: TemporalTarget | None = None,
        frame: int = 1,
        shares: tuple[float, float] = (0.0, 1.0),
    ) -> Painted:
        """Paint at one size.

        Args:
            source: (H, W, 3) uint8, the photograph at this size.
            start: (1, 3, H, W).
            steps: other than the recipe's.
            temporal: for frames of a clip.
            frame: its number, for the report.
            shares: of the whole picture that are done before and after, for the report.
        """
        height, width = source.shape[:2]
        layout = torch.channels_last
        content = to_tensor(source, self.device).contiguous(memory_format=layout)
        objective = Objective(
            self.network,
            self.recipe,
            content,
            self._targets(height, width),
            tile=self.options.tile,
            recompute=self.options.grad_checkpoint,
            temporal=temporal,
        )
        canvas = Canvas(start.contiguous(memory_format=layout), content, self._cover(height, width))

        def tell(step: Step) -> None:
            done = shares[0] + (shares[1] - shares[0]) * step.step / step.steps
            self._tell(step, source, frame, done)

        return optimise(objective, canvas, self.recipe, steps=steps, report=tell)

    def paint_scales(self, rgb: np.ndarray, sizes: Sequence[tuple[int, int]], frame: int = 1) -> PaintedScales:
        """Paint at one size after the other, each from the result of the previous one.

        Args:
            rgb: (H, W, 3) uint8, the photograph.
            sizes: (height, width) of each, one or more; see `Recipe.sizes`.
            frame: of a clip, for the report.
        """
        scales: list[ScaleSummary] = []
        picture = torch.empty(0)
        whole = sum(h * w for h, w in sizes)
        before = 0
        for height, width in sizes:
            source = resize_image(rgb, (width, height))
            if scales:
                start = F.interpolate(picture, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)
            elif self.recipe.init == "content":
                start = to_tensor(source, self.device)
            else:
                start = self._noise(height, width)
            after = before + height * width
            painted = self.paint(source, start, frame=frame, shares=(before / whole, after / whole))
            picture, before = painted.picture, after
            scales.append(
                ScaleSummary(size=(width, height), steps=painted.steps, first=painted.first, last=painted.last)
            )
        return PaintedScales(picture, tuple(scales))

    def _tell(self, step: Step, source: np.ndarray, frame: int, share: float) -> None:
        """Report a step on `source` (H, W, 3), and write the preview when it is due."""
        o = self.options
        height, width = source.shape[:2]
        if self._report is not None:
            now = (frame, self._frames, (width, height), step.step, step.steps, step.losses, share, self.seconds)
            self._report(PaintingProgress(*now))
        # L-BFGS reports in blocks, which may skip the step itself.
        due = step.step // o.preview_every != self._last_preview // o.preview_every or step.step == step.steps
        self._last_preview = step.step
        if o.preview is not None and due:
            stills.write_image(o.preview, self.finished(source, to_rgb(step.picture())), overwrite=True)

    def finished(self, source: np.ndarray, painted: np.ndarray) -> np.ndarray:
        """The painting, with the colours of the source where the options ask for them: (H, W, 3) uint8."""
        return with_colors_of(source, painted) if self.options.keep_color else painted

    def scores(self, source: np.ndarray, painted: np.ndarray) -> PaintingScores | None:
        """Scores of a result; None without VGG-19, which defines them.

        Args:
            source, painted: (H, W, 3) uint8 of one size.
        """
        if self._exact.name != "VGG-19":
            return None
        if self._meter is None:
            self._meter = PaintingMeter(self._exact, self._paintings, self._shares, self.device)
        return self._meter(source, painted)

    def summary(self) -> dict[str, Any]:
        """What the summaries of stills and clips say alike."""
        return {
            "preset": self.options.preset,
            "loss_network": self.options.loss_network,
            "optimizer": self.recipe.optimizer,
            "device": str(self.device),
            "precision": self.precision,
        }


def _read_mask(path: Path) -> np.ndarray:
    mask = stills.read_image(path)
    if not mask.any():
        raise InputError(f"{path}: the mask is black everywhere, which leaves no place for the style")
    return mask
