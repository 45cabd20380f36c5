"""Where restyle keeps what it need not find out again."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The user's cache folder for restyle, such as ~/.cache/restyle. It may not exist yet."""
    return platformdirs.user_cache_path("restyle", appauthor=False, opinion=False)
