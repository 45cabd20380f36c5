"""What a benchmark says of its machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.benchmark import machine


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc/stat here")
def test_other_work_is_seen() -> None:
    """It is there, and is counted on top of what the machine does anyway."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = machine.load(0.5)
    finally:
        busy.kill()
        busy.wait()
    assert found is not None and found > 0.3


def test_elsewhere_it_is_the_load_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_busy_seconds", lambda: None)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 9.0, 9.0), raising=False)
    assert machine.load() == 1.5
    monkeypatch.delattr(os, "getloadavg")
    assert machine.load() is None
