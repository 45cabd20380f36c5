"""Interlaced pictures, each two half pictures of different times, made whole: one picture for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_FILTERS = ("bwdif", "yadif")


class Deinterlacer:
    """Passes pictures through until one is interlaced, and everything through a filter from then on.

    The filter looks one picture ahead, changes only pictures that say that they are interlaced, and gives one picture
    for each. Each keeps its times and its colour tags (the time base is the stream's).

    Attributes:
        count: interlaced pictures so far.
        filter: name of the filter that this build of FFmpeg has; None where it has none.
    """

    def __init__(self) -> None:
        self.count = 0
        self.filter = self._find()
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None
        self._waiting: deque[tuple[Any, ...]] = deque()

    @staticmethod
    def _find() -> str | None:
        from av.filter import filters_available

        return next((name for name in _FILTERS if name in filters_available), None)

    def feed(self, picture: VideoFrame) -> Iterator[VideoFrame]:
        """Pictures that are ready, from the next one of the decoder."""
        self.count += bool(picture.interlaced_frame)
        if self.filter is None or (self._graph is None and not picture.interlaced_frame):
            yield picture
            return
        kind = (picture.width, picture.height, picture.format.name)
        if kind != self._kind:
            yield from self.flush()
            self._open(picture)
            self._kind = kind
        self._waiting.append(
            (picture.pts if picture.pts is not None else picture.dts, picture.duration,
             picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc)
        )  # fmt: skip
        # The filter computes with times; ours may be missing or go backwards.
        picture.pts = self._number
        self._number += 1
        self._graph.push(picture)
        yield from self._ready()

    def flush(self) -> Iterator[VideoFrame]:
        """Pictures that the filter still holds."""
        if self._graph is None:
            return
        self._graph.push(None)
        yield from self._ready()
        self._graph = self._kind = None
        self._waiting.clear()

    def _open(self, picture: VideoFrame) -> None:
        from av.filter import Graph

        graph: Any = Graph()
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 25)
        )
        wanted = graph.add(self.filter, "mode=send_frame:deint=interlaced")
        sink = graph.add("buffersink")
        source.link_to(wanted)
        wanted.link_to(sink)
        graph.configure()
        self._graph, self._number = graph, 0

    def _ready(self) -> Iterator[VideoFrame]:
        import av.error

        while True:
            try:
                picture = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            pts, duration, space, value_range, primaries, transfer = self._waiting.popleft()
            picture.pts, picture.duration = pts, duration
            picture.colorspace, picture.color_range = space, value_range
            picture.color_primaries, picture.color_trc = primaries, transfer
            yield picture
