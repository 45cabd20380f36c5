"""Paints a film in the styles of a timeline, each frame in the style of its time.

While a style changes, each frame has a network of its own: its weights lie between those of the two styles, as far from
each as the frame's time says. Where two styles have no common weights, as networks that were trained apart and ONNX
files, the frame is painted in both, and the two pictures are cross-faded. What a frame is painted in depends on its
time alone, so that batches, parts of a film and work that is resumed give the same pictures.

A step of a morph runs in PyTorch, where an engine for other weights opens in a few milliseconds; ONNX Runtime and
OpenVINO take a hundred and more. They paint the styles themselves as they always do. Their int8 differs from PyTorch's
bf16 by a few codes, so that the first part of a morph is a cross-fade from the style to the first step, and the last
part one from the last step to the other style.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, cast

from realtime.engines.base import DEFAULT_PAINT, Trace
from realtime.engines.painter import FramePainter
from realtime.engines.torch.engine import TorchEngine
from realtime.engines.torch.mixed import MixedEngine
from realtime.errors import RestyleError
from realtime.frames import Frame
from realtime.jobs.painter import Painter
from realtime.media.convert.planes import blend
from realtime.media.files.reader import VideoReader
from realtime.options import EngineOptions, PaintOptions, Precision, StyleOptions, VideoOptions
from realtime.style.check import check_timeline
from realtime.style.emitted import origin
from realtime.style.resolve import resolve_style
from realtime.style.timeline import Moment, Timeline
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.mixing import NetworkPair

HANDOVER = 1 / 8
"""Part of a morph, at its beginning and at its end, in which pictures of two kinds of engine are cross-faded."""

Wait = Callable[[], Sequence[Frame]]
"""Waits for frames that were begun, and returns them."""


@dataclass(frozen=True)
class Engines:
    """The engines of a timeline, described together; see `realtime.engines.base.Engine`."""

    painters: tuple[FramePainter, ...]

    def _all(self, name: str) -> str:
        return ", ".join(dict.fromkeys(str(getattr(painter.engine, name)) for painter in self.painters))

    @property
    def backend(self) -> str:
        return self._all("backend")

    @property
    def device(self) -> str:
        return self._all("device")

    @property
    def precision(self) -> str:
        return self._all("precision")

    @property
    def description(self) -> str:
        return "; ".join(dict.fromkeys(painter.engine.description for painter in self.painters))

    @property
    def batch(self) -> int:
        return max(painter.engine.batch for painter in self.painters)

    @property
    def ahead(self) -> int:
        return min(painter.engine.ahead for painter in self.painters)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for painter in self.painters for note in painter.engine.notes))


class TimelinePainter:
    """Paints frames in the style of their time. See `FramePainter` for the methods. Close it, or use it in a `with`.

    The engines of all styles are opened here, before the first frame.

    Args:
        timeline: styles and times.
        options: what runs the networks. ONNX files run in ONNX Runtime, in their own precision, whatever it says.
        style_options: how networks are made from those styles that are pictures or blends.
        first: a painter that is open already, of these options. It paints its style, and is not closed here.
        like: another painter of this timeline; every style gets the backend and the precision that it has there.

    Attributes:
        timeline: as given.
        engine: the engines, described together.
        style: the names of all styles, and an architecture: one that takes the texture plane if there is one.

    Raises:
        StyleError: a style is unknown or its file is damaged.
        InputError: a device, backend or precision is not available, or no style has inputs for `style_options`.
    """

    def __init__(
        self,
        timeline: Timeline,
        options: EngineOptions = EngineOptions(),
        style_options: StyleOptions = StyleOptions(),
        *,
        first: FramePainter | None = None,
        like: TimelinePainter | None = None,
    ) -> None:
        self._style_options = check_timeline(timeline, style_options)
        self.timeline, self._options, self._borrowed = timeline, options, first
        self._painters: dict[str, FramePainter] = {}
        self._pairs: dict[tuple[str, str], NetworkPair] = {}
        self._steps: set[MixedEngine] = set()
        self._lock = threading.Lock()
        self._zero, self._closed = 0.0, False
        try:
            self._open(like)
        except BaseException:
            self.close()
            raise
        painters = tuple(self._painters[style] for style in timeline.styles)
        self.engine = Engines(painters)
        cards = [painter.style for painter in painters]
        textured = next((card for card in cards if card.architecture.texture), cards[0])
        names = ", ".join(dict.fromkeys(card.name for card in cards))
        self.style = StyleCard(names, architecture=textured.architecture)

    def __enter__(self) -> TimelinePainter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """See `FramePainter.close`."""
        self._closed = True
        for painter in self._painters.values():
            if painter is not self._borrowed:
                painter.close()
        with self._lock:
            steps, self._steps = self._steps, set()
        for step in steps:
            step.close()

    # Opening

    def _open(self, like: TimelinePainter | None) -> None:
        for style in self.timeline.styles:
            self._painters[style] = self._painter(style, like)
        for before, after in pairwise(self.timeline.changes):
            ends = self._painters[before.style], self._painters[after.style]
            if after.morph and before.style != after.style and _can_mix(*ends):
                networks = [load_checkpoint(end.path)[0] for end in ends]
                self._pairs[before.style, after.style] = NetworkPair(*networks)

    def _painter(self, style: str, like: TimelinePainter | None) -> FramePainter:
        options = self._options
        if like is not None:
            options = _alike(options, like._painters[style])
        elif style.lower().endswith(".onnx"):
            backend = "onnx" if options.backend == "torch" else options.backend
            options = options.replace(backend=backend, precision="auto")
        own = self._style_options[style]
        if self._borrowed is not None and self._borrowed.path == resolve_style(style, own):
            return self._borrowed
        return FramePainter(style, options, own)

    # What the jobs ask

    @property
    def takes_texture(self) -> bool:
        """Whether a style is given a texture plane with each frame."""
        return any(painter.takes_texture for painter in self._painters.values())

    def check_paint(self, paint: PaintOptions) -> None:
        """See `FramePainter.check_paint`. It is enough that one of the styles takes what is given."""
        if not self.takes_texture:
            for painter in self._painters.values():
                painter.check_paint(paint)

    @property
    def fingerprint(self) -> Any:
        """What pictures depend on: the file of each style, its time, and how long the change takes."""
        return [
            [change.time, change.morph, self._painters[change.style].fingerprint] for change in self.timeline.changes
        ]

    @property
    def can_tile(self) -> bool:
        """See `FramePainter.can_tile`."""
        return all(painter.can_tile for painter in self._painters.values())

    def is_large(self, width: int, height: int) -> bool:
        """See `FramePainter.is_large`."""
        return any(painter.is_large(width, height) for painter in self._painters.values())

    def size_note(self, width: int, height: int) -> str | None:
        """See `FramePainter.size_note`."""
        notes = dict.fromkeys(painter.size_note(width, height) for painter in self._painters.values())
        return "; ".join(note for note in notes if note) or None

    def for_film(self, begins: float) -> TimelinePainter:
        """The same painter, with the same engines, for a film whose first picture does not have the time 0.

        Args:
            begins: time of the film's first picture, in seconds on the clock of the frames.
        """
        painter = copy(self)
        painter._zero = begins
        return painter

    # Painting

    def paint(self, frames: Sequence[Frame], paint: PaintOptions = DEFAULT_PAINT) -> Sequence[Frame]:
        """See `FramePainter.paint`."""
        return self.begin(frames, paint)()

    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = DEFAULT_PAINT,
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Wait:
        """See `FramePainter.begin`. Frames of one batch may have several styles. They come back in the CPU's memory."""
        if self._closed:
            raise RestyleError("the styles of the timeline were closed; open them again to paint")
        waits = [
            self._begin(moment, list(group), paint, trace)
            for moment, group in groupby(frames, key=lambda frame: self.timeline.at(frame.time - self._zero))
        ]
        return lambda: [frame for wait in waits for frame in wait()]

    def _begin(self, moment: Moment, frames: Sequence[Frame], paint: PaintOptions, trace: Trace | None) -> Wait:
        """Begins frames that are all painted in the same."""
        before, after = (self.timeline.changes[number].style for number in (moment.before, moment.after))
        first, second = (
            partial(self._painters[style].begin, frames, self._paint_of(style, paint), trace=trace)
            for style in (before, after)
        )
        share = moment.share
        if before == after or share == 0:
            return first()
        pair = self._pairs.get((before, after))
        if pair is None or self.is_large(frames[0].width, frames[0].height):
            return _faded(first(), second(), share)

        def step(share: float) -> Wait:
            return self._step(pair, before, share, frames, paint, trace)

        if not self._is_torch(before) and share < HANDOVER:
            return _faded(first(), step(HANDOVER), share / HANDOVER)
        if not self._is_torch(after) and share > 1 - HANDOVER:
            return _faded(step(1 - HANDOVER), second(), 1 - (1 - share) / HANDOVER)
        return step(share)

    def _paint_of(self, style: str, paint: PaintOptions) -> PaintOptions:
        """Without the texture for a style that has none: other styles of the timeline have it."""
        return paint if self._painters[style].takes_texture else paint.replace(texture=DEFAULT_PAINT.texture)

    def _step(
        self,
        pair: NetworkPair,
        before: str,
        share: float,
        frames: Sequence[Frame],
        paint: PaintOptions,
        trace: Trace | None,
    ) -> Wait:
        """Begins frames in an engine of their own, which is closed when they are painted."""
        engine = self._mixed(pair, before, share)
        with self._lock:
            self._steps.add(engine)
        wait = engine.begin(frames, paint, trace=trace)

        def finish() -> Sequence[Frame]:
            try:
                return wait()
            finally:
                with self._lock:
                    self._steps.discard(engine)
                engine.close()

        return finish

    def _mixed(self, pair: NetworkPair, style: str, share: float) -> MixedEngine:
        """A step of a morph: on the device of the styles' engines and in their precision, where PyTorch has both."""
        engine = self._painters[style].engine
        device = engine.device if engine.device.startswith(("cpu", "cuda", "mps")) else "cpu"
        same = engine.precision in ("fp32", "bf16") or (engine.precision == "fp16" and device != "cpu")
        precision = cast(Precision, engine.precision) if same else "auto"
        return MixedEngine(pair, share, device=device, precision=precision, threads=self._options.threads)

    def _is_torch(self, style: str) -> bool:
        """Whether a style's own engine computes as the steps of a morph do."""
        return isinstance(self._painters[style].engine, TorchEngine)


