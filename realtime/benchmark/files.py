"""Outputs that are checked before the work and written after it."""

from __future__ import annotations

from pathlib import Path

from realtime.errors import InputError


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuses a file that could not be written, before any work is done for it.

    Raises:
        InputError: its folder does not exist, it is a folder, or it exists and may not be overwritten.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists; use --overwrite to replace it")
