"""Deinterlacing: interlaced pictures, each two fields of different times, become whole pictures, one for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from realtime.media.convert.filters import filter_graph, filtered

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class Deinterlacer:
    """Passes pictures through until one is interlaced, and all that follow through a filter.

    The filter looks one picture ahead, changes only pictures marked as interlaced, and returns one for each. Every
    picture keeps its times (in the stream's time base) and its colour tags.

    Attributes:
        count: interlaced pictures so far.
        filter: name of the filter.
    """

    filter = "bwdif"

    def __init__(self) -> None:
        self.count = 0
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None
        self._number = 0
        self._waiting: deque[tuple[Any, ...]] = deque()

    def feed(self, picture: VideoFrame) -> Iterator[VideoFrame]:
        """Pictures that are ready after the decoder's next one."""
        self.count += bool(picture.interlaced_frame)
        if self._graph is None and not picture.interlaced_frame:
            yield picture
            return
        kind = (picture.width, picture.height, picture.format.name)
        if kind != self._kind:
            yield from self.flush()
            self._graph, self._kind = filter_graph(picture, self.filter, "mode=send_frame:deint=interlaced"), kind
            self._number = 0
        self._waiting.append(
            (picture.pts if picture.pts is not None else picture.dts, picture.duration,
             picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc)
        )  # fmt: skip
        # The filter computes with times; the picture's own may be missing or go backwards.
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

    def _ready(self) -> Iterator[VideoFrame]:
        for picture in filtered(self._graph):
            pts, duration, space, value_range, primaries, transfer = self._waiting.popleft()
            picture.pts, picture.duration = pts, duration
            picture.colorspace, picture.color_range = space, value_range
            picture.color_primaries, picture.color_trc = primaries, transfer
            yield picture