def _can_mix(first: FramePainter, second: FramePainter) -> bool:
    """Whether two networks have one architecture and one origin, and weights that can be read."""
    if ".onnx" in (first.path.suffix.lower(), second.path.suffix.lower()):
        return False
    a, b = first.style, second.style
    return a.architecture == b.architecture and origin(a) == origin(b) is not None


def _alike(options: EngineOptions, painter: Painter) -> EngineOptions:
    """Options for an engine that computes as another does."""
    kind: Any = {"backend": painter.engine.backend, "precision": painter.engine.precision}
    return options.replace(**kind)


def _faded(first: Wait, second: Wait, share: float) -> Wait:
    """Waits for frames that two networks paint, and mixes them: 0 gives the first."""
    return lambda: [blend(a, b, share) for a, b in zip(first(), second(), strict=True)]


def open_painter(
    style: str | Path | Timeline,
    options: EngineOptions = EngineOptions(),
    style_options: StyleOptions = StyleOptions(),
    like: Painter | None = None,
) -> Painter:
    """Opens a style, or the styles of a timeline. The caller closes it.

    Args:
        style: see `FramePainter`; or a timeline.
        options, style_options: see `FramePainter`.
        like: a painter of the same; what it has chosen to compute with is taken, and not chosen again.

    Raises:
        StyleError, InputError: see `FramePainter`.
    """
    if isinstance(style, Timeline):
        return TimelinePainter(style, options, style_options, like=like if isinstance(like, TimelinePainter) else None)
    return FramePainter(style, options if like is None else _alike(options, like), style_options)


def for_film(painter: Painter, reader: VideoReader, options: VideoOptions) -> Painter:
    """A painter for the frames of a film. A timeline's times count from the film's first picture, also where a range of
    it is read.

    Raises:
        InputError: the timeline goes on after the film's end.
    """
    if not isinstance(painter, TimelinePainter):
        return painter
    if reader.info.duration:
        painter.timeline.check_length(reader.info.duration, reader.path)
    return painter.for_film(-(options.start or 0.0) if reader.is_cut else float(reader.info.start_time))
