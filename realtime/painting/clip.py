"""Painting a clip, frame by frame, each from the one before (Ruder, Dosovitskiy & Brox 2016, arXiv 1604.08610).

A frame begins as the frame before was painted, moved by the optical flow, and is held to that wherever the flow can be
trusted; what comes into sight begins as the source shows it. After a cut everything begins anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from realtime.frames import Frame
from realtime.media.convert.optical_flow import FlowEstimator, gray, is_cut
from realtime.media.convert.rgb import frame_from_rgb, rgb_from_frame
from realtime.media.files.inputs import VIDEO_SUFFIXES
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.selection import output_shape
from realtime.media.files.writer import VideoWriter
from realtime.painting.config import PaintConfig
from realtime.painting.objective import Steadiness
from realtime.painting.optimise import Step
from realtime.painting.studio import Report, Studio, to_rgb, to_tensor, working_sizes

TENTH = 0.01
"""The mean square that goes with a root mean square difference of a tenth of the range."""


def is_clip(path: Path) -> bool:
    """Whether a file is painted as a clip, by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


class ClipPainter:
    """Paints frames in their order.

    Args:
        studio: the tools.
        report: told of each step.
        frames: how many there will be, if that is known.

    Attributes:
        cuts: scenes that began after the first one.
        steps: taken, of all frames.
        first: losses of the first frame before its first step.
        last: means of all frames' losses after their last step.
    """

    def __init__(self, studio: Studio, report: Report | None = None, frames: int | None = None) -> None:
        self._studio, self._report, self._frames = studio, report, frames
        self._flow = FlowEstimator()
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._total = 0.0
        self._count = self.cuts = self.steps = 0
        self.first: dict[str, float] = {}
        self._lasts: dict[str, list[float]] = {}

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """The next frame: (H, W, 3) uint8 in and out, all of one size."""
        self._count += 1
        luma = gray(rgb)
        painted = None
        if self._before is not None:
            flow = self._flow.between(self._before[0], luma)
            if is_cut(flow, self._before[0], luma):
                self.cuts += 1
            else:
                painted = self._follow(rgb, flow.warp(self._before[1]), flow.seen)
        if painted is None:
            painted = self._begin(rgb)
        self._before = luma, painted
        return self._studio.finished(rgb, to_rgb_of(painted))

    @property
    def last(self) -> dict[str, float]:
        return {name: sum(values) / len(values) for name, values in self._lasts.items()}

    def _begin(self, rgb: np.ndarray) -> np.ndarray:
        """The first frame of a scene, as a still."""
        studio = self._studio
        height, width = rgb.shape[:2]
        sizes = working_sizes(height, width, studio.recipe, min(height, width))
        scaled = studio.paint_scales(rgb, sizes, self._report, frame=self._count, frames=self._frames)
        self._note(scaled.runs[-1]["first"], scaled.runs[-1]["last"], sum(run["steps"] for run in scaled.runs))
        return as_floats(scaled.picture)

    def _follow(self, rgb: np.ndarray, moved: np.ndarray, seen: np.ndarray) -> np.ndarray:
        studio, config = self._studio, self._studio.config
        content = to_tensor(rgb, studio.device)
        known = torch.from_numpy(np.ascontiguousarray(moved)).to(studio.device).permute(2, 0, 1)[None]
        valid = torch.from_numpy(seen).to(studio.device)[None, None].float()
        start = torch.where(valid > 0, known, content)
        weight = config.temporal * self._total / TENTH

        def tell(step: Step) -> None:
            share = step.step / step.steps
            studio.told(step, rgb, share, self._report, frame=self._count, frames=self._frames)

        steady = Steadiness(known, valid, weight) if weight else None
        painted = studio.paint(content, start, steps=config.steps_of_followers, steadiness=steady, report=tell)
        self._note(painted.first, painted.last, painted.steps)
        return as_floats(painted.picture)

    def _note(self, first: dict[str, float], last: dict[str, float], steps: int) -> None:
        self.first = self.first or first
        self.steps += steps
        own = {"content": last["content"], "style": last["style"], "tv": last.get("tv", 0.0)}
        recipe = self._studio.recipe
        weights = {"content": recipe.content_weight, "style": recipe.style_weight, "tv": recipe.tv}
        self._total = sum(weights[name] * value for name, value in own.items())
        for name, value in last.items():
            self._lasts.setdefault(name, []).append(value)


