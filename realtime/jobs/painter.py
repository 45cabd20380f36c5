"""What the jobs need of whatever paints their frames: a style, or the styles of a timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from realtime.engines.base import EngineInfo, Trace
from realtime.frames import Frame
from realtime.options import PaintOptions
from realtime.transnet.checkpoint import StyleCard


class Painter(Protocol):
    """Paints frames: a `realtime.engines.painter.FramePainter`, which has the words on each method, or a
    `realtime.jobs.timeline.TimelinePainter`."""

    @property
    def engine(self) -> EngineInfo: ...
    @property
    def style(self) -> StyleCard: ...
    @property
    def fingerprint(self) -> Any: ...
    @property
    def takes_texture(self) -> bool: ...
    def check_paint(self, paint: PaintOptions) -> None: ...
    @property
    def can_tile(self) -> bool: ...
    def is_large(self, width: int, height: int) -> bool: ...
    def size_note(self, width: int, height: int) -> str | None: ...
    def begin(
        self,
        frames: Sequence[Frame],
        paint: PaintOptions = ...,
        *,
        on_device: bool = False,
        trace: Trace | None = None,
    ) -> Callable[[], Sequence[Frame]]: ...
    def paint(self, frames: Sequence[Frame], paint: PaintOptions = ...) -> Sequence[Frame]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
