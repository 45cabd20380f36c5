"""Hundreds of damaged files: each is read as far as possible or refused in one line, without hang or crash."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.clips import Clip
from tests.helpers.damage import KINDS, damaged, outcome, whole_clips
from tests.helpers.processes import ROOT

FILES = 320
SECONDS = 300
"""Limit for all of them, ten times what two idle cores need."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips")
    whole_clips(path)
    return path


def run(folder: Path, count: int) -> list[dict[str, Any]]:
    """Outcomes of the seeds from 0 on, from a process of its own, which may hang or crash."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.damage", str(folder), "0", str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"seed {len(out.splitlines())} hangs")
    lines = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0, f"seed {len(lines)} ends the process with {process.returncode}: {err[-2000:]}"
    assert "Traceback" not in err
    return lines


def test_some_damaged_files(folder: Path) -> None:
    outcomes = run(folder, FILES // 8)
    assert len(outcomes) == FILES // 8
    assert [o for o in outcomes if o["result"] == "fault"] == []


@pytest.mark.slow
def test_damaged_files(folder: Path) -> None:
    outcomes = run(folder, FILES)
    assert len(outcomes) == FILES
    assert [o for o in outcomes if o["result"] == "fault"] == []
    counts = Counter(o["result"] for o in outcomes)
    assert counts["done"] > FILES // 3  # most files can be read in part
    assert counts["refused"] > FILES // 50
    assert {o["kind"] for o in outcomes if o["result"] == "done"} == {kind.__name__ for kind in KINDS}
    assert max(o["seconds"] for o in outcomes) < 60
    lossy = [
        o for o in outcomes if o["result"] == "done" and o["frames"] < 18 and o["kind"] in ("truncate", "flip_bits")
    ]
    assert sum(bool(o["why"]) for o in lossy) >= len(lossy) / 2  # most losses are reported


def test_damage_depends_on_the_seed_only(folder: Path) -> None:
    clip = folder / "a.mp4"
    assert damaged(clip, 7) == damaged(clip, 7) != damaged(clip, 15)
    assert {damaged(clip, seed)[0] for seed in range(len(KINDS))} == {kind.__name__ for kind in KINDS}


def test_undamaged_files_pass(folder: Path, tmp_path: Path) -> None:
    for clip in sorted(p for p in folder.iterdir() if p.is_file()):
        result = outcome(clip, tmp_path / "out.mkv")
        assert (clip.name, result) == (clip.name, {"result": "done", "why": "", "frames": 20})


def test_corrupted_packets_are_counted(tmp_path: Path) -> None:
    """Two pictures of twenty are damaged: the others are read, and a warning counts the two."""
    from realtime.media.files.reader import VideoReader

    source = Clip(tmp_path / "a.mov", codec="png", pix_fmt="rgb24", frames=20).make()
    data = bytearray(source.read_bytes())
    starts = [i for i in range(len(data) - 4) if data[i : i + 4] == b"\x89PNG"]
    for start in (starts[4], starts[9]):
        data[start : start + 200] = np.random.default_rng(0).integers(0, 256, 200, np.uint8).tobytes()
    source.write_bytes(data)
    with VideoReader(source) as reader:
        count = sum(1 for _ in reader)
        warnings = reader.warnings
    assert count == 18
    assert any("2 damaged video packets were skipped" in warning for warning in warnings)
