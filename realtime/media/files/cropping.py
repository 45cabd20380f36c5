"""Cropping that a container asks for: MP4's clean aperture, Matroska's PixelCrop. A decoder knows nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True)
class Margins:
    """What is not shown of a decoded picture, in pixels from each side."""

    left: int
    top: int
    right: int
    bottom: int

    def size(self, width: int, height: int) -> tuple[int, int] | None:
        """(width, height) of what is shown; None where that is the whole picture, or the margins make no sense."""
        sides = (self.left, self.top, self.right, self.bottom)
        shown = width - self.left - self.right, height - self.top - self.bottom
        return shown if any(sides) and min(sides) >= 0 and min(shown) > 0 else None


class Cropper:
    """Cuts pictures by an FFmpeg filter, which copies nothing.

    Where colour has a sample for several pixels, the corner and the size are rounded down to whole samples.

    Args:
        margins: of every picture.

    Attributes:
        margins: as given.
    """

    def __init__(self, margins: Margins) -> None:
        self.margins = margins
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """What is shown of a picture, with its times and colour tags; itself where nothing is left or to be cut."""
        kind = (picture.width, picture.height, picture.format.name)
        shown = self.margins.size(*kind[:2])
        if shown is None:
            return picture
        if kind != self._kind:
            self._open(picture, shown)
            self._kind = kind
        duration = picture.duration
        pts, picture.pts = picture.pts, 0  # a filter computes with times; ours may be missing
        self._graph.push(picture)
        cut: VideoFrame = self._graph.pull()
        picture.pts = cut.pts = pts
        cut.duration = duration
        return cut

    def _open(self, picture: VideoFrame, shown: tuple[int, int]) -> None:
        from av.filter import Graph

        graph: Any = Graph()
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base or 1
        )
        crop = graph.add("crop", f"{shown[0]}:{shown[1]}:{self.margins.left}:{self.margins.top}")
        sink = graph.add("buffersink")
        source.link_to(crop)
        crop.link_to(sink)
        graph.configure()
        self._graph = graph
