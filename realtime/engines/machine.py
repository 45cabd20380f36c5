"""What machine this is, and where things may be kept on it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where restyle keeps what it can find out again: in the user's cache folder. It may not be there yet.

    %LOCALAPPDATA% on Windows; else $XDG_CACHE_HOME, or where it is not set ~/Library/Caches on macOS and ~/.cache.
    """
    windows = sys.platform == "win32"
    base = os.environ.get("LOCALAPPDATA" if windows else "XDG_CACHE_HOME", "")
    usual = {"win32": "AppData/Local", "darwin": "Library/Caches"}
    fallback = Path.home() / usual.get(sys.platform, ".cache")
    folder = Path(base) if base and Path(base).is_absolute() else fallback  # as the XDG specification wants it
    return folder / "restyle"


def cpu_name() -> str:
    """The processor's own name, as far as the system tells."""
    if sys.platform.startswith("linux"):
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use, which in a container is not all there are."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
