"""What was found out by measuring, kept in the user's cache folder for the next time."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from realtime.engines.machine import cache_folder


class Kept:
    """Findings in a file of the cache folder. One that cannot be read is made again; one that cannot be kept is not.

    Args:
        name: of the file.
        most: findings that it holds; the oldest go.
    """

    def __init__(self, name: str, most: int = 64) -> None:
        self.path, self.most = cache_folder() / name, most
        self.problem = "not kept"

    def _all(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def read(self, key: dict[str, Any]) -> Any:
        """What was found for a key; None where nothing was."""
        found = self._all().get(digest_of(key))
        return found.get("found") if isinstance(found, dict) and found.get("key") == key else None

    def write(self, key: dict[str, Any], found: Any) -> None:
        """Keep a finding beside the others."""
        entries = {**self._all(), digest_of(key): {"key": key, "found": found}}
        entries = dict(list(entries.items())[-self.most :])
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(entries) + "\n")
            part.replace(self.path)
        except OSError as error:
            self.problem = f"not kept: {self.path}: {error.strerror or error}"


def digest_of(key: dict[str, Any]) -> str:
    """A short name for a key."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
