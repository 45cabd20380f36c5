"""Restyles image files, and pictures in memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from realtime.engines.painter import FramePainter
from realtime.errors import InputError, one_line
from realtime.frames import Frame
from realtime.jobs.video import Report
from realtime.media.convert.rgb import frame_from_rgb, rgb_from_frame
from realtime.media.convert.scene_motion import SceneMotion
from realtime.media.files import stills
from realtime.options import ImageOptions, PaintOptions
from realtime.results import PicturesSummary, Progress


def restyle_pictures(
    painter: FramePainter,
    inputs: Sequence[str | Path],
    output: str | Path,
    options: ImageOptions = ImageOptions(),
    *,
    progress: Report | None = None,
) -> PicturesSummary:
    """Restyles image files. Of several, one that cannot be read or written does not stop the others.

    Args:
        painter: the style.
        inputs: files, and folders whose images are taken.
        output: a file for one input file; else a folder, made where it is missing, that gets a file of the same name
            for each input.
        options: see `ImageOptions`.
        progress: called after each picture.

    Raises:
        InputError: a file or an option is wrong, or not one picture could be restyled.
    """
    painter.check_paint(options)
    work = _targets(inputs, output, overwrite=options.overwrite)
    started = time.perf_counter()
    warnings: list[str] = []
    notes: list[str] = []
    for done, (source, target) in enumerate(work, 1):
        try:
            notes += [f"{source}: {note}" for note in _restyle(painter, source, target, options)]
        except InputError as error:
            if len(work) == 1:
                raise
            warnings.append(one_line(error))
        if progress is not None:
            progress(Progress(done, len(work), time.perf_counter() - started))
    if len(warnings) == len(work):
        raise InputError(f"none of the {len(work)} pictures could be restyled; the first: {warnings[0]}")
    seconds = time.perf_counter() - started
    return PicturesSummary(
        output=str(output),
        style=painter.style.name,
        images=len(work) - len(warnings),
        failed=len(warnings),
        seconds=round(seconds, 4),
        fps=round((len(work) - len(warnings)) / seconds, 2),
        backend=painter.engine.backend,
        device=painter.engine.device,
        precision=painter.engine.precision,
        notes=(*painter.engine.notes, *notes),
        warnings=tuple(warnings),
    )


def _targets(inputs: Sequence[str | Path], output: str | Path, *, overwrite: bool) -> list[tuple[Path, Path]]:
    """(source, target) of each picture."""
    sources, target = stills.find_images(inputs), Path(output)
    if len(sources) == 1 and not Path(inputs[0]).is_dir() and not target.is_dir():
        targets = [target]
        stills.check_image_target(target, overwrite=overwrite)
    else:
        if target.suffix and not target.is_dir():
            raise InputError(f"{target}: several pictures need a folder to go to")
        if not target.parent.is_dir():
            raise InputError(f"{target}: the folder {target.parent} does not exist")
        target.mkdir(exist_ok=True)
        targets = [target / source.name for source in sources]
    if len(set(targets)) < len(targets):
        twice = next(t for t in targets if targets.count(t) > 1)
        raise InputError(f"{twice}: two of the pictures would go there; restyle them into folders of their own")
    for source, place in zip(sources, targets, strict=True):
        if place.exists() and source.exists() and place.samefile(source):
            raise InputError(f"{place}: is the source itself; name another file or folder")
    return list(zip(sources, targets, strict=True))


def _restyle(painter: FramePainter, source: Path, target: Path, options: ImageOptions) -> tuple[str, ...]:
    """Restyles one file; returns what was converted or lost, in words."""
    stills.check_image_target(target, overwrite=options.overwrite)
    picture = stills.read_picture(source)
    if options.size is not None:
        picture = stills.resize_picture(picture, options.size)
    styled = next(paint_pictures(painter, [picture.rgb], options))
    lost = stills.write_picture(target, replace(picture, rgb=styled), overwrite=options.overwrite)
    return (*picture.notes, *lost)


def paint_pictures(
    painter: FramePainter,
    pictures: Iterable[np.ndarray],
    paint: PaintOptions = PaintOptions(),
    motion: SceneMotion | None = None,
) -> Iterator[np.ndarray]:
    """Restyles pictures in memory, lazily, in batches of the engine's size.

    Args:
        painter: the style.
        pictures: (H, W, 3) uint8 RGB each; sizes may change.
        paint: how they are painted.
        motion: follows the camera, if they are the frames of a film; None if they have nothing to do with each other.

    Yields:
        one picture for each, in order, of the same shape and type.

    Raises:
        InputError: something is not such a picture.
    """
    source = iter(pictures)
    while batch := list(islice(source, painter.engine.batch)):
        group: list[Frame] = []
        for picture in batch:
            frame = frame_from_rgb(_checked(picture))
            if motion is not None and painter.takes_texture:
                frame = motion(frame)
            if group and not group[0].fits_with(frame):
                yield from map(rgb_from_frame, painter.paint(group, paint))
                group = []
            group.append(frame)
        yield from map(rgb_from_frame, painter.paint(group, paint))


def _checked(picture: np.ndarray) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise InputError(f"a picture must be (height, width, 3) uint8 RGB, not {picture.shape} {picture.dtype}")
    return picture
