"""A virtual camera, which other programs use like a real one. Needs pyvirtualcam."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media.convert.planes import packed

_INSTALL = "pip install 'restyle[virtual-camera]'"

_HOW_TO_GET_ONE = {
    "linux": "load the kernel module v4l2loopback (package v4l2loopback-dkms):"
    " sudo modprobe v4l2loopback exclusive_caps=1 card_label=restyle",
    "win32": "install OBS Studio, start its virtual camera once and stop it again",
    "darwin": "install OBS Studio, start its virtual camera once and stop it again",
}


class VirtualCamera:
    """Sends frames to a virtual camera: their planes one after the other, without a conversion.

    Attributes:
        device: name of the camera as other programs see it.
        backend: pyvirtualcam's name of its backend.
        format: "I420" or "NV12".
    """

    def __init__(self, width: int, height: int, rate: float, *, device: str | None = None) -> None:
        """Open a virtual camera.

        Args:
            width, height: of the frames, both even.
            rate: frames per second, roughly.
            device: "/dev/videoN" on Linux, a camera's name elsewhere; None takes the first there is.

        Raises:
            InputError: there is none; the message lists each backend's error, and how to get one.
        """
        pyvirtualcam = _load()
        # The drivers' own formats, which need no conversion.
        self.format = "I420" if sys.platform.startswith("linux") else "NV12"
        try:
            self._camera: Any = pyvirtualcam.Camera(
                width=width, height=height, fps=rate, fmt=pyvirtualcam.PixelFormat[self.format], device=device
            )
        except Exception as error:  # RuntimeError with a line for each backend, or a backend's own
            raise InputError(f"no virtual camera: {_one_line(error)}; to get one, {how_to_get_one()}") from None
        self.device, self.backend = str(self._camera.device), str(self._camera.backend)

    def send(self, frame: Frame) -> None:
        """Show a frame of this camera's size.

        Raises:
            RestyleError: the camera does not work any more.
        """
        try:
            self._camera.send(packed(frame, interleaved=self.format == "NV12"))
        except Exception as error:  # each backend has its own
            raise RestyleError(f"virtual camera {self.device}: {_one_line(error)}") from error

    def close(self) -> None:
        """Close the camera."""
        self._camera.close()


def how_to_get_one(platform: str = sys.platform) -> str:
    """What to do to get a virtual camera on a system."""
    return _HOW_TO_GET_ONE.get("linux" if platform.startswith("linux") else platform, "see the page of pyvirtualcam")


def _load() -> ModuleType:
    try:
        import pyvirtualcam
    except ImportError as error:
        raise InputError(f"no virtual camera: pyvirtualcam is missing ({_one_line(error)}); {_INSTALL}") from None
    module: ModuleType = pyvirtualcam
    return module


def _one_line(error: object) -> str:
    return "; ".join(" ".join(line.split()) for line in str(error).splitlines() if line.strip())