def as_floats(picture: torch.Tensor) -> np.ndarray:
    """(1, 3, H, W) in 0..1 as (H, W, 3) float32: between frames nothing is rounded."""
    out: np.ndarray = picture[0].permute(1, 2, 0).float().cpu().contiguous().numpy()
    return out


def to_rgb_of(values: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 in 0..1 as uint8."""
    return to_rgb(torch.from_numpy(values).permute(2, 0, 1)[None])


def _painted_frame(frame: Frame, rgb: np.ndarray) -> Frame:
    painted = frame_from_rgb(rgb, matrix=frame.color.matrix, value_range=frame.color.range)
    return frame.with_planes(painted.y, painted.u, painted.v)


def paint_clip(config: PaintConfig, report: Report | None = None) -> dict[str, Any]:
    """Paint a clip; sound, subtitles, metadata and every frame's time are kept.

    The work is done in this thread: beside a painting, decoding and encoding cost nothing. Ctrl-C leaves nothing
    behind.

    Args:
        config: content and output are videos, styles images.
        report: called after each step of each frame.

    Returns:
        what `paint_still` returns, and frames, fps, cuts, encoder, audio_streams, copied, converted, dropped, warnings.
        Losses are the first frame's before its first step, and means over all frames after their last one; scores are
        means over all frames.

    Raises:
        InputError: a file or a value is wrong; nothing was written.
        RestyleError: the loss is no longer finite, or the output cannot be written; nothing is left of it.
    """
    c = config
    info = probe(c.content)
    width, height, _ = output_shape(info, None)
    short = min(working_sizes(height, width, c.recipe, c.size)[-1])
    wanted = short if short != min(height, width) else None
    with VideoReader(c.content, start=c.start, end=c.end, size=wanted) as reader:
        with VideoWriter(c.output, reader, encoder=c.encoder, quality=c.quality, overwrite=c.overwrite) as writer:
            studio = Studio(c)
            painter = ClipPainter(studio, report, reader.total_frames)
            scores = []
            for frame in reader:
                rgb = rgb_from_frame(frame)
                painted = painter(rgb)
                writer.write(_painted_frame(frame, painted))
                scores.append(studio.scores(rgb, painted))
            written = writer.finish()
    seconds = studio.seconds
    return {
        "content": str(c.content),
        "style": [str(path) for path in c.styles],
        "output": str(c.output),
        "preset": c.recipe.name,
        "loss_network": c.loss_network,
        "optimizer": studio.recipe.optimizer,
        "size": [reader.width, reader.height],
        "steps": painter.steps,
        "seconds": round(seconds, 3),
        "losses": {"first": painter.first, "last": painter.last},
        "scores": _mean_scores(scores),
        "device": str(studio.device),
        "precision": studio.precision,
        "frames": written.frames,
        "fps": round(written.frames / seconds, 4),
        "cuts": painter.cuts,
        "encoder": written.encoder,
        "audio_streams": written.audio_streams,
        "copied": written.copied,
        "converted": written.converted,
        "dropped": written.dropped,
        "notes": [*studio.notes, *reader.notes, *written.notes],
        "warnings": list(reader.warnings),
    }


def _mean_scores(scores: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    found = [s for s in scores if s is not None]
    if not found:
        return None
    means = {name: round(float(np.mean([s[name] for s in found])), 5) for name in ("content", "style", "local")}
    layers = np.mean([s["layers"] for s in found], 0)
    return means | {"layers": [round(float(v), 5) for v in layers]}
