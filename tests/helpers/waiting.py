"""Waiting for events, with one limit for all: a loaded machine takes its time."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT = 120.0
"""Seconds after which something that should happen is taken for missing."""


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Returns as soon as `condition` holds; fails after `WAIT` seconds and says that there was no `what`."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"no {what} in {WAIT:.0f} s"
        time.sleep(0.02)
