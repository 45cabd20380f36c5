"""How a style scores: what is kept of the source, how close it is to the painting, grid, flicker and cost.

Pictures are measured as a user gets them: through the engine, rounded to 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from realtime.errors import InputError
from realtime.frames import Frame
from realtime.perception.features import LossNetwork
from realtime.perception.scores import MIN_SIDE, PictureMeter
from realtime.stylizer import Stylizer
from realtime.training.data import find_pictures
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, save_checkpoint
from realtime.transnet.network import TransNet

FRAMES = 40
LIMIT = 64


@dataclass(frozen=True, slots=True)
class Scores:
    """How a style scores. Less is better everywhere.

    Attributes:
        images: pictures measured.
        content: mean square error at relu4_1 over the variance of the source's relu4_1; mean over pictures.
        style: mean of `layers`.
        layers: |G_out - G_style|^2 / |G_style|^2 at relu1_1, relu2_1, relu3_1, relu4_1; G are Gram matrices over
            the whole picture; mean over pictures, at `style_scale`.
        local: the same error as `style`, over tiles of 128 px: low only if the style is everywhere.
        style_scale: short side of the painting, of those in `realtime.perception.scores`, at which
            `style` is least.
        tv: total variation: mean square difference of neighbouring pixels (0..1), across plus down; mean over pictures.
        grid: how far the luma's spectrum at periods of 2, 8/3, 4 and 8 pixels stands above its neighbours (about 1: not
            at all); median over pictures.
        e_warp: sqrt(mean of |O_t - warp(O_t-1)|^2) over the pixels of a clip in sight in both frames, 0..1; None
            without a clip.
        static: the same over the pixels that do not move; None where there are hardly any.
        pairs: pairs of frames measured.
        macs_per_pixel: multiply-accumulates for one luma pixel.
        params: trained values of the network.
        untouched: style, layers, local (at `style_scale`), grid and e_warp of the sources themselves.
    """

    images: int
    content: float
    style: float
    layers: tuple[float, ...]
    local: float
    style_scale: int
    tv: float
    grid: float
    e_warp: float | None
    static: float | None
    pairs: int
    macs_per_pixel: float
    params: int
    untouched: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, rounded to what they are good for."""

        def plain(value: Any) -> Any:
            if isinstance(value, tuple):
                return [plain(v) for v in value]
            if isinstance(value, dict):
                return {name: plain(v) for name, v in value.items()}
            return float(f"{value:.5g}") if isinstance(value, float) else value

        return {name: plain(value) for name, value in asdict(self).items()}


class FlickerMeter:
    """Measures how steady a stylised clip is: `add` its frames in order.

    Attributes:
        errors: of each pair, mean of |O_t - warp(O_t-1)|^2 over the pixels in sight in both, 0..1.
        static: the same over those that do not move, for pairs where they are more than 2 %.
    """

    def __init__(self) -> None:
        from realtime.media.convert.optical_flow import FlowEstimator

        self._flow = FlowEstimator()
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self.errors: list[float] = []
        self.static: list[float] = []

    def add(self, source: np.ndarray, styled: np.ndarray) -> None:
        """The next frame of the source and of the stylised clip: both (H, W, 3) uint8 RGB of one size."""
        from realtime.media.convert.optical_flow import gray

        luma = gray(source)
        if self._last is not None:
            flow = self._flow.between(self._last[0], luma)
            error = ((styled.astype(np.float32) - flow.warp(self._last[1]).astype(np.float32)) / 255) ** 2
            if flow.seen.any():  # at a cut there may be nothing
                self.errors.append(float(error[flow.seen].mean()))
            if flow.still.mean() > 0.02:
                self.static.append(float(error[flow.still].mean()))
        self._last = luma, styled

    def result(self) -> tuple[float | None, float | None]:
        """(e_warp, static): root of the mean over pairs; None where there is none."""
        e_warp, static = (math.sqrt(sum(v) / len(v)) if v else None for v in (self.errors, self.static))
        return e_warp, static


def _clip(stylizer: Stylizer, video: Path, frames: int) -> Iterator[tuple[Frame, Frame]]:
    """The first frames of a clip and what the engine makes of them, planes in and planes out as for a file."""
    from realtime.media.files.reader import VideoReader

    with VideoReader(video) as reader:
        source = islice(iter(reader), frames)
        while group := list(islice(source, stylizer.engine.batch)):
            yield from zip(group, stylizer.engine.stylize(group), strict=True)


