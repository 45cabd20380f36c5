"""Signals during work, in a process of its own: exit code 130, one line, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.processes import restyle_process
from tests.helpers.waiting import WAIT, wait_for


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes long enough to restyle for a signal to arrive in the middle of it."""
    path = tmp_path_factory.mktemp("clip") / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((540, 640), 128, np.uint8), format="yuv420p")
        for number in range(2400):
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_work_and_leaves_nothing(clip: Path, tmp_path: Path, name: str) -> None:
    command = ["video", clip, tmp_path / "out.mp4", "--style", "starry-night"]
    engine = ["--backend", "torch", "--device", "cpu", "--threads", "1"]
    with restyle_process(*command, *engine, "--json") as process:
        assert process.stderr is not None
        assert process.stderr.readline()  # the line about the engine: the work begins
        # The output grows beside its name: frames have been painted.
        wait_for(lambda: sum(path.stat().st_size for path in tmp_path.iterdir()), "painted frames")
        begin = time.monotonic()
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    assert err == "interrupted\n"
    assert out == ""
    assert time.monotonic() - begin < 30  # and not the minutes that the rest of the clip takes
    assert list(tmp_path.iterdir()) == []
