"""Frames in, packets out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from realtime.errors import RestyleError
from realtime.frames import ColorTags, Frame, SurfaceFrame, chroma_shape
from realtime.media.convert.palette import Palette
from realtime.media.convert.reformat import AV_RANGE, SWS_SPACE
from realtime.media.convert.views import fill
from realtime.media.files.output_spec import OutputSpec

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame


class PictureMaker:
    """Makes PyAV's pictures of frames, as the encoder of an output takes them."""

    def __init__(self, spec: OutputSpec) -> None:
        from av.video.reformatter import VideoReformatter

        self._spec = spec
        self._reformatter: Any = VideoReformatter()

    def __call__(self, frame: Frame, pts: int) -> VideoFrame:
        """A frame in a buffer of its own, or in the device's memory where the encoder takes it there.

        Args:
            frame: of the source's size.
            pts: its time in units of the output's time base.
        """
        spec = self._spec
        if spec.surfaces is not None and isinstance(frame, SurfaceFrame) and not frame.fetched:
            picture = spec.surfaces.picture(frame)
        else:
            picture = self._copy(spec.shape.apply(frame))
        picture.pts, picture.time_base = pts, spec.time_base
        for name, value in spec.color_tags.items():
            setattr(picture, name, value)
        return self._converted(picture, frame.color) if spec.surfaces is None else picture

    def _converted(self, picture: VideoFrame, color: ColorTags) -> VideoFrame:
        """A picture in the encoder's pixel format; for a GIF in RGB, of which its palette is made."""
        wanted = self._spec.pix_fmt
        options: dict[str, Any] = {"format": wanted}
        if wanted == "pal8":
            codes = {"src_colorspace": SWS_SPACE[color.matrix], "src_color_range": AV_RANGE[color.range]}
            options = {"format": "bgra", **codes, "dst_color_range": AV_RANGE["full"]}
        elif wanted == picture.format.name:
            return picture
        # In several threads, as PyAV would do it by itself, slices now and then differ where they meet.
        result: VideoFrame = self._reformatter.reformat(picture, **options, threads=1)
        result.pts, result.time_base = picture.pts, picture.time_base
        return result

    def _copy(self, frame: Frame) -> VideoFrame:
        from av.video.frame import VideoFrame

        width, height = frame.width, frame.height
        expected = chroma_shape(height, width)
        if frame.u.shape != expected or frame.v.shape != expected:
            raise RestyleError(f"{self._spec.path}: chroma planes of {frame.u.shape}, {expected} were expected")
        planes, form = [frame.y, frame.u, frame.v], "yuv420p"
        if self._spec.pix_fmt == "yuv444p":
            planes[1:] = [plane.repeat(2, axis=0).repeat(2, axis=1)[:height, :width] for plane in planes[1:]]
            form = "yuv444p"
        # A fresh buffer each time: the encoder keeps some for its lookahead, and FFmpeg recycles memory of one size.
        picture = VideoFrame(width, height, form)
        fill(picture, planes)
        return picture


class VideoEncoder:
    """Encodes frames into a stream of an output.

    Attributes:
        stream: PyAV's.
    """

    def __init__(self, spec: OutputSpec, container: Any) -> None:
        """Add a stream to PyAV's container of an output that has not been started.

        Raises:
            InputError: this build of FFmpeg lacks what a GIF needs.
        """
        self._picture = PictureMaker(spec)
        self._palette = Palette(spec.shape.width, spec.shape.height, spec.time_base) if spec.encoder == "gif" else None
        accelerator = None if spec.surfaces is None else spec.surfaces.encoder_accelerator(spec.encoder)
        self.stream = spec.add_stream(container, accelerator=accelerator)
        self._context = self.stream.codec_context
        if accelerator is not None:
            self._context.pix_fmt = "nv12"
        if spec.shape.matrix is not None:
            self.stream.set_display_matrix(_without_translation(spec.shape.matrix))

    def encode(self, frame: Frame, pts: int) -> Iterator[Packet[Any]]:
        """The packets that are ready after one more frame.

        Args:
            frame: of the source's size.
            pts: its time in units of the output's time base, later than that of the frame before.
        """
        picture = self._picture(frame, pts)
        if self._palette is None:
            yield from self._context.encode(picture)
        else:
            yield from self._encode_reduced(self._palette, picture)

    def flush(self) -> Iterator[Packet[Any]]:
        """The packets that are left at the end."""
        if self._palette is not None:
            yield from self._encode_reduced(self._palette, None)
        yield from self._context.encode(None)

    def _encode_reduced(self, palette: Palette, picture: VideoFrame | None) -> Iterator[Packet[Any]]:
        for reduced in palette.feed(picture):
            yield from self._context.encode(reduced)


def _without_translation(matrix: tuple[int, ...]) -> tuple[int, ...]:
    """A display matrix without its translation, which is in pixels of the source's size and which players ignore."""
    return (*matrix[:2], 0, *matrix[3:5], 0, 0, 0, 1 << 30)
