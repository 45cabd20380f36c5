"""The fastest engine is found by measurement, once."""

from __future__ import annotations

import json
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from realtime.cache_folder import cache_folder
from realtime.engines.base import Engine
from realtime.engines.calibration_cache import MeasuredCalibration, calibration_of
from realtime.engines.choice import choose, open_engine
from realtime.engines.fidelity import picture_frames, psnr
from realtime.errors import InputError, RestyleError, StyleError
from realtime.options import EngineOptions
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture, TransNet, identity_network
from tests.helpers.machines import OtherMachine, SimulatedEngine, SimulatedEngines
from tests.helpers.networks import FLAT, mild_network, rgb_network
from tests.helpers.textured import textured_network
from tests.helpers.transnets import random_network


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    return cache_folder()


class Trial:
    """Chooses among simulated engines."""

    def __init__(self) -> None:
        self.seconds = {"torch bf16": 0.02, "onnx int8": 0.01, "openvino int8": 0.03}
        self.int8_psnr = 45.0
        self.engines: SimulatedEngines

    def choose(self, network: TransNet | None = None, *, machine: str = "a", **options: Any) -> Engine:
        network = network or identity_network()
        self.engines = SimulatedEngines(network, self.seconds)
        self.engines.__dict__["int8"] = MeasuredCalibration(calibration=None, psnr=self.int8_psnr)  # type: ignore[arg-type]
        return choose(
            network,
            EngineOptions(device="cpu", **options),
            machine=OtherMachine(name=machine),
            factory=self.engines,
            clock=self.engines.clock,
        )


@pytest.fixture
def trial() -> Trial:
    return Trial()


def test_the_fastest_engine_is_taken_and_a_note_says_so(trial: Trial, cache: Path) -> None:
    engine = trial.choose()
    assert engine.description == "onnx int8"
    (note,) = engine.notes
    assert note == (
        "chosen by measurement: onnx int8 100, torch bf16 50, openvino int8 33 fps at 640x360"
        f" (stored in {cache / 'engines.json'})"
    )


def test_engines_are_closed_after_the_measurement(trial: Trial) -> None:
    engine = trial.choose()
    assert isinstance(engine, SimulatedEngine) and trial.engines.opened == [engine]


def test_it_is_measured_once(trial: Trial) -> None:
    trial.choose()
    trial.seconds["torch bf16"] = 0.001
    assert trial.choose().description == "onnx int8"
    # other questions: more threads, a network of another shape, another machine or other versions
    assert trial.choose(threads=7).description == "torch bf16"
    assert trial.choose(mild_network()).description == "torch bf16"
    assert trial.choose(machine="b").description == "torch bf16"


@pytest.mark.parametrize("content", ["{", '{"a": 1}', None])
def test_a_damaged_cache_is_measured_again(trial: Trial, cache: Path, content: str | None) -> None:
    trial.choose()
    file = cache / "engines.json"
    if content is None:  # the right entry with the wrong contents
        entries = json.loads(file.read_text())
        for entry in entries.values():
            entry["result"] = {"torch bf16": "fast"}
        content = json.dumps(entries)
    file.write_text(content)
    trial.seconds["torch bf16"] = 0.001
    assert trial.choose().description == "torch bf16"
    assert "torch bf16" in file.read_text()


def test_a_cache_that_cannot_be_written_is_no_error(trial: Trial, cache: Path) -> None:
    cache.write_text("a file in the way")
    engine = trial.choose()
    assert engine.description == "onnx int8"
    assert "not stored" in engine.notes[0]


def test_engines_that_do_not_run_are_left_out(trial: Trial) -> None:
    del trial.seconds["onnx int8"]
    assert trial.choose().description == "torch bf16"
    trial.seconds.clear()
    with pytest.raises(RestyleError, match="torch bf16 does not run"):
        trial.choose(threads=3)


def test_int8_that_differs_too_much_is_left_out(trial: Trial) -> None:
    trial.int8_psnr = 31.0
    engine = trial.choose()
    assert engine.description == "torch bf16"
    assert "onnx int8 is left out: it differs too much from fp32 (31 dB)" in engine.notes
    # unless it was asked for
    assert trial.choose(precision="int8").description == "onnx int8"


def test_a_calibration_is_stored(cache: Path) -> None:
    network = mild_network(FLAT)
    first = calibration_of(network)
    assert 20 < first.psnr <= 100
    stored = cache / "calibrations.json"
    entries = json.loads(stored.read_text())
    assert len(entries) == 1
    next(iter(entries.values()))["result"]["psnr"] = 12.5
    stored.write_text(json.dumps(entries))
    again = calibration_of(network)
    assert (again.psnr, again.calibration.quantizations) == (12.5, first.calibration.quantizations)
    assert calibration_of(mild_network(FLAT, seed=1)).psnr != 12.5


def test_a_textured_network_is_measured_and_run_in_int8() -> None:
    with choose(textured_network(), EngineOptions(device="cpu", precision="int8", threads=1)) as engine:
        assert engine.precision == "int8"
    assert calibration_of(textured_network()).psnr > 38


def test_a_random_network_is_not_run_in_int8() -> None:
    """It answers half a code with another picture."""
    options = EngineOptions(backend="onnx", device="cpu", threads=1)
    with choose(random_network(Architecture()), options) as engine:
        assert engine.precision == "fp32"
        assert any("int8 is left out" in note for note in engine.notes)


def test_real_engines_are_measured_and_closed() -> None:
    def workers() -> int:
        return sum(thread.name.startswith("torch-worker") for thread in threading.enumerate())

    before = workers()
    with choose(mild_network(FLAT), EngineOptions(device="cpu", precision="fp32", threads=1)) as engine:
        assert workers() == before + 1
        assert engine.precision == "fp32"
        names = ["torch fp32", "onnx fp32"] + (["openvino fp32"] if find_spec("openvino") else [])
        assert all(name in engine.notes[-1] for name in names)
        frames = picture_frames(2)
        assert psnr(frames, engine.stylize(frames)) < 60
    assert workers() == before


def test_psnr_of_equal_frames() -> None:
    assert psnr(picture_frames(2), picture_frames(2)) == 100


def test_files_of_both_kinds_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("a", "A", architecture=identity_network().architecture))
    engine, card = open_engine(path, EngineOptions(backend="torch", device="cpu"))
    assert (engine.backend, card.title) == ("torch", "A")
    engine.close()
    engine, card = open_engine(rgb_network(tmp_path / "b.onnx"), EngineOptions(device="cpu"))
    assert (engine.backend, card.name) == ("onnx", "b")
    engine.close()
    with pytest.raises(InputError, match=r"b\.onnx: an ONNX file does not run in PyTorch"):
        open_engine(tmp_path / "b.onnx", EngineOptions(backend="torch"))
    with pytest.raises(StyleError, match="no such"):
        open_engine(tmp_path / "c.onnx")
