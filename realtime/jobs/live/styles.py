"""The styles of a live run: those that were named are opened at once, the rest of the gallery beside the painting."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from realtime.engines.painter import FramePainter
from realtime.errors import RestyleError, one_line
from realtime.frames import Frame
from realtime.options import EngineOptions, PaintOptions, StyleOptions


class LiveStyle:
    """A style that is opened when it is needed.

    Args:
        style: a name from the gallery, a path, or a blend.
        options: what runs the network.
        style_options: how the network is made from a picture or a blend.

    Attributes:
        name: of the style.
        ready: whether it can paint without delay.
        problem: why it cannot be opened; empty where nothing is wrong.
    """

    def __init__(self, style: str | Path, options: EngineOptions, style_options: StyleOptions = StyleOptions()) -> None:
        self.name = str(style)
        self.ready = False
        self.problem = ""
        self._style, self._options, self._style_options = style, options, style_options
        self._painter: FramePainter | None = None

    def open(self) -> FramePainter:
        """Opens the engine.

        Raises:
            InputError: the style, or the engine for it, is not available.
        """
        if self._painter is None:
            self._painter = FramePainter(self._style, self._options, self._style_options)
            self.name = self._painter.style.name
        return self._painter

    @property
    def takes_texture(self) -> bool:
        """Whether it takes the texture plane; False where it is not open yet."""
        return self._painter is not None and self._painter.takes_texture

    def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
        """Paints one frame; see `realtime.engines.base.Engine.stylize`."""
        return self.open().engine.stylize([frame], paint)[0]

    def close(self) -> None:
        """Closes the engine."""
        self.ready = False
        if self._painter is not None:
            self._painter.close()


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
        self.all = [LiveStyle(style, options, style_options) for style in named]
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
        if self._opener is not None:
            self._opener.join()
        for style in self.all:
            style.close()
