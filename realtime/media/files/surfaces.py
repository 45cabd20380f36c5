"""Pictures that stay on a GPU: NVIDIA's decoder returns surfaces, its encoder takes them, the CPU sees neither.

Both must use the CUDA context of the network. FFmpeg refuses to open the primary context a second time with other
flags, so it is told to use the context that is current in the calling thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from realtime.errors import RestyleError
from realtime.frames import Planes, SurfaceFrame
from realtime.media.convert.hdr import hdr_kind
from realtime.media.convert.views import plane_views
from realtime.media.messages import captured_log, problem_of, reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from realtime.media.files.probe import MediaInfo

SURFACE_FORMATS = frozenset({"yuv420p", "yuvj420p", "nv12"})
"""Pixel formats of files that the device decodes to NV12 without loss."""

SURFACE_ENCODERS = frozenset({"h264_nvenc", "hevc_nvenc", "av1_nvenc"})
AUTO_SURFACE_ENCODERS = {"libx264": "h264_nvenc"}
"""Device encoders used in place of automatic ones: of the same codec, so that every player shows the result."""

_CURRENT_CONTEXT = {"primary_ctx": "0", "current_ctx": "1"}


class CudaSurfaces:
    """FFmpeg's codecs on a CUDA device.

    Args:
        index: number of the device.
        bind: makes the context of the network the current one of the calling thread.
    """

    def __init__(self, index: int, bind: Callable[[], None]) -> None:
        self.index, self._bind = index, bind
        self._context: Any = None

    def _accelerator(self, *, owned: bool) -> Any:
        from av.codec.hwaccel import HWAccel

        self._bind()
        options: dict[str, object] = dict(_CURRENT_CONTEXT)
        return HWAccel("cuda", device=str(self.index), allow_software_fallback=True, options=options, is_hw_owned=owned)

    def open_input(self, path: str | os.PathLike[str]) -> InputContainer:
        """Open a readable file so that its pictures are decoded on the device as far as the device supports them.

        Raises:
            RestyleError: the device cannot be opened for it; the message says why.
        """
        import av

        with captured_log() as said:
            try:
                accelerator = self._accelerator(owned=True)
                return av.open("file:" + os.fspath(path), mode="r", metadata_errors="replace", hwaccel=accelerator)
            except Exception as error:  # PyAV's, the driver's and the network's errors have no common base
                raise RestyleError(f"its decoder cannot be opened ({said() or reason(error)})") from error

    def decodes(self, stream: VideoStream) -> bool:
        """Whether the device decodes an open stream, or will try to."""
        return bool(stream.codec_context.is_hwaccel)

    def decoder_problem(self) -> str:
        """Why the device cannot decode, found by opening it for H.264; empty where it can."""
        import av

        return problem_of(lambda: self._accelerator(owned=True).create(av.Codec("h264", "r")))

    def surface(self, picture: VideoFrame) -> VideoFrame | None:
        """The picture itself where it is on the device as NV12; None where it is not."""
        if picture.format.name != "cuda" or picture.sw_format is None or picture.sw_format.name != "nv12":
            return None
        return picture

    def encoder_accelerator(self, name: str) -> Any:
        """The `hwaccel` with which an encoder's stream takes surfaces; None where it takes none."""
        return self._accelerator(owned=False) if self.takes(name) else None

    def takes(self, encoder: str) -> bool:
        """Whether an encoder takes surfaces."""
        return encoder in SURFACE_ENCODERS

    def encoder_problem(self, name: str, width: int, height: int) -> str:
        """Why an encoder cannot be used for pictures of a size, found by opening it; empty where it can."""
        import av

        def attempt() -> None:
            context: Any = av.CodecContext.create(name, "w", hwaccel=self._accelerator(owned=False))
            context.width, context.height, context.pix_fmt = width, height, "nv12"
            context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
            context.open()

        return f"{width}x{height} is odd" if width % 2 or height % 2 else problem_of(attempt)

    def picture(self, frame: SurfaceFrame) -> VideoFrame:
        """A frame as the encoder takes it; it shares the frame's memory and holds it until the encoder is done."""
        from av.video.frame import CudaContext, VideoFrame

        if self._context is None:
            self._bind()
            self._context = CudaContext(self.index, primary_ctx=False, current_ctx=True)
        return VideoFrame.from_dlpack((frame.luma, frame.chroma), format="nv12", cuda_context=self._context)


def surface_obstacle(info: MediaInfo, *, scaled: bool) -> str:
    """Why a file's pictures, or their `scaled` copies, cannot stay on the device; empty where nothing is known."""
    if hdr_kind(info.color.transfer) is not None:
        return "it is HDR, and tone-mapped on the CPU"
    if info.pix_fmt not in SURFACE_FORMATS:
        return f"its pictures are {info.pix_fmt}, not 8-bit 4:2:0"
    if info.width % 2 or info.height % 2:
        return f"{info.width}x{info.height} is odd"
    if scaled:
        return "the pictures are scaled, which is done on the CPU"
    if info.cropped is not None:
        return "the file asks for cropping, which is done on the CPU"
    if info.interlaced:
        return "it is interlaced, and deinterlaced on the CPU"
    return ""


def in_software(picture: VideoFrame) -> VideoFrame:
    """A picture in the CPU's memory as 8-bit 4:2:0 planes, with its times and tags."""
    return picture.reformat(format="yuv420p")


def fetched(picture: VideoFrame) -> Planes:
    """A surface's planes on the CPU."""
    return plane_views(in_software(picture))
