"""Painting a photograph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from realtime.media.files import stills
from realtime.painting.config import PaintConfig
from realtime.painting.studio import Report, Studio, to_rgb, working_sizes


def paint_still(config: PaintConfig, report: Report | None = None) -> dict[str, Any]:
    """Paint a photograph.

    Args:
        config: content, styles and output are images.
        report: called after each step, or each block of steps of L-BFGS.

    Returns:
        content, style, output (paths), preset, loss_network, optimizer, size ([width, height]), steps (of all scales),
        seconds, losses ({"first", "last"} at the last scale), scales (what each has given), scores (see
        `Studio.scores`), device, precision, notes.

    Raises:
        InputError: a file or a value is wrong; nothing was written.
        RestyleError: the loss is no longer finite, or the output cannot be written.
    """
    c = config
    stills.check_image_target(c.output, overwrite=c.overwrite)
    photograph = stills.read_picture(c.content)
    height, width = photograph.rgb.shape[:2]
    sizes = working_sizes(height, width, c.recipe, c.size)
    studio = Studio(c)
    height, width = sizes[-1]
    source = stills.resize_picture(photograph, (width, height))
    scaled = studio.paint_scales(photograph.rgb, sizes, report)
    painted = studio.finished(source.rgb, to_rgb(scaled.picture))
    lost = stills.write_picture(c.output, replace(source, rgb=painted), overwrite=c.overwrite)
    seconds = studio.seconds
    last = scaled.runs[-1]
    return {
        "content": str(c.content),
        "style": [str(path) for path in c.styles],
        "output": str(c.output),
        "preset": c.recipe.name,
        "loss_network": c.loss_network,
        "optimizer": studio.recipe.optimizer,
        "size": [width, height],
        "steps": sum(run["steps"] for run in scaled.runs),
        "seconds": round(seconds, 3),
        "losses": {"first": last["first"], "last": last["last"]},
        "scales": scaled.runs,
        "scores": studio.scores(source.rgb, painted),
        "device": str(studio.device),
        "precision": studio.precision,
        "notes": [*photograph.notes, *lost, *studio.notes],
    }
