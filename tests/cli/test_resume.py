"""A process that is killed in the middle of its work: nothing wrong is left under the output's name, and it goes on."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.media.files.fragments import work_folder
from tests.helpers.commands import Restyle
from tests.helpers.processes import restyle_process
from tests.helpers.waiting import wait_for

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


def test_killed_and_resumed(clip: Path, identity: Path, tmp_path: Path, restyle: Restyle) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    command = ["video", clip, target, "--style", identity, "--backend", "torch", "--device", "cpu", "--resume"]
    with restyle_process(*command, "--overwrite") as process:
        wait_for(lambda: (work_folder(target) / "000001.json").exists() or process.poll() is not None, "fragments")
        process.kill()
    assert target.read_bytes() == b"old"
    target.unlink()
    assert os.listdir(tmp_path) == [work_folder(target).name]
    told = restyle(*command, "--strength", "0.5", "-q")
    assert (told.code, "another strength" in told.error) == (2, True)
    done = restyle(*command, "--json")
    assert done.code == 0, done.err
    assert done.json["frames"] == FRAMES
    assert FRAMES > done.json["resumed"] >= 240
    assert os.listdir(tmp_path) == ["out.mp4"]
    with av.open(str(target)) as container:
        pictures = [(frame.time, frame.to_ndarray()[:180].mean()) for frame in container.decode(video=0)]
    assert [round(time * 30) for time, _ in pictures] == list(range(FRAMES))
    assert max(abs(mean - (16 + number // 5)) for number, (_, mean) in enumerate(pictures)) < 1.5
    again = restyle(*command, "--json", "--skip-existing")
    assert (again.code, again.json["skipped"], again.json["frames"]) == (0, True, 0)
