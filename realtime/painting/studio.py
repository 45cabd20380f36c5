"""What paintings of stills and of clips have in common: the loss network, the paintings, the masks, the scores."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.engines.torch.device import choose_device, cpu_has_bf16
from realtime.errors import InputError
from realtime.frames import rgb_to_codes
from realtime.media.convert.rgb import resize_image
from realtime.media.files import stills
from realtime.painting.config import PaintConfig
from realtime.painting.objective import Objective, Steadiness, StyleTarget, style_grams
from realtime.painting.optimise import Canvas, Painted, Step, optimise
from realtime.painting.recipes import SMALLEST, Recipe
from realtime.perception.features import LossNetwork
from realtime.perception.scores import PictureMeter

MIDDLE_GRAY = 0.5


@dataclass(frozen=True, slots=True)
class PaintProgress:
    """How far a painting is.

    Attributes:
        frame, frames: of a clip, from 1; frames is None where nobody knows. 1 of 1 for a still.
        size: (width, height) of the scale in work.
        step, steps: done, and of this scale.
        losses: see `Step`.
        share: of the whole still, or of the frame, that is done, 0 to 1.
        seconds: since the beginning.
    """

    frame: int
    frames: int | None
    size: tuple[int, int]
    step: int
    steps: int
    losses: dict[str, float]
    share: float
    seconds: float


Report = Callable[[PaintProgress], None]


def working_sizes(height: int, width: int, recipe: Recipe, size: int | None = None) -> list[tuple[int, int]]:
    """The sizes at which a picture is painted, one after the other.

    Args:
        height, width: of the photograph.
        recipe: its scales, or its size; they never enlarge.
        size: short side of the last one, if it is to be another.

    Returns:
        (height, width) of each.

    Raises:
        InputError: the photograph is too small.
    """
    short = min(height, width)
    if size is not None:
        last = size
    elif recipe.scales:
        last = min(short, recipe.scales[-1])
    elif recipe.long_side is not None:
        last = min(short, round(short * recipe.long_side / max(height, width)))
    else:
        last = min(short, recipe.size or short)
    if last < SMALLEST:
        raise InputError(f"{width}x{height}: painted at {last} px, {SMALLEST} are needed; give --size")
    shorts = [*(s for s in recipe.scales if s < last), last]
    return [(max(s, round(height * s / short)), max(s, round(width * s / short))) for s in shorts]


def to_tensor(rgb: np.ndarray, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 as (1, 3, H, W) fp32 in 0..1."""
    values = torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None]
    return values.float() / 255


