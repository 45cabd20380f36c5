"""Cropping that a container asks for and decoders know nothing of: MP4's clean aperture, Matroska's PixelCrop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from realtime.media.convert.filters import filter_graph

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True)
class Margins:
    """Pixels on each side of a decoded picture that are not shown."""

    left: int
    top: int
    right: int
    bottom: int

    def size(self, width: int, height: int) -> tuple[int, int] | None:
        """(width, height) of what is shown; None where that is the whole picture, or the margins are impossible."""
        sides = (self.left, self.top, self.right, self.bottom)
        shown = width - self.left - self.right, height - self.top - self.bottom
        return shown if any(sides) and min(sides) >= 0 and min(shown) > 0 else None


class Cropper:
    """Crops pictures with an FFmpeg filter, which copies nothing.

    With subsampled chroma, the corner and the size are rounded down to whole chroma samples.
    """

    def __init__(self, margins: Margins) -> None:
        self.margins = margins
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """The shown part of a picture, with its times and colour tags; the picture itself where that is all."""
        kind = (picture.width, picture.height, picture.format.name)
        shown = self.margins.size(*kind[:2])
        if shown is None:
            return picture
        if kind != self._kind:
            arguments = f"{shown[0]}:{shown[1]}:{self.margins.left}:{self.margins.top}"
            self._graph, self._kind = filter_graph(picture, "crop", arguments), kind
        duration = picture.duration
        pts, picture.pts = picture.pts, 0  # filters compute with times, and this picture may have none
        self._graph.push(picture)
        cut: VideoFrame = self._graph.pull()
        picture.pts = cut.pts = pts
        cut.duration = duration
        return cut
