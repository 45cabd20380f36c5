"""Results of measurements, stored in the user's cache folder for the next time."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from realtime.cache_folder import cache_folder
from realtime.errors import RestyleError
from realtime.transnet.checkpoint import write_atomically


class MeasurementCache:
    """Results in a JSON file of the cache folder. A file that cannot be read is as good as none.

    Args:
        name: of the file.
        limit: results that it holds; the oldest are dropped.
    """

    def __init__(self, name: str, limit: int = 64) -> None:
        self.path, self.limit = cache_folder() / name, limit

    def _entries(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def read(self, key: dict[str, Any]) -> Any:
        """The result for a key; None if there is none."""
        entry = self._entries().get(_digest(key))
        return entry.get("result") if isinstance(entry, dict) and entry.get("key") == key else None

    def write(self, key: dict[str, Any], result: Any) -> str:
        """Store a result beside the others.

        Returns:
            where it is stored, or why it could not be, in words.
        """
        entries = {**self._entries(), _digest(key): {"key": key, "result": result}}
        data = json.dumps(dict(list(entries.items())[-self.limit :])) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, data.encode())
        except (OSError, RestyleError) as error:
            return f"not stored: {error}"
        return f"stored in {self.path}"


def _digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
