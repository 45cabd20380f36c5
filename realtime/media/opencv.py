"""Loading of OpenCV where it is first needed: it needs libraries that bare systems lack, and videos do without it."""

from __future__ import annotations

import sys
from types import ModuleType

from realtime.errors import RestyleError


def load() -> ModuleType:
    """The module cv2.

    Raises:
        RestyleError: it is not installed, or a library that it needs is missing.
    """
    path = sys.path.copy()
    try:
        import cv2
    except ImportError as error:
        # Its loader leaves these behind when it fails, and then reports its second call as a recursion.
        sys.path[:] = path
        vars(sys).pop("OpenCV_LOADER", None)
        why = " ".join(str(error).split())
        raise RestyleError(
            f"OpenCV cannot be loaded ({why}); on Debian or Ubuntu `apt install libgl1 libglib2.0-0`, "
            "or `pip install opencv-python-headless` in its place"
        ) from None
    return cv2
