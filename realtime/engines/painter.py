"""A style that is ready to paint: an engine, and what is done with frames too large for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from realtime.engines.base import Engine, Trace
from realtime.engines.choice import open_engine
from realtime.engines.tiling import MOST_PIXELS, SIDE, frozen_engine, stylize_in_tiles
from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.options import EngineOptions, PaintOptions, StyleOptions
from realtime.style.resolve import resolve_style
from realtime.transnet.checkpoint import StyleCard, load_checkpoint
from realtime.transnet.network import TransNet


class FramePainter:
    """Frames in, painted frames out. Very large frames go through the network in tiles.

    Close it, or use it in a `with` statement: the engine has threads of its own.

    Args:
        style: a name from the gallery, the path of a checkpoint, of an ONNX file or of a picture, or a blend.
        options: what runs the network.
        style_options: how the network is made from a picture or a blend.
        most_pixels: frames with more pixels go through the network in tiles.
        tile_side: of the tiles, in pixels; a multiple of 16.

    Attributes:
        path: the style's file.
        engine: what runs the network.
        style: what is known of the style.

    Raises:
        StyleError: the style is unknown or its file is damaged.
        MediaError: a picture cannot be read.
        InputError: a device, backend or precision is not available, or the network has no inputs for `style_options`.
    """

    def __init__(
        self,
        style: str | Path,
        options: EngineOptions = EngineOptions(),
        style_options: StyleOptions = StyleOptions(),
        *,
        most_pixels: int = MOST_PIXELS,
        tile_side: int = SIDE,
    ) -> None:
        self.path = resolve_style(style, style_options)
        self._most_pixels, self._tile_side = most_pixels, tile_side
        self._threads = options.threads
        self._network: TransNet | None = None
        self._closed = False
        self.engine: Engine
        self.style: StyleCard
        self.engine, self.style = open_engine(self.path, options)

    def __enter__(self) -> FramePainter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the engine's threads and frees its memory. Closing twice is allowed."""
        self._closed = True
        self.engine.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RestyleError(f"the style {self.style.name} was closed; open it again to paint")

    @property
    def fingerprint(self) -> str:
        """What its pictures depend on: a digest of the style's file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def foreign(self) -> bool:
        """Whether the network is an ONNX file that restyle has not made: nothing is known of its architecture."""
        return getattr(self.engine, "foreign", False)

    @property
    def takes_texture(self) -> bool:
        """Whether the network is given a texture plane with each frame. (An exported one holds its own.)"""
        return not self.foreign and not self._is_exported and self.style.architecture.texture

    def check_paint(self, paint: PaintOptions) -> None:
        """Refuse what the network cannot do.

        Raises:
            InputError: an option is given that the network has no input for; the message says why.
        """
        self._check_texture(paint)

    def _check_texture(self, paint: PaintOptions) -> None:
        if self.takes_texture or paint.texture == PaintOptions().texture:
            return
        reason = "its network has no texture plane; take a picture as the style, or leave --texture out"
        if self.foreign:
            reason = "a network that restyle has not made has no texture plane; leave --texture out"
        elif self.style.architecture.texture:
            reason = "an exported network holds its texture plane fixed; take the checkpoint, or leave --texture out"
        raise InputError(f"--texture {paint.texture:g} with {self.style.name}: {reason}")

    @property
    def _is_exported(self) -> bool:
        return self.path.suffix.lower() == ".onnx"

    @property
    def can_tile(self) -> bool:
        """Whether tiles give the picture that the whole frame would give.

        They do not where the network looks at the whole picture and its statistics cannot be frozen for one picture:
        nothing is known of others' ONNX files, and ours with instance norm are not taken apart. Nor where each tile
        would begin at the texture plane's origin again.
        """
        if self.foreign:
            return False
        architecture = self.style.architecture
        return not self._is_exported or not (architecture.instance_norm or architecture.texture)

    def is_large(self, width: int, height: int) -> bool:
        """Whether frames of this size, in pixels, are too large to be handled as usual."""
        return width * height > self._most_pixels

    def size_note(self, width: int, height: int) -> str | None:
        """What is to be said of frames of this size; None where nothing is.

        Args:
            width, height: in pixels.
        """
        if not self.is_large(width, height):
            return None
        if not self.can_tile:
            return f"{width}x{height}: painted whole, which takes much memory"
        if not self.style.architecture.instance_norm:
            return f"{width}x{height}: painted in tiles, which changes nothing"
        return f"{width}x{height}: painted in tiles, normalised by a sample of each frame"

    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = PaintOptions(),
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Callable[[], Sequence[Frame]]:
        """Begins to paint frames of one size and meaning (`Frame.batches_with`); see `Engine.begin`.

        Returns:
            a function that waits for the painted frames and returns them.

        Raises:
            InputError: see `check_paint`.
            RestyleError: the painter was closed.
        """
        self._check_open()
        self.check_paint(paint)
        if self._in_tiles(frames[0]):
            painted = [self._paint_in_tiles(frame, paint) for frame in frames]
            return lambda: painted
        return self.engine.begin(frames, paint, on_device=on_device, trace=trace)

    def paint(self, frames: Sequence[Frame], paint: PaintOptions = PaintOptions()) -> Sequence[Frame]:
        """Paints frames of one size and meaning, and waits for them.

        Raises:
            InputError: see `check_paint`.
            RestyleError: the painter was closed.
        """
        self._check_open()
        self.check_paint(paint)
        if self._in_tiles(frames[0]):
            return [self._paint_in_tiles(frame, paint) for frame in frames]
        return self.engine.stylize(frames, paint)

    def _in_tiles(self, frame: Frame) -> bool:
        return self.is_large(frame.width, frame.height) and self.can_tile

    def _paint_in_tiles(self, frame: Frame, paint: PaintOptions) -> Frame:
        reach = self.style.architecture.reach
        if not self.style.architecture.instance_norm:
            return stylize_in_tiles(self.engine, frame, paint, reach=reach, side=self._tile_side)
        if self._network is None:
            self._network = load_checkpoint(self.path)[0]
        device = self.engine.device if self.engine.device.startswith(("cpu", "cuda", "mps")) else "auto"
        with frozen_engine(self._network, frame, paint, device=device, threads=self._threads) as engine:
            return stylize_in_tiles(engine, frame, paint, reach=reach, side=self._tile_side)
