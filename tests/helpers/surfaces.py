"""A stand-in for a GPU's codecs: pictures are decoded on the CPU and handed on as NV12 surfaces, and taken as such."""

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

    Attributes:
        given, taken: surfaces that were decoded, and encoded.
        refuses: numbers of pictures that the "device" does not decode.
    """

    def __init__(self, *, decodes: bool = True, encodes: bool = True, refuses: frozenset[int] = frozenset()) -> None:
        super().__init__(0, lambda: None)
        self.decodes, self.encodes, self.refuses = decodes, encodes, refuses
        self.given = self.taken = self._seen = 0

    def open_input(self, path: str | os.PathLike[str]) -> Any:
        if not self.decodes:
            raise RestyleError("its decoder cannot be opened (there is none)")
        return open_input(path)

    def surface(self, picture: Any) -> Any:
        self._seen += 1
        if self._seen - 1 in self.refuses:
            return None
        self.given += 1
        return picture.reformat(format="nv12")

    def encoder_accelerator(self, name: str) -> Any:
        return None

    def takes(self, encoder: str) -> bool:
        return encoder == "libx264"

    def encoder_problem(self, name: str, width: int, height: int) -> str:
        return "" if self.encodes else "no such device"

    def picture(self, frame: SurfaceFrame) -> Any:
        self.taken += 1
        return av.VideoFrame.from_dlpack((frame.luma, frame.chroma), format="nv12")
