"""Pictures in 256 colours, chosen for each of them and dithered: for GIF."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from realtime.errors import InputError
from realtime.media.convert.filters import filtered

_FILTERS = ("split", "palettegen", "paletteuse")


class Palette:
    """FFmpeg's palettegen and paletteuse on each picture by itself, so that memory does not grow with the length.

    Args:
        width, height: of the pictures.
        time_base: of their times.

    Raises:
        InputError: this build of FFmpeg lacks the filters.
    """

    def __init__(self, width: int, height: int, time_base: Fraction) -> None:
        from av.filter import Graph, filters_available

        missing = [name for name in _FILTERS if name not in filters_available]
        if missing:
            raise InputError(
                f"GIF needs the filter {missing[0]}, which this build of FFmpeg lacks; write a video instead"
            )
        graph: Any = Graph()
        source = graph.add_buffer(width=width, height=height, format="bgra", time_base=time_base)
        split, palettegen = graph.add("split"), graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        paletteuse, sink = graph.add("paletteuse", "new=1:dither=sierra2_4a"), graph.add("buffersink")
        source.link_to(split)
        split.link_to(palettegen, 0, 0)
        split.link_to(paletteuse, 1, 0)
        palettegen.link_to(paletteuse, 0, 1)
        paletteuse.link_to(sink)
        graph.configure()
        self._graph = graph

    def feed(self, picture: Any) -> Iterator[Any]:
        """The pictures in 256 colours (pal8) that are ready after one more picture (bgra); None for the rest."""
        self._graph.push(picture)
        return filtered(self._graph)
