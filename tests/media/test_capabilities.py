"""Cameras and microphones as `restyle doctor` lists them."""

from __future__ import annotations

import pytest

from realtime.cli.doctor import _camera_lines
from realtime.media import capabilities
from realtime.media.live import v4l2
from realtime.media.live.v4l2 import Device, Mode


def test_cameras_with_their_modes() -> None:
    modes = (Mode("mjpeg", 1280, 720, 30.0), Mode("mjpeg", 640, 480, 30.0), Mode("yuyv422", 640, 480, 15.0))
    found = [
        Device("/dev/video0", "Good Camera", "uvcvideo", True, modes),
        Device("/dev/video1", "Good Camera", "uvcvideo", False),  # the camera's metadata
        Device("/dev/video2", "", problem="no permission; add yourself to the group 'video'"),
    ]
    good, closed = capabilities.cameras(found)
    assert (good.name, good.works) == ("/dev/video0 (Good Camera)", True)
    assert good.modes == ("mjpeg 1280x720 30 fps", "mjpeg 640x480 30 fps", "yuyv422 640x480 15 fps")
    assert (closed.works, closed.reason) == (False, found[2].problem)
    entries = [{"name": c.name, "works": c.works, "reason": c.reason, "modes": c.modes} for c in (good, closed)]
    assert _camera_lines(entries) == [
        "/dev/video0 (Good Camera): yes",
        "  mjpeg: 1280x720 30 fps, 640x480 30 fps",
        "  yuyv422: 640x480 15 fps",
        "/dev/video2: no, no permission; add yourself to the group 'video'",
    ]


def test_other_systems_list_names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v4l2, "KNOWN", False)
    monkeypatch.setattr(capabilities, "list_cameras", lambda: [("0", "FaceTime HD")])
    (found,) = capabilities.cameras()
    assert (found.name, found.works, found.modes) == ("0 (FaceTime HD)", True, ())


def test_microphones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "microphones", lambda: ["alsa:default"])
    assert capabilities.listed_microphones() == [capabilities.Capability("alsa:default", True)]
