"""The public object: open a style once, then restyle files, pictures and frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from realtime.engines.base import Engine, Trace
from realtime.engines.painter import FramePainter
from realtime.jobs import batch
from realtime.jobs.painter import Painter
from realtime.jobs.picture_types import Picture, as_rgb
from realtime.jobs.pictures import paint_pictures, restyle_pictures
from realtime.jobs.timeline import TimelinePainter
from realtime.jobs.video import Report, restyle_video
from realtime.media.convert.scene_motion import SceneMotion
from realtime.option_fields import replace_in_both, takes
from realtime.options import EngineOptions, ImageOptions, PaintOptions, StyleOptions, VideoOptions
from realtime.results import BatchSummary, PicturesSummary, VideoSummary
from realtime.style.emitted import amounts
from realtime.style.reference import parse_style
from realtime.style.timeline import Timeline, read_timeline
from realtime.transnet.checkpoint import StyleCard


class Stylizer:
    """A style that is ready to run. Close it, or use it in a `with` statement: it has threads of its own.

    Args:
        style: a name from the gallery (`realtime.styles()`), the path of a checkpoint, of an ONNX file or of a picture,
            or a blend of these: "great-wave:0.6+my.jpg:0.4".
        options: what runs the network; or its fields as keywords (backend, device, precision, batch, threads,
            allow_int8).
        style_options: how the network for a picture or a blend is made; or its fields as keywords (paint, stroke).

    Raises:
        StyleError: the style is unknown, its file is damaged, or it cannot be blended.
        MediaError: the picture cannot be read.
        InputError: a device, backend or precision is not available, or the network has no input for paint or stroke.
    """

    @takes(EngineOptions, StyleOptions)
    def __init__(
        self,
        style: str | Path,
        options: EngineOptions | None = None,
        style_options: StyleOptions | None = None,
        **keywords: Any,
    ) -> None:
        self._options, self._style_options = replace_in_both(
            options or EngineOptions(), style_options or StyleOptions(), keywords
        )
        self._lock = threading.RLock()
        self._style, self._adjustable = style, parse_style(style).is_adjustable
        self._painter = FramePainter(style, self._options, self._style_options)

    def __enter__(self) -> Stylizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stylizer({self.style.name!r}: {self.description})"

    def close(self) -> None:
        """Ends the engine's threads and frees its memory. Closing twice is allowed."""
        with self._lock:
            self._painter.close()

    @property
    def description(self) -> str:
        """What runs the network, in one line."""
        return self.engine.description

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return self._painter.engine

    @property
    def painter(self) -> FramePainter:
        """The style in its engine, as the jobs of `realtime.jobs` take it."""
        return self._painter

    @property
    def style(self) -> StyleCard:
        """What is known of the style. Set it to a name, a path or a blend to change the style from the next frame on.

        The amount of paint and the size of the strokes stay. A style without such inputs is refused while one of them
        was chosen; set it to None before.
        """
        return self._painter.style

    @style.setter
    def style(self, style: str | Path) -> None:
        self._change(style, self._style_options)

    @property
    def paint(self) -> float | None:
        """How much the painting overrules the source's forms, 0..1. None: the style's network has no such input.

        Set it to change it from the next frame on; None stands for the default.

        Raises:
            InputError: on setting it: it is out of range, or the network has no such input.
        """
        return self._amounts()[0]

    @paint.setter
    def paint(self, amount: float | None) -> None:
        self._change(self._style, self._style_options.replace(paint=amount))

    @property
    def stroke(self) -> float | None:
        """The size of the strokes, 0.5..2. None: the style's network has no such input. Set it as `paint`."""
        return self._amounts()[1]

    @stroke.setter
    def stroke(self, size: float | None) -> None:
        self._change(self._style, self._style_options.replace(stroke=size))

    def _amounts(self) -> tuple[float, float] | tuple[None, None]:
        with self._lock:
            return amounts(self._style_options) if self._adjustable else (None, None)

    def _change(self, style: str | Path, style_options: StyleOptions) -> None:
        """Another style, or another network for the same one. The old one serves until the new one is ready."""
        adjustable = parse_style(style).is_adjustable
        painter = FramePainter(style, self._options, style_options)
        with self._lock:
            self._painter.close()
            self._painter, self._style, self._style_options = painter, style, style_options
            self._adjustable = adjustable

    @takes(VideoOptions)
    def video(
        self,
        input: str | Path,
        output: str | Path,
        options: VideoOptions | None = None,
        *,
        timeline: str | Path | Timeline | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
        trace: Trace | None = None,
        **keywords: Any,
    ) -> VideoSummary:
        """Restyles a video file. Sound, subtitles and metadata are kept; every frame keeps its time.

        Args:
            input, output: files. The output appears under its name when it is complete, and not before.
            timeline: styles and their times, in the place of this one; see `restyle video --timeline`.
            progress: called about ten times a second, in this thread.
            cancel: set it to end the run early; nothing is left then, except with `resume`.
            trace: told of each piece of work by the thread that did it; see `realtime.benchmark.trace`.

        Raises:
            InputError: a file or an option is wrong; nothing was written.
            DiskFull: the output does not fit; with `resume`, what is done is kept.
            RestyleError: the work failed; nothing is left of the output, unless it can be resumed.
        """
        wanted = (options or VideoOptions()).replace(**keywords)
        with self._lock, self._video_painter(timeline) as painter:
            return restyle_video(painter, input, output, wanted, progress=progress, cancel=cancel, trace=trace)

    @contextmanager
    def _video_painter(self, timeline: str | Path | Timeline | None) -> Iterator[Painter]:
        """This style's painter, or that of a timeline, which is closed after its use."""
        if timeline is None:
            yield self._painter
            return
        with TimelinePainter(
            read_timeline(timeline), self._options, self._style_options, first=self._painter
        ) as painter:
            yield painter

    @takes(VideoOptions)
    def videos(
        self,
        inputs: Sequence[str | Path],
        output: str | Path,
        options: VideoOptions | None = None,
        *,
        format: str | None = None,
        timeline: str | Path | Timeline | None = None,
        done: Callable[[batch.Entry], None] | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
        **keywords: Any,
    ) -> BatchSummary:
        """Restyles several video files into a folder. One that cannot be restyled does not stop the others.

        Args:
            inputs: files, folders whose videos are taken, and patterns such as "clips/**/*.mp4".
            output: a folder, made where it is missing, that gets a file of the same name for each.
            format: the container of the results ("mkv"); None keeps each source's where it can be written, else MP4.
            done: called after each file.
            timeline, progress, cancel: as for `video`.

        Raises:
            InputError: a folder or a pattern holds no video, two results would have one name, or an option is wrong.
            Cancelled: `cancel` was set; the files that are finished stay.
        """
        wanted = (options or VideoOptions()).replace(**keywords)
        jobs = batch.prepare(inputs, output, format)
        with self._lock, self._video_painter(timeline) as painter:
            began = time.perf_counter()

            def restyle(source: Path, target: Path) -> VideoSummary:
                return restyle_video(painter, source, target, wanted, progress=progress, cancel=cancel)

            return batch.summarise(painter, output, batch.restyle_videos(jobs, restyle, done=done), began)

    @takes(ImageOptions)
    def pictures(
        self,
        inputs: Sequence[str | Path],
        output: str | Path,
        options: ImageOptions | None = None,
        *,
        progress: Report | None = None,
        **keywords: Any,
    ) -> PicturesSummary:
        """Restyles image files. Of several, one that cannot be read or written does not stop the others.

        Args:
            inputs: files, and folders whose images are taken.
            output: a file for one input file; else a folder, made where it is missing.
            progress: called after each picture.

        Raises:
            InputError: a file or an option is wrong, or not one picture could be restyled.
        """
        wanted = (options or ImageOptions()).replace(**keywords)
        with self._lock:
            return restyle_pictures(self._painter, inputs, output, wanted, progress=progress)

    @takes(PaintOptions)
    def image(self, picture: Picture, options: PaintOptions | None = None, **keywords: Any) -> Any:
        """Restyles a picture.

        Args:
            picture: a path, a PIL image, an array (H, W, 3) of uint8 RGB, or a tensor (3, H, W) of uint8 or of floating
                point in 0..1.

        Returns:
            the same type, shape and size; an array for a path.

        Raises:
            InputError: it is no picture, or an option is wrong.
        """
        return self.images([picture], options, **keywords)[0]

    @takes(PaintOptions)
    def images(self, pictures: Sequence[Picture], options: PaintOptions | None = None, **keywords: Any) -> list[Any]:
        """Restyles pictures in batches.

        Args:
            pictures: see `image`; types and sizes may differ.

        Returns:
            a list as long, each of its picture's type.

        Raises:
            InputError: something is no picture, or an option is wrong.
        """
        given = [as_rgb(picture) for picture in pictures]
        wanted = (options or PaintOptions()).replace(**keywords)
        styled = self._frames(iter([rgb for rgb, _ in given]), wanted)
        return [back(rgb) for (_, back), rgb in zip(given, styled, strict=True)]

    @takes(PaintOptions)
    def frames(
        self, pictures: Iterable[np.ndarray], options: PaintOptions | None = None, **keywords: Any
    ) -> Iterator[np.ndarray]:
        """Restyles the frames of a film, lazily, in batches of the engine's size.

        Their texture goes with the camera's motion from frame to frame. For pictures that have nothing to do with each
        other there is `images`.

        Args:
            pictures: (H, W, 3) uint8 RGB each; sizes may change.

        Yields:
            one picture for each, in order, of the same shape and type.

        Raises:
            InputError: something is not such a picture, or an option is wrong.
        """
        return self._frames(iter(pictures), (options or PaintOptions()).replace(**keywords), SceneMotion())

    def _frames(
        self, pictures: Iterator[np.ndarray], paint: PaintOptions, motion: SceneMotion | None = None
    ) -> Iterator[np.ndarray]:
        while batch_now := list(islice(pictures, self.engine.batch)):
            with self._lock:
                styled = list(paint_pictures(self._painter, batch_now, paint, motion))
            yield from styled
