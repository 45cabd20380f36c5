"""What to tell the user when a live source cannot be opened, or ends."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

from realtime.errors import InputError
from realtime.media.live.sources import NO_CAMERA, Target, list_cameras
from realtime.media.messages import reason


class Refused(InputError):
    """A source cannot be opened.

    Attributes:
        worth_another_try: whether other options may help.
    """

    def __init__(self, message: str, *, worth_another_try: bool = False) -> None:
        super().__init__(message)
        self.worth_another_try = worth_another_try


def why_ended(error: BaseException) -> str:
    """Why an open source gives no more, in words."""
    import av.error

    return "nothing arrives any more" if isinstance(error, av.error.ExitError) else reason(error)


def refusal(
    target: Target,
    error: BaseException,
    seconds: float,
    said: str = "",
    *,
    cameras: Callable[[], list[tuple[str, str]]] = list_cameras,
) -> Refused:
    """The message, in one line, for an error of opening a source.

    Args:
        target: the source.
        error: PyAV's.
        seconds: how long was waited.
        said: what else is known; empty where nothing is.
        cameras: lists the cameras of this machine.
    """
    import av.error

    text, number = target.text, getattr(error, "errno", None)
    if isinstance(error, av.error.ExitError):  # the time-out
        return Refused(f"{text}: nothing arrived within {seconds:g} s; is the sender running?")
    if isinstance(error, ValueError) and "no container format" in str(error):
        return Refused(f"{text}: this build of FFmpeg has no input format {target.format!r}")
    if target.kind == "camera":
        return _camera_refusal(target, error, number, cameras)
    if target.kind == "screen":
        return Refused(f"{text}: the screen cannot be captured ({said or reason(error)}); does the display exist?")
    if target.kind == "generated":
        return Refused(f"{text}: FFmpeg cannot make this ({reason(error)}); check the names of the filters")
    if target.kind == "file":
        return Refused(f"{text}: not a media file, or damaged beyond reading ({reason(error)})")
    if number == errno.ECONNREFUSED:
        return Refused(f"{text}: the connection was refused; is the sender running, and is the port right?")
    return Refused(f"{text}: the stream cannot be opened ({reason(error)})")


def _camera_refusal(
    target: Target, error: BaseException, number: int | None, cameras: Callable[[], list[tuple[str, str]]]
) -> Refused:
    name = f"camera {target.text}" if target.text.isdigit() else target.text
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        there = [f"{title} at {which}" if title else which for which, title in cameras()]
        have = f"there {'is' if len(there) == 1 else 'are'} {', '.join(there)}"
        return Refused(f"{name}: not found; {have if there else NO_CAMERA}")
    if number == errno.EBUSY:
        return Refused(f"{name}: is in use by another program; close that one")
    if number in (errno.EACCES, errno.EPERM):
        hint = "add yourself to the group 'video'" if sys.platform.startswith("linux") else "allow it in the settings"
        return Refused(f"{name}: no permission; {hint}")
    if number == errno.ENOTTY:
        return Refused(f"{name}: is not a camera")
    return Refused(
        f"{name}: cannot be opened ({reason(error)}); `restyle doctor` lists cameras", worth_another_try=True
    )
