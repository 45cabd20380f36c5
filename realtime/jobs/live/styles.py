"""The styles of a live run: those that were named are opened at once, the rest of the gallery beside the painting."""

from __future__ import annotations

import threading
from collections.abc import Sequence, Set
from functools import cache
from pathlib import Path

from torch import Tensor

from realtime.engines.calibration_cache import PICTURES, calibration_of
from realtime.engines.choice import open_alike
from realtime.engines.onnx.calibration import Calibration, calibrate
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.engines.painter import FramePainter
from realtime.errors import RestyleError, one_line
from realtime.frames import Frame
from realtime.jobs.live.adjusting import Adjuster, ExchangeableEngine, Refine
from realtime.jobs.live.painter import KnobName
from realtime.options import EngineOptions, PaintOptions, StyleOptions
from realtime.style.emitted import amounts, any_painting
from realtime.style.reference import parse_style
from realtime.style.resolve import style_network
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.network import TransNet


class LiveStyle:
    """A style that is opened when it is needed.

    Args:
        style: a name from the gallery, a path, or a blend.
        options: what runs the network.
        style_options: how the network is made from a picture or a blend.
        adjuster: makes networks of other amounts; None makes none.

    Attributes:
        name: of the style.
        ready: whether it can paint without delay.
        problem: why it cannot be opened; empty where nothing is wrong.
        notice: why its network could not be made for other amounts; empty where nothing is wrong.
    """

    def __init__(
        self,
        style: str | Path,
        options: EngineOptions,
        style_options: StyleOptions = StyleOptions(),
        adjuster: Adjuster | None = None,
    ) -> None:
        self.name = str(style)
        self.ready = False
        self.problem = self.notice = ""
        self._style, self._options, self._adjuster = style, options, adjuster
        self._painter: FramePainter | None = None
        self._engine: ExchangeableEngine | None = None
        self._adjustable = False
        self._wanted = style_options
        self._calibration: Calibration | None = None

    def open(self) -> FramePainter:
        """Opens the engine.

        Raises:
            InputError: the style, or the engine for it, is not available.
        """
        if self._painter is None:
            self._adjustable = self._adjuster is not None and parse_style(self._style).is_adjustable
            self._painter = FramePainter(self._style, self._options, self._wanted)
            self._engine = ExchangeableEngine(self._painter.engine)
            self.name = self._painter.style.name
        return self._painter

    @property
    def takes_texture(self) -> bool:
        """Whether it takes the texture plane; False where it is not open yet."""
        return self._painter is not None and self._painter.takes_texture

    @property
    def knobs(self) -> Set[KnobName]:
        """What can be turned while it paints; nothing where it is not open yet."""
        texture: set[KnobName] = {"texture"} if self.takes_texture else set()
        return texture | {"paint", "stroke"} if self._adjustable else texture

    @property
    def adjusting(self) -> bool:
        """Whether a network is being made."""
        return self._adjuster is not None and self._adjuster.busy

    def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
        """Paints one frame; see `realtime.engines.base.Engine.stylize`."""
        self.open()
        assert self._engine is not None
        return self._engine.paint(frame, paint)

    def adjust(self, options: StyleOptions, sample: Frame) -> None:
        """See `realtime.jobs.live.painter.Style`."""
        if self._adjustable and self._adjuster is not None and amounts(options) != amounts(self._wanted):
            self._wanted = options
            self._adjuster.wish(self, sample)

    def remake(self, sample: Frame) -> Refine | None:
        """See `realtime.jobs.live.adjusting.Adjustable`."""
        assert self._painter is not None and self._engine is not None
        network, _ = style_network(self._style, self._wanted)
        if self._painter.engine.precision != "int8":
            self._exchange(network, sample, None)
            return None
        if self._calibration is None:
            self._calibration = calibration_of(load_checkpoint(self._painter.path)[0]).calibration
        self._exchange(network, sample, self._calibration)

        def refine() -> None:
            self._calibration = calibrate(network, calibration_pictures())
            self._exchange(network, sample, self._calibration)

        return refine

    def _exchange(self, network: TransNet, sample: Frame, calibration: Calibration | None) -> None:
        """Has the next frame painted by a network, in an engine that is prepared for frames like the sample."""
        assert self._painter is not None and self._engine is not None
        engine = open_alike(network, self._engine.engine, self._options, calibration)
        try:
            engine.stylize([sample])
        except BaseException:
            engine.close()
            raise
        self._engine.exchange(engine)

    def close(self) -> None:
        """Closes the engine."""
        self.ready = False
        if self._painter is not None and self._engine is not None:
            self._painter.close()
            self._engine.close()


@cache
def calibration_pictures() -> list[Tensor]:
    """Pictures on which ranges are measured."""
    return generated_pictures(PICTURES)


class LiveStyles:
    """All styles of a run. Use it in a `with` statement.

    Args:
        named: opened at once.
        others: of the gallery, opened by `open_others`.
        options: what runs the networks.
        style_options: how the networks of those that are named are made.

    Attributes:
        all: the styles, in the order of the keys.

    Raises:
        InputError: one of those that were named, or its engine, is not available.
    """

    def __init__(
        self,
        named: Sequence[str | Path],
        others: Sequence[str | Path],
        options: EngineOptions,
        style_options: StyleOptions = StyleOptions(),
    ) -> None:
        self._adjuster = Adjuster()
        self.all = [LiveStyle(style, options, style_options, self._adjuster) for style in named]
        self.all += [LiveStyle(style, options) for style in others]
        self._waiting = self.all[len(named) :]
        self._stopped = threading.Event()
        self._opener: threading.Thread | None = None
        try:
            for style in self.all[: len(named)]:
                style.open()
                style.ready = True
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LiveStyles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_others(self, sample: Frame) -> None:
        """Opens the other styles in a thread, one after the other. One that fails has a `problem`.

        Args:
            sample: a frame of the working size, for a first run of each.
        """

        def work() -> None:
            if any({"paint", "stroke"} & style.knobs for style in self.all):
                any_painting()  # so that the first key need not wait for it
            for style in self._waiting:
                if self._stopped.is_set():
                    return
                try:
                    style.paint(sample, PaintOptions())
                except RestyleError as error:
                    style.problem = one_line(error)
                else:
                    style.ready = True

        self._opener = threading.Thread(target=work, name="restyle-styles", daemon=True)
        self._opener.start()

    def close(self) -> None:
        """Closes the engines, after the one that is being opened."""
        self._stopped.set()
        self._adjuster.close()
        if self._opener is not None:
            self._opener.join()
        for style in self.all:
            style.close()