def evaluate(
    stylizer: Stylizer,
    content: Path | Sequence[Path],
    style_image: Path,
    *,
    features: Path | LossNetwork | None = None,
    video: Path | None = None,
    limit: int = LIMIT,
    frames: int = FRAMES,
    progress: Callable[[str, int, int], None] | None = None,
) -> Scores:
    """Measure a style.

    Args:
        stylizer: the style, on the engine to be measured.
        content: a folder of pictures, searched to the bottom, or the pictures.
        style_image: the painting.
        features: weights of the loss network, or the network; None takes torchvision's VGG-19.
        video: a clip to measure flicker on; without one `e_warp` is None.
        limit: of the pictures, in the order of their names.
        frames: of the clip, from its beginning.
        progress: called with what is measured ("picture", "frame"), how many are done, and how many there are at most.

    Raises:
        InputError: a file is missing or cannot be used.
    """
    from realtime.media.convert.rgb import rgb_from_frame
    from realtime.media.files.stills import read_image

    if limit < 1 or frames < 2:
        raise InputError(f"limit {limit}, frames {frames}: at least one picture and two frames are needed")
    pictures = (find_pictures(content) if isinstance(content, Path) else list(content))[:limit]
    if not pictures:
        raise InputError("no content pictures to measure on")
    painting = read_image(style_image)
    _check_side(style_image, painting)
    device = torch.device(stylizer.engine.device)
    loss_network = features if isinstance(features, LossNetwork) else LossNetwork.load(features)
    meter = PictureMeter(loss_network, painting, device)
    found = []
    for done, path in enumerate(pictures, 1):
        source = read_image(path)
        _check_side(path, source)
        found.append(meter(source, stylizer.image(source)))
        if progress:
            progress("picture", done, len(pictures))
    flicker: tuple[float | None, float | None] = (None, None)
    untouched: float | None = None
    pairs = 0
    if video is not None:
        clip, source_clip = FlickerMeter(), FlickerMeter()
        shape = None
        for done, (before, after) in enumerate(_clip(stylizer, video, frames), 1):
            if shape is None:
                shape = before.y.shape
                if min(shape) < MIN_SIDE:
                    raise InputError(f"{video}: {shape[1]}x{shape[0]} is too small to measure on")
            rgb = rgb_from_frame(before)
            clip.add(rgb, rgb_from_frame(after))
            source_clip.add(rgb, rgb)
            if progress:
                progress("frame", done, frames)
        pairs = len(clip.errors)
        if not pairs:
            raise InputError(f"{video}: has no two frames to compare")
        flicker, (untouched, _) = clip.result(), source_clip.result()
    layers = torch.stack([f.layers for f in found]).mean(0)
    best = int(layers.mean(1).argmin())
    source_layers = torch.stack([f.source_layers for f in found]).mean(0)
    architecture = stylizer.style.architecture
    return Scores(
        images=len(found),
        content=float(np.mean([f.content for f in found])),
        style=float(layers[best].mean()),
        layers=tuple(layers[best].tolist()),
        local=float(torch.stack([f.local for f in found]).mean(0)[best]),
        style_scale=meter.style_scales[best],
        tv=float(np.mean([f.tv for f in found])),
        grid=float(np.median([f.grid for f in found])),
        e_warp=flicker[0],
        static=flicker[1],
        pairs=pairs,
        macs_per_pixel=architecture.macs_per_pixel,
        params=TransNet(architecture).parameter_count,
        untouched={
            "style": float(source_layers[best].mean()),
            "layers": tuple(source_layers[best].tolist()),
            "local": float(torch.stack([f.source_local for f in found]).mean(0)[best]),
            "grid": float(np.median([f.source_grid for f in found])),
            "e_warp": untouched,
        },
    )


def _check_side(path: Path, rgb: np.ndarray) -> None:
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise InputError(f"{path}: {width}x{height} is too small to measure on ({MIN_SIDE} pixels or more)")


def save_metrics(path: Path, scores: Scores, **measured_on: object) -> StyleCard:
    """Put scores into a checkpoint; its weights, recipe and the rest of its card stay as they are.

    Args:
        path: the checkpoint; rewritten as a whole, or not at all.
        scores: they replace all metrics that were there, so that a card never mixes two measurements.
        measured_on: what else to keep with them, JSON values: names of the pictures and the clip.

    Returns:
        the new card.

    Raises:
        StyleError: it is no checkpoint.
        RestyleError: it cannot be written.
    """
    network, card = load_checkpoint(path)
    new = replace(card, metrics={**scores.to_dict(), **measured_on})
    save_checkpoint(path, network, new)
    return new
