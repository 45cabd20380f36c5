"""The OpenVINO engine paints what the others paint."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.engines.base import Overlapping
from realtime.engines.onnx import openvino_engine
from realtime.engines.onnx.openvino_engine import OpenVinoEngine, OpenVinoSession
from realtime.errors import InputError, RestyleError, StyleError
from realtime.transnet.network import identity_network
from tests.engines.onnx.test_engine import COLORS, exported, negative, soft
from tests.helpers.frames import difference, frame
from tests.helpers.networks import FLAT, exact, mean_difference, mild_network, rgb_network


def test_without_openvino_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(openvino_engine, "_core", openvino_engine._core.__wrapped__)
    with pytest.raises(InputError, match=r"pip install restyle\[openvino\]"):
        OpenVinoEngine(identity_network())


def test_a_start_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("plugins.xml:\n not found")

    monkeypatch.setitem(sys.modules, "openvino", type("openvino", (), {"Core": Broken}))
    monkeypatch.setattr(openvino_engine, "_core", openvino_engine._core.__wrapped__)
    assert openvino_engine.why_not() == "OpenVINO cannot be started: plugins.xml: not found"


needed = pytest.mark.skipif(bool(openvino_engine.why_not()), reason=openvino_engine.why_not() or "it is there")


@needed
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("height", "width", "batch"), [(1, 1, 1), (33, 46, 3), (64, 48, 2)])
def test_identity_at_any_size(precision: Any, height: int, width: int, batch: int) -> None:
    engine = OpenVinoEngine(identity_network(), precision=precision, threads=2)
    frames = [frame(height, width, seed) for seed in range(batch)]
    for a, b in zip(frames, engine.stylize(frames), strict=True):
        assert difference(a, b) == 0
        assert (b.pts, b.color) == (a.pts, a.color)


@needed
def test_the_pipeline_takes_it_for_an_engine_that_overlaps() -> None:
    assert isinstance(OpenVinoEngine(identity_network(), precision="fp32", threads=2), Overlapping)


@needed
@pytest.mark.parametrize("color", COLORS, ids=str)
@pytest.mark.parametrize(("precision", "most"), [("fp32", 0.02), ("bf16", 2), ("int8", 3)])
def test_it_paints_what_pytorch_paints(color: Any, precision: Any, most: float) -> None:
    network = mild_network(FLAT)
    frames = [frame(50, 66, seed, color) for seed in range(3)]
    engine = OpenVinoEngine(network, precision=precision, threads=2)
    for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
        assert mean_difference(a, b) < most
    assert engine.description.startswith("openvino on cpu (OpenVINO 2")


@needed
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")
def test_engines_come_and_go_and_signals_still_arrive(tmp_path: Path) -> None:
    """Each of OpenVINO's cores brings a stack for signals along: see `openvino_engine._core`."""
    script = """
import gc, os, signal, sys
import numpy as np
from pathlib import Path
from realtime.engines.onnx.openvino_engine import OpenVinoSession
made = [OpenVinoSession(Path(sys.argv[1]), hint="f32", streams=1, threads=1) for _ in range(3)]
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
def test_contours_stay_exact_in_bf16() -> None:
    """Their phases are many turns wide: in bf16 they would be noise."""
    network = mild_network()
    frames = [soft(64, 80, seed, COLORS[0]) for seed in range(2)]
    engine = OpenVinoEngine(network, precision="bf16", threads=1)
    for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
        assert mean_difference(a, b) < 2


@needed
def test_files_run(tmp_path: Path) -> None:
    network = mild_network(FLAT)
    frames = [soft(45, 62, seed, COLORS[1]) for seed in range(3)]
    for options in ({}, {"input": "rgb"}):
        engine = OpenVinoEngine(exported(tmp_path, network, **options), threads=2)
        assert engine.style is not None and engine.style.title == "A Title"
        for a, b in zip(exact(network, frames), engine.stylize(frames), strict=True):
            assert mean_difference(a, b) < 1.6
    engine = OpenVinoEngine(rgb_network(tmp_path / "x.onnx"), threads=1)
    assert engine.notes == ["taken for a network on RGB in 0..255"]
    assert negative(frames[0], engine) < 4  # type: ignore[arg-type]


@needed
def test_what_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "x.onnx"
    damaged.write_bytes(b"nonsense")
    for path in (damaged, tmp_path / "none.onnx"):
        with pytest.raises(StyleError, match=path.name) as caught:
            OpenVinoEngine(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="fp32, bf16, int8"):
        OpenVinoEngine(identity_network(), precision="fp16")
    with pytest.raises(InputError, match="runs on the CPU"):
        OpenVinoEngine(identity_network(), device="cuda")
    session = OpenVinoSession(rgb_network(tmp_path / "y.onnx"), hint="f32", streams=1, threads=1)
    with pytest.raises(RestyleError, match=r"OpenVINO failed on input1 \(1, 4, 8, 8\)"):
        session.run({"input1": np.zeros((1, 4, 8, 8), np.float32)})
