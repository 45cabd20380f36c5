"""A process that is killed in the middle of its work: nothing wrong is left under the output's name, and it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.media.files.fragments import work_folder
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import identity_network

ROOT = Path(__file__).parents[2]
FRAMES = 900


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gray pictures that become brighter."""
    path = tmp_path_factory.mktemp("clip") / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(FRAMES):
            picture = np.full((270, 320), 128, np.uint8)
            picture[:180] = 16 + number // 5
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "identity.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("identity"))
    return path


def test_killed_and_resumed(clip: Path, style: Path, tmp_path: Path, restyle: Any) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    command = [
        "video",
        str(clip),
        str(target),
        "--style",
        str(style),
        "--backend",
        "torch",
        "--device",
        "cpu",
        "--resume",
        "--json",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "realtime.cli", *command, "--overwrite"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not (work_folder(target) / "000001.json").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
    assert target.read_bytes() == b"old"
    target.unlink()
    assert os.listdir(tmp_path) == [work_folder(target).name]
    told = restyle(
        *command[:3], "--style", style, "--backend", "torch", "--device", "cpu", "--strength", "0.5", "--resume", "-q"
    )
    assert (told.code, "another strength" in told.error) == (2, True)
    done = restyle(*command)
    assert done.code == 0, done.err
    assert done.json["frames"] == FRAMES
    assert FRAMES > done.json["resumed"] >= 240
    assert os.listdir(tmp_path) == ["out.mp4"]
    with av.open(str(target)) as container:
        pictures = [(frame.time, frame.to_ndarray()[:180].mean()) for frame in container.decode(video=0)]
    assert [round(time * 30) for time, _ in pictures] == list(range(FRAMES))
    assert max(abs(mean - (16 + number // 5)) for number, (_, mean) in enumerate(pictures)) < 1.5
    again = restyle(*command, "--skip-existing")
    assert (again.code, again.json["skipped"], again.json["frames"]) == (0, True, 0)
