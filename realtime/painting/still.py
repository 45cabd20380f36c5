"""Painting a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from realtime.media.files import stills
from realtime.options import PaintingOptions
from realtime.painting.painter import Painter, Report
from realtime.painting.pictures import to_rgb
from realtime.painting.recipes import make_recipe
from realtime.results import PaintingSummary


def paint_still(
    content: Path, styles: Sequence[Path], output: Path, options: PaintingOptions, report: Report | None = None
) -> PaintingSummary:
    """Paint a photograph; see `realtime.painting.paint.paint`."""
    stills.check_image_target(output, overwrite=options.overwrite)
    photograph = stills.read_picture(content)
    height, width = photograph.rgb.shape[:2]
    sizes = make_recipe(options).sizes(height, width, options.size)
    painter = Painter(styles, options, report)
    height, width = sizes[-1]
    source = stills.resize_picture(photograph, (width, height))
    result = painter.paint_scales(photograph.rgb, sizes)
    painted = painter.finished(source.rgb, to_rgb(result.picture))
    lost = stills.write_picture(output, replace(source, rgb=painted), overwrite=options.overwrite)
    seconds = painter.seconds
    last = result.scales[-1]
    return PaintingSummary(
        content=str(content),
        style=tuple(map(str, styles)),
        output=str(output),
        size=(width, height),
        steps=sum(scale.steps for scale in result.scales),
        seconds=round(seconds, 3),
        losses={"first": last.first, "last": last.last},
        scales=result.scales,
        scores=painter.scores(source.rgb, painted),
        notes=(*photograph.notes, *lost, *painter.notes),
        **painter.summary(),
    )
