"""The virtual camera: with a backend made for the test, and without any."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from realtime.errors import InputError, RestyleError
from realtime.media.capabilities import virtual_cameras
from realtime.media.live import virtual_camera
from realtime.media.live.virtual_camera import VirtualCamera, how_to_get_one
from tests.helpers.planes import noise

SENT: list[np.ndarray] = []


class Backend:
    """The interface of pyvirtualcam's backends."""

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: Any) -> None:
        self.name = device or "Test Camera"

    def close(self) -> None:
        SENT.append(np.empty(0, np.uint8))

    def send(self, frame: np.ndarray) -> None:
        if self.name == "broken":
            raise RuntimeError("the device\nhas gone")
        SENT.append(frame)

    def device(self) -> str:
        return self.name

    def native_fourcc(self) -> None:
        return None


class Missing:
    def __init__(self, **_: Any) -> None:
        raise RuntimeError("no device\nat all")


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    pyvirtualcam = pytest.importorskip("pyvirtualcam.camera", reason="pyvirtualcam is not installed")
    found: dict[str, Any] = {}
    monkeypatch.setattr(pyvirtualcam, "BACKENDS", found)
    SENT.clear()
    return found


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_frames_are_sent_without_conversion(
    backends: dict[str, Any], platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends["test"] = Backend
    monkeypatch.setattr(virtual_camera.sys, "platform", platform)
    camera = VirtualCamera(32, 16, 30)
    assert (camera.device, camera.backend) == ("Test Camera", "test")
    frame = noise(16, 32)
    camera.send(frame)
    camera.close()
    y, rest = SENT[0][:512], SENT[0][512:]
    assert np.array_equal(y.reshape(16, 32), frame.y)
    u, v = (rest[:128], rest[128:]) if camera.format == "I420" else (rest[::2], rest[1::2])
    assert camera.format == ("I420" if platform == "linux" else "NV12")
    assert np.array_equal(u.reshape(8, 16), frame.u) and np.array_equal(v.reshape(8, 16), frame.v)


def test_a_named_device(backends: dict[str, Any]) -> None:
    backends["test"] = Backend
    assert VirtualCamera(32, 16, 30, device="/dev/video9").device == "/dev/video9"


def test_without_a_camera_the_message_names_each_error_and_the_remedy(backends: dict[str, Any]) -> None:
    backends |= {"one": Missing, "two": Missing}
    with pytest.raises(InputError) as caught:
        VirtualCamera(32, 16, 30)
    said = str(caught.value)
    assert "'one' backend: no device; at all; 'two' backend: no device" in said
    assert how_to_get_one() in said and "\n" not in said
    (found,) = virtual_cameras()
    assert not found.works and "'two' backend" in found.reason


def test_a_camera_that_stops_working(backends: dict[str, Any]) -> None:
    backends["test"] = Backend
    camera = VirtualCamera(32, 16, 30, device="broken")
    with pytest.raises(RestyleError, match="virtual camera broken: the device; has gone"):
        camera.send(noise(16, 32))


def test_a_camera_that_works_is_listed(backends: dict[str, Any]) -> None:
    backends["test"] = Backend
    (found,) = virtual_cameras()
    assert found.works and found.name == "Test Camera (test)"
    assert SENT[-1].size == 0  # it was closed


def test_without_pyvirtualcam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(InputError, match=r"pip install 'restyle\[virtual-camera\]'"):
        VirtualCamera(32, 16, 30)


@pytest.mark.parametrize("platform", ["linux", "linux2", "win32", "darwin", "plan9"])
def test_there_is_advice_for_every_system(platform: str) -> None:
    assert how_to_get_one(platform)
