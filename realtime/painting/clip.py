"""Painting a clip frame by frame (Ruder, Dosovitskiy & Brox 2016, arXiv 1604.08610).

A frame begins as the painting of the previous frame, moved by the optical flow, and is kept close to it wherever the
flow can be trusted. What was not visible before begins as the source. After a cut, painting begins again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from realtime.frames import Frame
from realtime.media.convert.optical_flow import FlowEstimator, gray, is_cut
from realtime.media.convert.rgb import frame_from_rgb, rgb_from_frame
from realtime.media.files.probe import probe
from realtime.media.files.reader import VideoReader
from realtime.media.files.selection import output_shape
from realtime.media.files.writer import VideoWriter
from realtime.options import PaintingOptions
from realtime.painting.objective import TemporalTarget
from realtime.painting.painter import Painter, Report
from realtime.painting.pictures import to_rgb
from realtime.painting.recipes import make_recipe
from realtime.painting.scoring import mean_scores
from realtime.perception.features import to_tensor
from realtime.results import PaintedClipSummary

TENTH = 0.01
"""The mean square error of a root mean square error of a tenth of the range."""

FEWER_STEPS = 5
"""Frames after the first of a scene begin nearly finished; they take the recipe's steps divided by this."""


class ClipPainter:
    """Paints frames in their order.

    Args:
        painter: paints single pictures.

    Attributes:
        cuts: scenes after the first one.
        steps: of all frames.
        first: losses of the first frame before its first step.
    """

    def __init__(self, painter: Painter) -> None:
        self._painter = painter
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
        # Kept as floating-point numbers: nothing is rounded from one frame to the next.
        self._before = luma, painted[0].permute(1, 2, 0).float().cpu().contiguous().numpy()
        return self._painter.finished(rgb, to_rgb(painted))

    @property
    def last(self) -> dict[str, float]:
        """Losses after the last step, means over all frames."""
        return {name: sum(values) / len(values) for name, values in self._lasts.items()}

    def _begin(self, rgb: np.ndarray) -> torch.Tensor:
        """The first frame of a scene, painted as a still."""
        height, width = rgb.shape[:2]
        sizes = self._painter.recipe.sizes(height, width, min(height, width))
        result = self._painter.paint_scales(rgb, sizes, self._count)
        last = result.scales[-1]
        self._note(last.first, last.last, sum(scale.steps for scale in result.scales))
        return result.picture

    def _follow(self, rgb: np.ndarray, moved: np.ndarray, seen: np.ndarray) -> torch.Tensor:
        """A frame that continues the previous one."""
        device, options = self._painter.device, self._painter.options
        known = torch.from_numpy(np.ascontiguousarray(moved)).to(device).permute(2, 0, 1)[None]
        valid = torch.from_numpy(seen).to(device)[None, None].float()
        weight = options.temporal * self._total / TENTH
        painted = self._painter.paint(
            rgb,
            torch.where(valid > 0, known, to_tensor(rgb, device)),
            steps=options.frame_steps or max(1, self._painter.recipe.steps // FEWER_STEPS),
            temporal=TemporalTarget(known, valid, weight) if weight else None,
            frame=self._count,
        )
        self._note(painted.first, painted.last, painted.steps)
        return painted.picture

    def _note(self, first: dict[str, float], last: dict[str, float], steps: int) -> None:
        self.first = self.first or first
        self.steps += steps
        recipe = self._painter.recipe
        weights = {"content": recipe.content_weight, "style": recipe.style_weight, "tv": recipe.tv}
        self._total = sum(weight * last.get(name, 0.0) for name, weight in weights.items())
        for name, value in last.items():
            self._lasts.setdefault(name, []).append(value)


def _painted_frame(frame: Frame, rgb: np.ndarray) -> Frame:
    painted = frame_from_rgb(rgb, matrix=frame.color.matrix, value_range=frame.color.range)
    return frame.with_planes(painted.y, painted.u, painted.v)


def paint_clip(
    content: Path, styles: Sequence[Path], output: Path, options: PaintingOptions, report: Report | None = None
) -> PaintedClipSummary:
    """Paint a clip; see `realtime.painting.paint.paint`.

    Everything runs in this thread: compared with painting, decoding and encoding cost nothing.
    """
    o = options
    info = probe(content)
    width, height, _ = output_shape(info, None)
    short = min(make_recipe(o).sizes(height, width, o.size)[-1])
    wanted = short if short != min(height, width) else None
    with VideoReader(content, start=o.start, end=o.end, size=wanted) as reader:
        with VideoWriter(output, reader, encoder=o.encoder, quality=o.quality, overwrite=o.overwrite) as writer:
            painter = Painter(styles, o, report, reader.total_frames)
            clip = ClipPainter(painter)
            scores = []
            for frame in reader:
                rgb = rgb_from_frame(frame)
                painted = clip(rgb)
                writer.write(_painted_frame(frame, painted))
                scores.append(painter.scores(rgb, painted))
            written = writer.finish()
    seconds = painter.seconds
    return PaintedClipSummary(
        content=str(content),
        style=tuple(map(str, styles)),
        output=str(output),
        size=(reader.width, reader.height),
        steps=clip.steps,
        seconds=round(seconds, 3),
        losses={"first": clip.first, "last": clip.last},
        scores=mean_scores([s for s in scores if s is not None]),
        frames=written.frames,
        fps=round(written.frames / seconds, 4),
        cuts=clip.cuts,
        encoder=written.encoder,
        audio_streams=written.audio_streams,
        copied=tuple(written.copied),
        converted=tuple(written.converted),
        dropped=tuple(written.dropped),
        notes=(*painter.notes, *reader.notes, *written.notes),
        warnings=tuple(reader.warnings),
        **painter.summary(),
    )
