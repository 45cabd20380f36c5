"""The window of the live filter: OpenCV's, with what there is to say drawn onto the picture."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from realtime.errors import InputError, RestyleError
from realtime.frames import Frame
from realtime.media import opencv
from realtime.media.files.reader import plane_view

_SWS_SPACE = {"bt601": 5, "bt709": 1, "bt2020": 9}
_AV_RANGE = {"limited": 1, "full": 2}

_TEXT_SHARE = 1 / 32
_SMALLEST_TEXT, _LARGEST_TEXT = 12, 30
_WHITE, _RED = (255, 255, 255), (60, 60, 255)
_FIRST_SIDE = 1280

_TRY = "import cv2; cv2.namedWindow('restyle', cv2.WINDOW_NORMAL); cv2.pollKey(); cv2.destroyAllWindows()"
_TRY_SECONDS = 30

KEY_NAMES = {27: "escape", 32: "space", 13: "return", 8: "backspace", 9: "tab"}


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn onto the picture in the window, and nowhere else.

    Attributes:
        lines: at the top left.
        message: at the bottom; what the user should see at once.
        help: in the middle, over the darkened picture; empty where it is not asked for. A tab begins a second column.
        recording: a red dot.
    """

    lines: tuple[str, ...] = ()
    message: str = ""
    help: tuple[str, ...] = ()
    recording: bool = False


class Window:
    """A window that shows pictures and tells which keys were pressed. To be used by the main thread only."""

    def __init__(self, title: str, width: int, height: int, *, full_screen: bool = False) -> None:
        """Open a window.

        Args:
            title: of the window.
            width, height: of the pictures, in pixels; larger ones are shown smaller at first.
            full_screen: begin so.

        Raises:
            InputError: there is no display, or this OpenCV has no windows.
        """
        self._cv2 = prepare()
        self._title = title
        self._pixels = _Pixels()
        cv2 = self._cv2
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
        """Show a picture.

        Args:
            frame: of any size; it is not changed.
            overlay: what to draw onto it.
        """
        picture = self._pixels.of(frame)
        draw(self._cv2, picture, overlay)
        self._cv2.imshow(self._title, picture)
        self._shown = True

    def keys(self) -> list[str]:
        """Lets the window work, and tells which keys were pressed since: "a", "A", "+", or a name ("escape")."""
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
        """The whole screen, or back."""
        self._full = not self._full
        cv2 = self._cv2
        mode = cv2.WINDOW_FULLSCREEN if self._full else cv2.WINDOW_NORMAL
        cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, mode)

    def close(self) -> None:
        """Close the window. Does nothing where it is closed."""
        try:
            self._cv2.destroyWindow(self._title)
            self._cv2.pollKey()
        except self._cv2.error:
            return


