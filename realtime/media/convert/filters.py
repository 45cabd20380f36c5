"""FFmpeg filters over single pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def filter_graph(picture: VideoFrame, name: str, arguments: str | None = None, **options: Any) -> Any:
    """A graph of one filter for pictures like the given one. Its clock ticks 25 times a second.

    Args:
        picture: sets size and pixel format.
        name: of the filter.
        arguments, options: of the filter.
    """
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add(name, arguments, **options), graph.add("buffersink")).configure()
    return graph


def filtered(graph: Any) -> Iterator[VideoFrame]:
    """Pictures that a graph has ready."""
    import av.error

    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
