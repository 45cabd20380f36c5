"""The window of the live filter, which is OpenCV's."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media import opencv
from realtime.media.convert.reformat import BgrConverter
from realtime.media.live.overlay import Overlay, draw

_FIRST_SIDE = 1280
_TRY = "import cv2; cv2.namedWindow('restyle', cv2.WINDOW_NORMAL); cv2.pollKey(); cv2.destroyAllWindows()"
_TRY_SECONDS = 30

KEY_NAMES = {27: "escape", 32: "space", 13: "return", 8: "backspace", 9: "tab"}


class Window:
    """A window that shows frames and tells which keys were pressed. Only for the main thread."""

    def __init__(self, title: str, width: int, height: int, *, full_screen: bool = False) -> None:
        """Open a window.

        Args:
            title: of the window.
            width, height: of the frames, in pixels; larger ones are shown smaller at first.
            full_screen: begin with the full screen.

        Raises:
            InputError: there is no display, or this OpenCV has no windows.
        """
        self._cv2 = cv2 = prepare()
        self._title = title
        self._to_bgr = BgrConverter()
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error:
            raise InputError(
                "this OpenCV has no windows; `pip install opencv-python` in place of opencv-python-headless,"
                " or use --headless"
            ) from None
        factor = min(1.0, _FIRST_SIDE / max(width, height))
        cv2.resizeWindow(title, round(width * factor), round(height * factor))
        self._full = False
        self._shown = False
        if full_screen:
            self.toggle_full_screen()

    def show(self, frame: Frame, overlay: Overlay) -> None:
        """Show a frame of any size, with an overlay drawn onto a copy of it."""
        picture = self._to_bgr(frame)
        draw(self._cv2, picture, overlay)
        self._cv2.imshow(self._title, picture)
        self._shown = True

    def keys(self) -> list[str]:
        """Handle the window's events, and return the keys pressed since: "a", "A", "+", or a name ("escape")."""
        pressed = []
        while (code := self._cv2.pollKey()) != -1:
            code &= 0xFF
            name = KEY_NAMES.get(code, chr(code))
            if name.isprintable():
                pressed.append(name)
        return pressed

    @property
    def closed(self) -> bool:
        """Whether the user has closed the window."""
        try:
            return self._shown and self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1
        except self._cv2.error:
            return True

    def toggle_full_screen(self) -> None:
        """Change to the full screen, or back."""
        self._full = not self._full
        cv2 = self._cv2
        mode = cv2.WINDOW_FULLSCREEN if self._full else cv2.WINDOW_NORMAL
        cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, mode)

    def close(self) -> None:
        """Close the window, if it is open."""
        try:
            self._cv2.destroyWindow(self._title)
            self._cv2.pollKey()
        except self._cv2.error:
            return


def prepare() -> ModuleType:
    """Check that a window can be opened, and load OpenCV; to be called before PyAV is loaded.

    PyAV's and OpenCV's wheels for Linux both contain parts of the X libraries, under the same names, but linked to
    different copies of the rest. Whichever is loaded first serves both, and only OpenCV's serve a window.

    Returns:
        the module cv2.

    Raises:
        InputError: there is no display.
        RestyleError: OpenCV cannot be loaded, or PyAV was loaded first.
    """
    linux = sys.platform.startswith("linux")
    if linux:
        _check_display(os.environ.get("DISPLAY", ""), os.environ.get("WAYLAND_DISPLAY", ""))
    # Qt, which is part of OpenCV, warns about fonts that are not used.
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
    cv2 = opencv.load()
    if linux and _serves_pyav(Path("/proc/self/maps").read_text()):
        raise RestyleError("a window needs OpenCV to be loaded before PyAV: import cv2 before av in this program")
    return cv2


def _serves_pyav(maps: str) -> bool:
    """Whether PyAV's X libraries serve this process, by its memory map (/proc/self/maps)."""
    return "/av.libs/libxcb-shm" in maps


@cache
def _check_display(x: str, wayland: str) -> None:
    """Refuse a display on which no window can be opened."""
    if not x and not wayland:
        raise InputError("no display (neither DISPLAY nor WAYLAND_DISPLAY is set); use --headless")
    # Qt ends the process where it cannot reach the display, so another process tries.
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY], capture_output=True, text=True, timeout=_TRY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RestyleError(f"cannot find out whether there is a display ({type(error).__name__})") from None
    if not done.returncode or "not implemented" in done.stderr:
        return  # not implemented: an OpenCV without windows, which `Window` reports
    said = [line.strip() for line in done.stderr.splitlines() if "display" in line.lower() or "Error" in line]
    more = f" ({said[0]})" if said else ""
    raise InputError(f"no window can be opened on the display {x or wayland!r}; use --headless{more}")
