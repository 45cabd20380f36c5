"""What a painting is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from realtime.errors import InputError
from realtime.painting.recipes import SMALLEST, Recipe
from realtime.perception.features import NetworkName

PaintPrecision = Literal["auto", "fp32", "bf16"]

FEWER_STEPS = 5
"""Frames after the first of a scene begin nearly done: so many times fewer steps than it takes."""


@dataclass(frozen=True, slots=True)
class PaintConfig:
    """A painting.

    Attributes:
        content: the photograph, or the clip.
        styles: the paintings.
        output: the file to write.
        recipe: see there.
        size: short side of the result in pixels, which may be larger than the photograph's; None leaves it to the
            recipe, which never enlarges.
        shares: of the paintings, in their order; empty for equal ones.
        masks: where the style goes, white; one for all paintings, or one for each. Elsewhere the photograph stays.
        style_scale: short side of a painting as the loss network sees it, in those of the picture.
        keep_color: brightness of the result, colours of the photograph (Gatys et al. 2016, arXiv 1606.05897).
        loss_network, features: see `LossNetwork.load`.
        tile: add gradients up over tiles of so many pixels, in a fraction of the memory; None: at once.
        grad_checkpoint: compute features twice instead of keeping them.
        precision: of the loss network. "auto" is bf16 where the processor or GPU has it, and fp32 for L-BFGS, whose
            line search asks for exact losses.
        device, threads: where to paint.
        seed: of the noise.
        preview: an image that shows the painting as it grows.
        preview_every: in steps.
        overwrite: replace an output that is there.
        frame_steps: of a clip's frames after the first of each scene; None takes a fifth of the recipe's.
        temporal: weight of steadiness in clips: 1 lets a root mean square difference of a tenth to the moved frame
            before count as much as all other losses.
        start, end, encoder, quality: of clips, see `Stylizer.video`.
    """

    content: Path
    styles: tuple[Path, ...]
    output: Path
    recipe: Recipe
    size: int | None = None
    shares: tuple[float, ...] = ()
    masks: tuple[Path, ...] = ()
    style_scale: float = 1.0
    keep_color: bool = False
    loss_network: NetworkName = "vgg19"
    features: Path | None = None
    tile: int | None = None
    grad_checkpoint: bool = False
    precision: PaintPrecision = "auto"
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    preview: Path | None = None
    preview_every: int = 50
    overwrite: bool = False
    frame_steps: int | None = None
    temporal: float = 1.0
    start: float | None = None
    end: float | None = None
    encoder: str = "auto"
    quality: float | None = None

    def __post_init__(self) -> None:
        count = len(self.styles)
        checks = {
            "style images (one or more)": count >= 1,
            f"size ({SMALLEST} or more)": self.size is None or self.size >= SMALLEST,
            f"shares (one for each of the {count} paintings, 0 or more, not all zero)": not self.shares
            or (len(self.shares) == count and all(0 <= s < math.inf for s in self.shares) and sum(self.shares) > 0),
            f"masks (one, or one for each of the {count} paintings)": len(self.masks) in (0, 1, count),
            "style_scale (0.1 to 10)": 0.1 <= self.style_scale <= 10,
            f"precision ({', '.join(get_args(PaintPrecision))})": self.precision in get_args(PaintPrecision),
            "tile (128 or more)": self.tile is None or self.tile >= 128,
            "preview_every (1 or more)": self.preview_every >= 1,
            "frame_steps (1 or more)": self.frame_steps is None or self.frame_steps >= 1,
            "temporal (0 or more)": 0 <= self.temporal < math.inf,
        }
        for name, good in checks.items():
            if not good:
                raise InputError(f"painting: {name} is out of range")

    @property
    def steps_of_followers(self) -> int:
        """Steps of a clip's frames after the first of a scene."""
        return self.frame_steps or max(1, self.recipe.steps // FEWER_STEPS)
