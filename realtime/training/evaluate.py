"""Scores of a style: the source that is kept, the closeness to the painting, grid, flicker and cost.

Pictures are measured as the user sees them: through the engine, rounded to 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from realtime.errors import InputError
from realtime.frames import Frame
from realtime.jobs.scene_tracking import tracked
from realtime.media.convert.optical_flow import FlowEstimator, gray
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.reader import VideoReader
from realtime.media.files.stills import read_image
from realtime.perception.features import LossNetwork
from realtime.perception.scores import MIN_SIDE, PictureMeter, PictureScores
from realtime.results import Scores
from realtime.stylizer import Stylizer
from realtime.training.data import find_pictures
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, save_checkpoint
from realtime.transnet.network import Architecture, TransNet

FRAMES = 40
LIMIT = 64

Report = Callable[[str, int, int], None]


class FlickerMeter:
    """Measures the flicker of a stylised clip: `add` its frames in order.

    Attributes:
        errors: of each pair, mean of |O_t - warp(O_t-1)|^2 over the pixels that are visible in both, 0..1.
        static: the same over those that do not move, for pairs where they are more than 2 %.
    """

    def __init__(self) -> None:
        self._flow = FlowEstimator()
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self.errors: list[float] = []
        self.static: list[float] = []

    def add(self, source: np.ndarray, styled: np.ndarray) -> None:
        """The next frame of the source and of the stylised clip: both (H, W, 3) uint8 RGB of one size."""
        luma = gray(source)
        if self._last is not None:
            flow = self._flow.between(self._last[0], luma)
            error = ((styled.astype(np.float32) - flow.warp(self._last[1]).astype(np.float32)) / 255) ** 2
            if flow.seen.any():  # at a cut there may be none
                self.errors.append(float(error[flow.seen].mean()))
            if flow.still.mean() > 0.02:
                self.static.append(float(error[flow.still].mean()))
        self._last = luma, styled

    def result(self) -> tuple[float | None, float | None]:
        """(e_warp, static): root of the mean over pairs; None where there is none."""
        e_warp, static = (math.sqrt(sum(v) / len(v)) if v else None for v in (self.errors, self.static))
        return e_warp, static


@dataclass(frozen=True)
class Flicker:
    """The flicker of a clip.

    Attributes:
        e_warp, static: see `Scores`; None without a clip.
        untouched: e_warp of the source.
        pairs: pairs of frames measured.
    """

    e_warp: float | None = None
    static: float | None = None
    untouched: float | None = None
    pairs: int = 0


def stylized_clip(stylizer: Stylizer, video: Path, frames: int) -> Iterator[tuple[Frame, Frame]]:
    """The first frames of a clip and their results from the engine, on the planes of the codec as in a file."""
    with VideoReader(video) as reader:
        source = islice(iter(tracked(stylizer.painter, reader)), frames)
        while group := list(islice(source, stylizer.engine.batch)):
            yield from zip(group, stylizer.engine.stylize(group), strict=True)


def measure_flicker(stylizer: Stylizer, video: Path, frames: int, report: Report | None = None) -> Flicker:
    """The flicker of the first frames of a stylised clip.

    Raises:
        InputError: the clip is too small, or has no two frames.
    """
    clip, source = FlickerMeter(), FlickerMeter()
    for done, (before, after) in enumerate(stylized_clip(stylizer, video, frames), 1):
        rgb = rgb_from_frame(before)
        _check_side(video, rgb)
        clip.add(rgb, rgb_from_frame(after))
        source.add(rgb, rgb)
        if report:
            report("frame", done, frames)
    if not clip.errors:
        raise InputError(f"{video}: has no two frames to compare")
    return Flicker(*clip.result(), source.result()[0], len(clip.errors))


def evaluate(
    stylizer: Stylizer,
    content: Path | Sequence[Path],
    style_image: Path,
    *,
    features: Path | LossNetwork | None = None,
    video: Path | None = None,
    limit: int = LIMIT,
    frames: int = FRAMES,
    report: Report | None = None,
    style_scales: Sequence[int] | None = None,
) -> Scores:
    """Measure a style.

    Args:
        stylizer: the style, on the engine to be measured.
        content: a folder of pictures, searched with its subfolders, or the pictures.
        style_image: the painting.
        features: weights of the loss network, or the network; None takes torchvision's VGG-19.
        video: a clip to measure flicker on; without one `e_warp` is None.
        limit: largest number of pictures, in the order of their names.
        frames: largest number of frames of the clip, from its beginning.
        report: called with what is measured ("picture", "frame"), the number done, and the largest number.
        style_scales: short sides of the painting in pixels; None: `realtime.perception.scores.STYLE_SCALES`.

    Raises:
        InputError: a file is missing or cannot be used.
    """
    pictures = (find_pictures(content) if isinstance(content, Path) else list(content))[:limit]
    if not pictures:
        raise InputError("no content pictures to measure on")
    painting = read_image(style_image)
    _check_side(style_image, painting)
    loss_network = features if isinstance(features, LossNetwork) else LossNetwork.load(features)
    meter = PictureMeter(loss_network, painting, torch.device(stylizer.engine.device), style_scales)
    found = []
    for done, path in enumerate(pictures, 1):
        source = read_image(path)
        _check_side(path, source)
        found.append(meter(source, stylizer.image(source)))
        if report:
            report("picture", done, len(pictures))
    flicker = measure_flicker(stylizer, video, frames, report) if video is not None else Flicker()
    return _combined(found, meter.style_scales, flicker, stylizer.style.architecture)


def _combined(
    found: Sequence[PictureScores], style_scales: Sequence[int], flicker: Flicker, architecture: Architecture
) -> Scores:
    """Means over pictures, at the scale of the painting with the lowest style error."""
    layers = torch.stack([f.layers for f in found]).mean(0)
    best = int(layers.mean(1).argmin())
    source_layers = torch.stack([f.source_layers for f in found]).mean(0)
    return Scores(
        images=len(found),
        content=float(np.mean([f.content for f in found])),
        style=float(layers[best].mean()),
        layers=tuple(layers[best].tolist()),
        local=float(torch.stack([f.local for f in found]).mean(0)[best]),
        style_scale=style_scales[best],
        tv=float(np.mean([f.tv for f in found])),
        grid=float(np.median([f.grid for f in found])),
        e_warp=flicker.e_warp,
        static=flicker.static,
        pairs=flicker.pairs,
        macs_per_pixel=architecture.macs_per_pixel,
        params=TransNet(architecture).parameter_count,
        untouched={
            "style": float(source_layers[best].mean()),
            "layers": tuple(source_layers[best].tolist()),
            "local": float(torch.stack([f.source_local for f in found]).mean(0)[best]),
            "grid": float(np.median([f.source_grid for f in found])),
            "e_warp": flicker.untouched,
        },
    )


def _check_side(path: Path, rgb: np.ndarray) -> None:
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise InputError(f"{path}: {width}x{height} is too small to measure on ({MIN_SIDE} pixels or more)")


def save_metrics(path: Path, scores: Scores, **measured_on: object) -> StyleCard:
    """Write scores into a checkpoint; its weights, recipe and the rest of its card are not changed.

    Args:
        path: the checkpoint; rewritten as a whole, or not at all.
        scores: replace all previous metrics, so that a card never mixes two measurements.
        measured_on: stored with them, JSON values: names of the files that were used.

    Returns:
        the new card.

    Raises:
        StyleError: it is no checkpoint.
        RestyleError: it cannot be written.
    """
    network, card = load_checkpoint(path)
    new = replace(card, metrics={**scores.to_json(), **measured_on})
    save_checkpoint(path, network, new)
    return new