def to_rgb(picture: Tensor) -> np.ndarray:
    """(1, 3, H, W) in 0..1 as (H, W, 3) uint8."""
    out: np.ndarray = (picture[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return out


def with_colors_of(source: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Brightness of one picture and colours of another: the source's R'G'B' moved by the difference of luma (BT.601).

    Args:
        source, painted: (H, W, 3) uint8.
    """
    luma = rgb_to_codes("bt601", "full")[0][0] / 255
    change = painted.astype(np.float32) @ luma.astype(np.float32) - source.astype(np.float32) @ luma.astype(np.float32)
    out: np.ndarray = np.clip(np.rint(source + change[..., None]), 0, 255).astype(np.uint8)
    return out


class Studio:
    """The tools of a painting.

    Args:
        config: what to paint.

    Attributes:
        recipe: as the loss network allows it.
        device, precision: where and in which numbers it computes.
        notes: what is worth knowing, in words.

    Raises:
        InputError: a file or a value is wrong, or the loss network lacks layers of the recipe.
    """

    def __init__(self, config: PaintConfig) -> None:
        self.config = c = config
        self.notes: list[str] = []
        self._check_files()
        self._paintings = [stills.read_image(path) for path in c.styles]
        self._masks = [self._read_mask(path) for path in c.masks]
        self.device = choose_device(c.device)
        if c.threads:
            torch.set_num_threads(c.threads)
        self._exact = LossNetwork.load(c.features, c.loss_network)
        self.recipe = c.recipe.on(self._exact)
        if self.recipe is not c.recipe:
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
        self._meters: list[PictureMeter] | None = None
        self._last_preview = 0
        self._began = time.perf_counter()

    def _check_files(self) -> None:
        c = self.config
        for path in (c.content, *c.styles, *c.masks):
            for target in (c.output, *((c.preview,) if c.preview else ())):
                if target.exists() and path.exists() and target.samefile(path):
                    raise InputError(f"{target}: is one of the inputs; name another file")
        if c.preview is not None:
            if c.preview.resolve() == c.output.resolve():
                raise InputError(f"{c.preview}: is the output itself; name another file for the preview")
            stills.check_image_target(c.preview, overwrite=True)

    def _read_mask(self, path: Path) -> np.ndarray:
        mask = stills.read_image(path)
        if not mask.any():
            raise InputError(f"{path}: a mask that is black everywhere leaves the style no place")
        return mask

    def _precision(self) -> str:
        wanted = self.config.precision
        if wanted != "auto":
            return wanted
        if self.recipe.optimizer == "lbfgs":
            return "fp32"
        fast = torch.cuda.is_bf16_supported() if self.device.type == "cuda" else cpu_has_bf16()
        return "bf16" if fast and self.device.type in ("cuda", "cpu") else "fp32"

    @property
    def seconds(self) -> float:
        """Since the studio was opened."""
        return time.perf_counter() - self._began

    # Painting

    def targets(self, height: int, width: int) -> list[StyleTarget]:
        """The paintings for a picture of this size."""
        c = self.config
        short = min(height, width)
        if short not in self._grams:
            side = max(SMALLEST, round(short * c.style_scale))
            resized = [resize_image(p, side) for p in self._paintings]
            self._grams[short] = [style_grams(self.network, self.recipe, to_tensor(p, self.device)) for p in resized]
        shares = c.shares or (1.0,) * len(c.styles)
        guides: list[Tensor | None] = [None] * len(c.styles)
        if self._masks:
            masks = [self._mask(m, height, width) for m in self._masks]
            guides = list(masks * len(c.styles)) if len(masks) == 1 else list(masks)
        found = zip(self._grams[short], shares, guides, strict=True)
        return [StyleTarget(grams, share, guide) for grams, share, guide in found if share]

    def _mask(self, mask: np.ndarray, height: int, width: int) -> Tensor:
        return to_tensor(resize_image(mask, (width, height)), self.device).mean(1, keepdim=True)

    def cover(self, height: int, width: int) -> Tensor | None:
        """(1, 1, H, W) in 0..1, where the painting shows: under any of the masks; None: everywhere."""
        if not self._masks:
            return None
        return torch.stack([self._mask(m, height, width) for m in self._masks]).amax(0)

    def noise(self, height: int, width: int) -> Tensor:
        """(1, 3, H, W): noise about middle gray."""
        generator = torch.Generator().manual_seed(self.config.seed)
        values = torch.randn(1, 3, height, width, generator=generator) * self.recipe.noise + MIDDLE_GRAY
        return values.to(self.device)

    def paint(
        self,
        content: Tensor,
        start: Tensor,
        *,
        steps: int | None = None,
        steadiness: Steadiness | None = None,
        report: Callable[[Step], None] | None = None,
    ) -> Painted:
        """Paint at one size.

        Args:
            content, start: (1, 3, H, W).
            steps: other than the recipe's.
            steadiness: for frames of a clip.
            report: see `optimise`.
        """
        c = self.config
        height, width = content.shape[2:]
        layout = torch.channels_last
        content, start = content.contiguous(memory_format=layout), start.contiguous(memory_format=layout)
        objective = Objective(
            self.network,
            self.recipe,
            content,
            self.targets(height, width),
            tile=c.tile,
            recompute=c.grad_checkpoint,
            steadiness=steadiness,
        )
        canvas = Canvas(start, content, self.cover(height, width))
        return optimise(objective, canvas, self.recipe, steps=steps, report=report)

    def paint_scales(
        self, rgb: np.ndarray, sizes: list[tuple[int, int]], report: Report | None, **place: Any
    ) -> Scaled:
        """Paint at one size after the other, each from the result of the one before.

        Args:
            rgb: (H, W, 3) uint8, the photograph.
            sizes: see `working_sizes`.
            report: told of each step; previews are written, too.
            place: `frame` and `frames` of a clip, for the report.
        """
        picture: Tensor | None = None
        runs: list[dict[str, Any]] = []
        whole = sum(h * w for h, w in sizes)
        before = 0
        for height, width in sizes:
            source = resize_image(rgb, (width, height))
            content = to_tensor(source, self.device)
            if picture is not None:
                start = F.interpolate(picture, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)
            else:
                start = content if self.recipe.start == "content" else self.noise(height, width)

            done = before / whole
            part = height * width / whole

            def tell(step: Step, done: float = done, part: float = part, source: np.ndarray = source) -> None:
                self.told(step, source, done + part * step.step / step.steps, report, **place)

            painted = self.paint(content, start, report=tell)
            picture = painted.picture
            before += height * width
            runs.append({"size": [width, height], "steps": painted.steps, "first": painted.first, "last": painted.last})
        assert picture is not None
        return Scaled(picture, runs)

    def told(
        self,
        step: Step,
        source: np.ndarray,
        share: float,
        report: Report | None,
        *,
        frame: int = 1,
        frames: int | None = 1,
    ) -> None:
        """Pass a step on `source` (H, W, 3) on, and write the preview when it is due."""
        c = self.config
        height, width = source.shape[:2]
        if report is not None:
            report(
                PaintProgress(frame, frames, (width, height), step.step, step.steps, step.losses, share, self.seconds)
            )
        # L-BFGS reports in blocks, which may pass the very step.
        due = step.step // c.preview_every != self._last_preview // c.preview_every or step.step == step.steps
        self._last_preview = step.step
        if c.preview is not None and due:
            stills.write_image(c.preview, self.finished(source, to_rgb(step.picture())), overwrite=True)

    def finished(self, source: np.ndarray, painted: np.ndarray) -> np.ndarray:
        """What comes out of a painting: with the colours of the source where that is asked for."""
        return with_colors_of(source, painted) if self.config.keep_color else painted

    # Scores

    def scores(self, source: np.ndarray, painted: np.ndarray) -> dict[str, Any] | None:
        """Content and style by the definitions of `restyle evaluate`; None without VGG-19, in whose terms they are.

        Args:
            source, painted: (H, W, 3) uint8 of one size.

        Returns:
            content, style, local, layers, style_scale; of several paintings the style's means by their shares, and the
            scale of the first.
        """
        if self._exact.name != "VGG-19":
            return None
        if self._meters is None:
            self._meters = [PictureMeter(self._exact, p, self.device) for p in self._paintings]
        c = self.config
        shares = c.shares or (1.0,) * len(c.styles)
        content, style, local, layers, scales = 0.0, 0.0, 0.0, np.zeros(4), []
        for meter, share in zip(self._meters, shares, strict=True):
            found = meter(source, painted)
            best = int(found.layers.mean(1).argmin())
            part = share / sum(shares)
            content = found.content
            style += part * float(found.layers[best].mean())
            local += part * float(found.local[best])
            layers += part * found.layers[best].numpy()
            scales.append(meter.style_scales[best])
        return {
            "content": round(content, 5),
            "style": round(style, 5),
            "local": round(local, 5),
            "layers": [round(float(v), 5) for v in layers],
            "style_scale": scales[0],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """What painting at several sizes has given.

    Attributes:
        picture: (1, 3, H, W) in 0..1.
        runs: for each size {"size": [width, height], "steps", "first": losses, "last": losses}.
    """

    picture: Tensor
    runs: list[dict[str, Any]]
