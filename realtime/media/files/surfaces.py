"""Pictures that stay on a GPU: NVIDIA's decoder hands out surfaces, its encoder takes them, the CPU sees none of them.

Both need the GPU's context that the network uses. It was made elsewhere, so it is taken as this thread's current one:
FFmpeg would refuse to open the primary context a second time with flags of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from realtime.errors import RestyleError
from realtime.frames import Planes, SurfaceFrame
from realtime.media.files.probe import MediaInfo, reason

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

Decoder = Literal["auto", "software", "cuda"]
DECODERS: tuple[Decoder, ...] = ("auto", "software", "cuda")

SURFACE_FORMATS = frozenset({"yuv420p", "yuvj420p", "nv12"})
"""Pixel formats of files whose pictures are NV12 on the device, with nothing lost."""

SURFACE_ENCODERS = frozenset({"h264_nvenc", "hevc_nvenc", "av1_nvenc"})
AUTO_SURFACE_ENCODERS = {"libx264": "h264_nvenc"}
"""What takes an automatic encoder's place where it can be used: the same codec, so that every player shows it."""

_CURRENT_CONTEXT = {"primary_ctx": "0", "current_ctx": "1"}


class CudaSurfaces:
    """FFmpeg's codecs on a CUDA device.

    Args:
        index: the device's number.
        bind: makes the context in which the network works the current one of this thread.
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
        """Open a file that can be opened, so that its pictures are decoded on the device as far as it takes them.

        Raises:
            RestyleError: the device cannot be opened for it; the message says why.
        """
        import av

        from realtime.media.capabilities import messages

        with messages() as said:
            try:
                return av.open(
                    "file:" + os.fspath(path),
                    mode="r",
                    metadata_errors="replace",
                    hwaccel=self._accelerator(owned=True),
                )
            except Exception as error:  # PyAV's, the driver's and the network's have no common base
                raise RestyleError(f"its decoder cannot be opened ({said() or reason(error)})") from error

    def decoder_problem(self) -> str:
        """Why nothing can be decoded on the device, found out by opening it for H.264; empty where it can."""
        import av

        from realtime.media.capabilities import messages

        with messages() as said:
            try:
                self._accelerator(owned=True).create(av.Codec("h264", "r"))
            except Exception as error:  # as below
                return said() or reason(error)
        return ""

    def surface(self, picture: VideoFrame) -> VideoFrame | None:
        """The picture itself where it lies on the device as NV12; None where it does not."""
        if picture.format.name != "cuda" or picture.sw_format is None or picture.sw_format.name != "nv12":
            return None
        return picture

    def encoder_accelerator(self, name: str) -> Any:
        """What an encoder's stream is opened with to take surfaces; None where it takes none."""
        return self._accelerator(owned=False) if self.takes(name) else None

    def takes(self, encoder: str) -> bool:
        """Whether an encoder, by its name, is one for surfaces."""
        return encoder in SURFACE_ENCODERS

    def encoder_problem(self, name: str, width: int, height: int) -> str:
        """Why an encoder cannot be used for pictures of a size: found out by opening it. Empty where it can."""
        import av
        from av.video.codeccontext import VideoCodecContext

        from realtime.media.capabilities import messages

        if width % 2 or height % 2:
            return f"{width}x{height} is odd"
        with messages() as said:
            try:
                context = av.CodecContext.create(name, "w", hwaccel=self._accelerator(owned=False))
                assert isinstance(context, VideoCodecContext)
                context.width, context.height, context.pix_fmt = width, height, "nv12"
                context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
                context.open()
            except Exception as error:  # each kind of failure has an exception of its own
                return said() or reason(error)
        return ""

    def picture(self, frame: SurfaceFrame) -> VideoFrame:
        """A frame as the encoder takes it. It shares the frame's memory, and keeps it until the encoder is done."""
        from av.video.frame import CudaContext, VideoFrame

        if self._context is None:
            self._bind()
            self._context = CudaContext(self.index, primary_ctx=False, current_ctx=True)
        return VideoFrame.from_dlpack((frame.luma, frame.chroma), format="nv12", cuda_context=self._context)


def why_not(info: MediaInfo, *, scaled: bool) -> str:
    """Why a file's pictures cannot stay on the device, as far as the file tells; empty where nothing speaks against it.

    Args:
        info: of the file.
        scaled: the frames are to have another size.
    """
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


def software(picture: VideoFrame) -> VideoFrame:
    """A picture in the CPU's memory as 8-bit 4:2:0 planes, with its times and tags."""
    return picture.reformat(format="yuv420p")


def fetched(picture: VideoFrame) -> Planes:
    """A surface's planes on the CPU."""
    from realtime.media.files.reader import plane_view

    y, u, v = (plane_view(plane) for plane in software(picture).planes[:3])
    return y, u, v
