"""What is told of the machine."""

from __future__ import annotations

import json
import os

from realtime.benchmark import machine


def test_the_load_is_a_number_of_cores() -> None:
    assert 0 <= machine.load(0.05) <= (os.cpu_count() or 1)


def test_the_peak_of_memory_counts_what_was_held_at_once() -> None:
    before = machine.peak_memory()
    held = bytearray(before or 0)  # as much as the process has ever held
    after = machine.peak_memory()
    assert before is not None
    assert after is not None
    assert after - before > 0.5 * len(held)


def test_the_description_is_ready_for_json() -> None:
    found = json.loads(json.dumps(machine.describe()))
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0
    assert "torch" in found["packages"]
