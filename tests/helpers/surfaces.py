"""A stand-in for a GPU's codecs: pictures are decoded on the CPU to NV12 surfaces, and encoded from them."""

from __future__ import annotations

import os
from typing import Any

import av

from realtime.errors import RestyleError
from realtime.frames import SurfaceFrame
from realtime.media.files.probe import open_input
from realtime.media.files.surfaces import CudaSurfaces


class HostSurfaces(CudaSurfaces):
    """The interface of `CudaSurfaces`, with libx264 and NV12 in the CPU's memory.

    Args:
        opens, decodes, encodes: whether the "device" opens files, decodes them, and encodes.
        refuses: numbers of pictures that it does not decode.

    Attributes:
        given, taken: surfaces that were decoded, and encoded.
    """

    def __init__(
        self, *, opens: bool = True, decodes: bool = True, encodes: bool = True, refuses: frozenset[int] = frozenset()
    ) -> None:
        super().__init__(0, lambda: None)
        self._opens, self._decodes, self._encodes, self._refuses = opens, decodes, encodes, refuses
        self.given = self.taken = self._seen = 0

    def open_input(self, path: str | os.PathLike[str]) -> Any:
        if not self._opens:
            raise RestyleError("its decoder cannot be opened (there is none)")
        return open_input(path)

    def decodes(self, stream: Any) -> bool:
        return self._decodes

    def surface(self, picture: Any) -> Any:
        self._seen += 1
        if self._seen - 1 in self._refuses:
            return None
        self.given += 1
        return picture.reformat(format="nv12")

    def encoder_accelerator(self, name: str) -> Any:
        return None

    def takes(self, encoder: str) -> bool:
        return encoder == "libx264"

    def encoder_problem(self, name: str, width: int, height: int) -> str:
        return "" if self._encodes else "no such device"

    def picture(self, frame: SurfaceFrame) -> Any:
        self.taken += 1
        return av.VideoFrame.from_dlpack((frame.luma, frame.chroma), format="nv12")
