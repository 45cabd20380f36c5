"""Decoded pictures as frames: cropped, tone-mapped and converted to 8-bit 4:2:0 of one size and colour coding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from realtime.frames import ColorTags, Frame, SurfaceFrame
from realtime.media.convert.hdr import SDR, ToneMapper, hdr_kind
from realtime.media.convert.reformat import PlaneConverter
from realtime.media.convert.views import plane_views
from realtime.media.files.cropping import Cropper
from realtime.media.files.probe import MediaInfo, frame_color
from realtime.media.files.surfaces import CudaSurfaces, fetched

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class FrameConverter:
    """Makes frames of the pictures of one video; all have the size asked for and the colour of the first.

    Args:
        info: what `probe` says of the file; the attribute `info` has the colour of the frames.
        width, height: of the frames.
        surfaces: the device on which pictures may stay; None for none.
    """

    def __init__(self, info: MediaInfo, width: int, height: int, surfaces: CudaSurfaces | None) -> None:
        self._pix_fmt, self._hdr = info.pix_fmt, hdr_kind(info.color.transfer)
        self._size, self._surfaces = (width, height), surfaces
        self._cropper = None if info.cropped is None else Cropper(info.cropped)
        self._tone = None if self._hdr is None else ToneMapper(self._hdr, width, height)
        self.info = info if self._tone is None else replace(info, color=SDR)
        self._convert = PlaneConverter()
        self._first: tuple[tuple[int, int], ColorTags] | None = None
        self._frames = self._resized = self._off_surface = 0

    def frame(self, picture: VideoFrame, pts: int, duration: int) -> Frame:
        """The frame of a picture, with a time in units of the stream's time base."""
        if self._cropper is not None:
            picture = self._cropper(picture)
        color = frame_color(picture, self.info.codec)
        if self._tone is not None:
            picture, color = self._tone.convert(picture, full_range=color.range == "full"), SDR
        self._frames += 1
        size = (picture.width, picture.height)
        if self._first is None:
            self._first = size, color
        first_size, target = self._first
        self._resized += size != first_size
        tags: dict[str, Any] = {"pts": pts, "duration": duration, "time_base": self.info.time_base, "color": target}
        surface = None if self._surfaces is None else self._surfaces.surface(picture)
        if surface is not None and size == self._size and (color.matrix, color.range) == (target.matrix, target.range):
            luma, chroma = surface.planes[:2]
            return SurfaceFrame(luma, chroma, size=size, fetch=partial(fetched, surface), owner=surface, **tags)
        self._off_surface += self._surfaces is not None
        return Frame(*plane_views(self._convert(picture, self._size, color, target)), **tags)

    def first_notes(self) -> Iterator[str]:
        """What is done to all pictures, in words."""
        if self._cropper is not None:
            yield f"the pictures were cropped to {self.info.width}x{self.info.height}, as the file asks for"
        if self._hdr is not None:
            yield f"HDR ({self._hdr}) was tone-mapped to SDR in bt709"
        if has_alpha(self._pix_fmt):
            yield f"transparency ({self._pix_fmt}) was left out"

    def last_notes(self) -> Iterator[str]:
        """What was done to the pictures so far, in words."""
        if self._surfaces is not None:
            beside = f", {self._off_surface} of them in software" if self._off_surface else ""
            yield f"{self._frames} pictures were decoded on the GPU{beside}"

    def problems(self) -> Iterator[str]:
        """What was odd about the pictures so far, in words."""
        if self._resized:
            width, height = self._size
            yield f"{self._resized} pictures had another size; they were scaled to {width}x{height}"

    def close(self) -> None:
        """Remove temporary files."""
        if self._tone is not None:
            self._tone.close()


def has_alpha(pix_fmt: str) -> bool:
    """Whether a pixel format stores transparency."""
    from av.video.format import VideoFormat

    return any(component.is_alpha for component in VideoFormat(pix_fmt).components)
