"""`restyle paint`: a still or a clip, painted by optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from realtime.engines.workers import using_threads
from realtime.errors import InputError
from realtime.media.files import stills
from realtime.media.files.inputs import VIDEO_SUFFIXES
from realtime.options import PaintingOptions
from realtime.painting.clip import paint_clip
from realtime.painting.painter import Report
from realtime.painting.still import paint_still
from realtime.results import PaintingSummary


def is_clip(path: Path) -> bool:
    """Whether a file is a video, by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def paint(
    content: Path,
    styles: Sequence[Path],
    output: Path,
    options: PaintingOptions | None = None,
    *,
    report: Report | None = None,
) -> PaintingSummary:
    """Paint a photograph or a clip.

    Args:
        content: an image; or a video, of which sound, subtitles, metadata and the time of every frame are kept.
        styles: the paintings, one or more images.
        output: the file to write; it appears when it is complete.
        options: how to paint.
        report: called with the progress after each step, or each block of steps of L-BFGS. What it raises ends the
            work; nothing is left of the output then.

    Returns:
        a `PaintedClipSummary` for a video.

    Raises:
        InputError: a file or a value is wrong; nothing was written.
        RestyleError: the loss is no longer finite, or the output cannot be written; nothing is left of it.
    """
    options = options or PaintingOptions()
    _check(content, styles, output, options)
    with using_threads(options.threads or torch.get_num_threads()):
        return (paint_clip if is_clip(content) else paint_still)(content, styles, output, options, report)


def _check(content: Path, styles: Sequence[Path], output: Path, options: PaintingOptions) -> None:
    """Refuse options that do not suit the files, and outputs that would replace inputs."""
    count = len(styles)
    if not count:
        raise InputError("painting needs at least one style image")
    if options.blend and len(options.blend) != count:
        raise InputError(f"--blend has {len(options.blend)} shares; one for each of the paintings ({count}) is wanted")
    if len(options.mask) not in (0, 1, count):
        raise InputError(f"--mask is given {len(options.mask)} times; once, or once for each painting, is wanted")
    if not is_clip(content) and (options.start is not None or options.end is not None):
        raise InputError("--start and --end are for clips")
    targets = (output, *((options.preview,) if options.preview else ()))
    for path in (content, *styles, *options.mask):
        for target in targets:
            if target.exists() and path.exists() and target.samefile(path):
                raise InputError(f"{target}: is one of the inputs; name another file")
    if options.preview is not None:
        if options.preview.resolve() == output.resolve():
            raise InputError(f"{output}: is the output; name another file for the preview")
        stills.check_image_target(options.preview, overwrite=True)
