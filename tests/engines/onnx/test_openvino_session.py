"""OpenVINO: what is said where it is missing or fails, and that it can be loaded and released."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from realtime.engines.onnx import openvino_session
from realtime.engines.onnx.engine import OnnxEngine
from realtime.engines.onnx.openvino_session import OpenVinoSession, openvino_problem, openvino_runtime
from realtime.errors import InputError, RestyleError, StyleError
from tests.helpers.networks import rgb_network

needed = pytest.mark.skipif(bool(openvino_problem()), reason=openvino_problem() or "it is there")


def test_without_openvino_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(openvino_session, "_core", openvino_session._core.__wrapped__)
    with pytest.raises(InputError, match=r"pip install restyle\[openvino\]"):
        openvino_runtime()


def test_a_failed_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("plugins.xml:\n not found")

    monkeypatch.setitem(sys.modules, "openvino", type("openvino", (), {"Core": Broken}))
    monkeypatch.setattr(openvino_session, "_core", openvino_session._core.__wrapped__)
    assert openvino_problem() == "OpenVINO cannot be started: plugins.xml: not found"


@needed
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")
def test_signals_arrive_after_sessions_were_released(tmp_path: Path) -> None:
    """Each of OpenVINO's cores brings a signal stack: see `openvino_session._core`."""
    script = """
import gc, os, signal, sys
import numpy as np
from pathlib import Path
from realtime.engines.onnx.openvino_session import OpenVinoSession
made = [OpenVinoSession(Path(sys.argv[1])) for _ in range(3)]
for session in made:
    session.run({"input1": np.zeros((1, 3, 8, 8), np.float32)})
del session
while made:
    made.pop(0)
    gc.collect()
others = [np.ones(n * 1000, np.uint8) for n in range(1, 400)]
came = []
signal.signal(signal.SIGUSR1, lambda *now: came.append(now))
for _ in range(50):
    os.kill(os.getpid(), signal.SIGUSR1)
print(len(came))
"""
    path = rgb_network(tmp_path / "x.onnx")
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "50"), done.stderr


@needed
def test_what_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "x.onnx"
    damaged.write_bytes(b"nonsense")
    for path in (damaged, tmp_path / "none.onnx"):
        with pytest.raises(StyleError, match=path.name) as caught:
            OnnxEngine(path, openvino_runtime())
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="runs on the CPU"):
        openvino_runtime("cuda")
    session = OpenVinoSession(rgb_network(tmp_path / "y.onnx"))
    with pytest.raises(RestyleError, match=r"OpenVINO failed on input1 \(1, 4, 8, 8\)"):
        session.run({"input1": np.zeros((1, 4, 8, 8), np.float32)})