class _Pixels:
    """Frames as BGR, by their own matrix and range, in memory that is used again."""

    def __init__(self) -> None:
        self._reformatter: Any = None
        self._picture: Any = None

    def of(self, frame: Frame) -> np.ndarray:
        """(H, W, 3) uint8 BGR, contiguous, to be drawn on."""
        from av.video.frame import VideoFrame
        from av.video.reformatter import Interpolation, VideoReformatter

        if self._reformatter is None:
            self._reformatter = VideoReformatter()
        picture = self._picture
        if picture is None or (picture.width, picture.height) != (frame.width, frame.height):
            picture = self._picture = VideoFrame(frame.width, frame.height, "yuv420p")
        for plane, source in zip(picture.planes, (frame.y, frame.u, frame.v), strict=True):
            np.copyto(plane_view(plane), source)
        result = self._reformatter.reformat(
            picture,
            format="bgr24",
            src_colorspace=_SWS_SPACE[frame.color.matrix],
            src_color_range=_AV_RANGE[frame.color.range],
            dst_color_range=_AV_RANGE["full"],
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        bgr: np.ndarray = result.to_ndarray()
        return np.ascontiguousarray(bgr)


def draw(cv2: ModuleType, picture: np.ndarray, overlay: Overlay) -> None:
    """Draw an overlay onto a picture.

    Args:
        cv2: OpenCV.
        picture: (H, W, 3) uint8 BGR; changed.
        overlay: what to draw. Characters beyond ASCII are drawn as question marks.
    """
    height, width = picture.shape[:2]
    size = min(_LARGEST_TEXT, max(_SMALLEST_TEXT, round(height * _TEXT_SHARE)))
    margin = size // 2
    if overlay.help:
        picture //= 3
        top = max(margin, (height - _height(overlay.help, size)) // 2)
        _text(cv2, picture, overlay.help, size, left=max(margin, width // 8), top=top)
        return
    if overlay.lines:
        _text(cv2, picture, overlay.lines, size, left=margin, top=margin)
    if overlay.message:
        top = height - margin - _height((overlay.message,), size)
        _text(cv2, picture, (overlay.message,), size, left=margin, top=top)
    if overlay.recording:
        cv2.circle(picture, (width - 2 * size, 2 * margin), margin, _RED, -1, cv2.LINE_AA)


def _height(lines: Sequence[str], size: int) -> int:
    return round(len(lines) * 1.5 * size + size)


def _text(cv2: ModuleType, picture: np.ndarray, lines: Sequence[str], size: int, *, left: int, top: int) -> None:
    """White lines on a darkened box, what stands behind a tab in a second column.

    `size` is the height of a line's capitals and a half, in pixels.
    """
    font, scale, weight = cv2.FONT_HERSHEY_SIMPLEX, size / 30, 2 if size >= 24 else 1

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, font, scale, weight)[0][0])

    rows = [line.encode("ascii", "replace").decode().split("\t") for line in lines]
    column = max((width(row[0]) + size for row in rows if len(row) > 1), default=0)
    right = left + max(column * (len(row) - 1) + width(row[-1]) for row in rows) + size
    box = picture[max(0, top) : top + _height(lines, size), max(0, left) : right]
    box //= 3
    for number, row in enumerate(rows):
        foot = round(top + (number + 1) * 1.5 * size)
        for place, text in enumerate(row):
            at = (left + size // 2 + place * column, foot)
            cv2.putText(picture, text, at, font, scale, _WHITE, weight, cv2.LINE_AA)


def prepare() -> ModuleType:
    """Call before PyAV is loaded: says whether a window can be opened, and loads OpenCV.

    PyAV's and OpenCV's wheels for Linux bring parts of the X libraries along, under the same names, but bound to
    different copies of the rest. The first to be loaded are used by both, and only OpenCV's serve a window.

    Returns:
        the module cv2.

    Raises:
        InputError: there is no display.
        RestyleError: OpenCV cannot be loaded, or PyAV was loaded first.
    """
    if sys.platform.startswith("linux"):
        _check_display(os.environ.get("DISPLAY", ""), os.environ.get("WAYLAND_DISPLAY", ""))
    # Qt, which OpenCV brings along, has much to say about fonts that are not used.
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
    cv2 = opencv.load()
    if sys.platform.startswith("linux") and _mixed_up(Path("/proc/self/maps").read_text()):
        raise RestyleError("a window needs OpenCV to be loaded before PyAV: import cv2 before av in this program")
    return cv2


def _mixed_up(maps: str) -> bool:
    """Whether PyAV's X libraries serve this process, by its memory map (/proc/self/maps)."""
    return "/av.libs/libxcb-shm" in maps


@cache
def _check_display(x: str, wayland: str) -> None:
    """Refuse a display that no window can be opened on."""
    if not x and not wayland:
        raise InputError("no display (neither DISPLAY nor WAYLAND_DISPLAY is set); use --headless")
    # Qt ends the whole process where it cannot reach the display: a process of its own finds out.
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY], capture_output=True, text=True, timeout=_TRY_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RestyleError(f"whether there is a display could not be found out ({type(error).__name__})") from None
    if done.returncode:
        if "not implemented" in done.stderr:
            return  # an OpenCV without windows: its own message follows
        raise InputError(f"no window can be opened on the display {x or wayland!r}; use --headless{_last(done.stderr)}")


def _last(said: str) -> str:
    """What a failed try has said, where it is a sentence on the matter."""
    lines = [line.strip() for line in said.splitlines() if "display" in line.lower() or "Error" in line]
    return f" ({lines[0]})" if lines else ""
