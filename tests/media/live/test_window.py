"""Messages where no window can be opened. The window itself is tested in tests/jobs/live/test_webcam.py."""

from __future__ import annotations

import sys

import pytest

from realtime.errors import InputError
from realtime.media.live import window

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")


@LINUX
def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no display.*use --headless"):
        window.prepare()


@LINUX
def test_a_display_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt would end the process."""
    monkeypatch.setenv("DISPLAY", ":977")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no window can be opened on the display ':977'") as caught:
        window.prepare()
    assert "\n" not in str(caught.value)


def test_x_libraries_of_pyav_are_noticed() -> None:
    assert window._serves_pyav("7f00-7f01 r-xp 0 0 1 /site-packages/av.libs/libxcb-shm-0be6.so.0.0.0\n")
    assert not window._serves_pyav("7f00-7f01 r-xp 0 0 1 /site-packages/opencv_python.libs/libxcb-shm-0be6.so.0.0.0\n")
