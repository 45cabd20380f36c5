"""The fastest engine is found by measurement, once; what it may not cost is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from realtime.engines import choice
from realtime.engines.base import Engine
from realtime.engines.choice import Candidate, candidates, choose, load_engine, picture_frames, psnr
from realtime.engines.onnx import sessions
from realtime.errors import InputError, RestyleError, StyleError
from realtime.frames import Frame
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture, identity_network
from tests.helpers.networks import FLAT, mild_network, rgb_network
from tests.helpers.transnets import random_network


class Fake:
    """An engine of a known speed."""

    device, threads, trace = "cpu", 1, None

    def __init__(self, candidate: Candidate, clock: list[float], seconds: float) -> None:
        self.backend, self.precision = candidate.backend, str(candidate.precision)
        self.batch, self.description, self.notes = 2, str(candidate), []
        self._clock, self._seconds = clock, seconds

    def stylize(self, frames: Sequence[Frame], **options: Any) -> list[Frame]:
        self._clock[0] += self._seconds * len(frames)
        return list(frames)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path / "restyle"


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds a frame of each engine, instead of engines; what is not named does not run."""
    seconds = {"torch bf16": 0.02, "onnx int8": 0.01, "openvino int8": 0.03}
    clock = [0.0]

    def engine(maker: Any, candidate: Candidate) -> Engine:
        if str(candidate) not in seconds:
            raise RestyleError(f"{candidate} does not run")
        made: Any = Fake(candidate, clock, seconds[str(candidate)])
        return made  # type: ignore[no-any-return]

    monkeypatch.setattr(choice._Maker, "engine", engine)
    monkeypatch.setattr(choice.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(choice, "find_spec", lambda name: name == "openvino")
    monkeypatch.setattr(choice, "_fidelity", lambda network, calibration: 45.0)
    return seconds


def test_the_fastest_wins_and_says_so(speeds: dict[str, float], cache: Path) -> None:
    engine = choose(identity_network(), "auto", "cpu", "auto")
    assert engine.description == "onnx int8"
    (note,) = engine.notes
    assert note.startswith(
        "chosen by measurement: onnx int8 100, torch bf16 50, openvino int8 33 fps at 640x360 (kept in"
    )
    assert str(cache) in note


def test_it_is_measured_once(speeds: dict[str, float]) -> None:
    choose(identity_network(), "auto", "cpu", "auto")
    speeds["torch bf16"] = 0.001
    assert choose(identity_network(), "auto", "cpu", "auto").description == "onnx int8"
    # another network of this shape is as fast
    assert choose(identity_network(), "auto", "cpu", "auto").description == "onnx int8"
    # and these are other questions
    assert choose(identity_network(), "auto", "cpu", "auto", threads=7).description == "torch bf16"
    assert choose(mild_network(), "auto", "cpu", "auto").description == "torch bf16"


def test_another_machine_and_other_versions_are_measured_anew(
    speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(identity_network(), "auto", "cpu", "auto")
    speeds["torch bf16"] = 0.001
    monkeypatch.setattr(choice, "_version", lambda package: "99")
    assert choose(identity_network(), "auto", "cpu", "auto").description == "torch bf16"
    speeds["torch bf16"] = 1
    monkeypatch.setattr(choice, "cpu_name", lambda: "another one")
    assert choose(identity_network(), "auto", "cpu", "auto").description == "onnx int8"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', None])
def test_what_was_kept_may_be_damaged(speeds: dict[str, float], cache: Path, content: str | None) -> None:
    choose(identity_network(), "auto", "cpu", "auto")
    file = cache / "engines.json"
    if content is None:  # the right entry with the wrong contents
        entries = json.loads(file.read_text())
        for entry in entries.values():
            entry["found"] = {"torch bf16": "fast"}
        content = json.dumps(entries)
    file.write_text(content)
    speeds["torch bf16"] = 0.001
    assert choose(identity_network(), "auto", "cpu", "auto").description == "torch bf16"
    assert "torch bf16" in file.read_text()


def test_a_folder_that_cannot_be_written(speeds: dict[str, float], cache: Path) -> None:
    cache.write_text("a file in the way")
    engine = choose(identity_network(), "auto", "cpu", "auto")
    assert engine.description == "onnx int8"
    assert "not kept" in engine.notes[0]


def test_findings_do_not_pile_up(cache: Path) -> None:
    kept = choice.Kept("x.json", most=3)
    for number in range(5):
        kept.write({"n": number}, number)
    assert [kept.read({"n": number}) for number in range(5)] == [None, None, 2, 3, 4]
    assert [path.name for path in cache.iterdir()] == ["x.json"]


def test_what_does_not_run_is_left_out(speeds: dict[str, float]) -> None:
    del speeds["onnx int8"]
    assert choose(identity_network(), "auto", "cpu", "auto").description == "torch bf16"
    speeds.clear()
    with pytest.raises(RestyleError, match="torch bf16 does not run"):
        choose(identity_network(), "auto", "cpu", "auto", threads=3)


def test_int8_that_shows_is_left_out(speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_fidelity", lambda network, calibration: 31.0)
    engine = choose(identity_network(), "auto", "cpu", "auto")
    assert engine.description == "torch bf16"
    assert "onnx int8 is left out: it differs too much from fp32 (31 dB)" in engine.notes
    # who asks for it gets it
    assert choose(identity_network(), "auto", "cpu", "int8").description == "onnx int8"


def test_a_calibration_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = mild_network(FLAT)
    first = choose(network, "onnx", "cpu", "int8")
    assert first.precision == "int8"

    def never(*args: Any) -> Any:
        raise AssertionError("calibrated again")

    monkeypatch.setattr(choice, "calibrate", never)
    again = choose(network, "onnx", "cpu", "int8")
    frames = picture_frames(1, size=(40, 32))
    assert psnr(first.stylize(frames), again.stylize(frames)) == 100
    with pytest.raises(AssertionError, match="again"):
        choose(mild_network(FLAT, seed=1), "onnx", "cpu", "int8")


def test_chaos_is_not_for_int8() -> None:
    """A random network answers half a code with another picture."""
    wild = random_network(Architecture())
    engine = choose(wild, "onnx", "cpu", "auto", threads=1)
    assert engine.precision == "fp32"
    assert any("int8 is left out" in note for note in engine.notes)


def test_real_engines_are_measured() -> None:
    engine = choose(mild_network(FLAT), "auto", "cpu", "fp32", threads=1)
    assert engine.precision == "fp32"
    names = ["torch fp32", "onnx fp32"] + (["openvino fp32"] if find_spec("openvino") else [])
    assert all(name in engine.notes[-1] for name in names)
    frames = picture_frames(2)
    assert psnr(frames, frames) == 100
    assert psnr(frames, engine.stylize(frames)) < 60


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("auto", "cpu", "auto"), ["torch bf16", "onnx int8", "openvino int8", "openvino bf16"]),
        (("auto", "cpu", "fp32"), ["torch fp32", "onnx fp32", "openvino fp32"]),
        (("auto", "cpu", "int8"), ["onnx int8", "openvino int8"]),
        (("auto", "cpu", "fp16"), ["torch fp16"]),
        (("onnx", "cpu", "auto"), ["onnx int8", "onnx fp32"]),
        (("onnx", "cpu", "bf16"), ["onnx bf16"]),
        (("torch", "auto", "auto"), ["torch bf16"]),
        (("openvino", "cpu", "auto"), ["openvino int8", "openvino bf16"]),
        (("openvino", "cuda", "auto"), ["openvino auto on cuda"]),
        (("auto", "cuda:1", "auto"), ["torch fp16 on cuda:1", "onnx fp16 on cuda:1"]),
        (("auto", "mps", "auto"), ["torch fp16 on mps"]),
        (("auto", "tensorrt", "auto"), ["onnx auto on tensorrt"]),
        (("torch", "tensorrt", "auto"), ["torch auto on tensorrt"]),
        (("auto", "cpu", "auto", True), ["torch bf16", "openvino bf16"]),
        (("onnx", "cpu", "auto", True), ["onnx fp32"]),
        (("onnx", "cpu", "int8", True), ["onnx int8"]),
    ],
    ids=str,
)
def test_who_could_run(asked: Any, found: list[str], speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "choose_device", lambda word: type("device", (), {"__str__": lambda self: "cpu"})())
    monkeypatch.setattr(
        sessions,
        "why_not",
        lambda provider: "" if provider in ("CPUExecutionProvider", "CUDAExecutionProvider") else "no",
    )
    monkeypatch.setattr(sessions, "AUTOMATIC", ("cpu",))
    assert [str(candidate) for candidate in candidates(*asked)] == found


@pytest.mark.parametrize(
    ("device", "word", "found"),
    [
        ("cuda:0", "cuda", ["torch fp16 on cuda:0", "onnx fp16 on cuda:0"]),
        ("cuda:0", "cpu", ["torch fp16 on cuda:0"]),
        ("cpu", "cuda", ["onnx fp16 on cuda:0"]),
        ("cpu", "directml", ["onnx fp16 on directml", "torch bf16", "onnx int8", "openvino int8", "openvino bf16"]),
        (
            "mps",
            "coreml",
            ["torch fp16 on mps", "onnx fp16 on coreml", "torch bf16", "onnx int8", "openvino int8", "openvino bf16"],
        ),
    ],
)
def test_auto_on_other_machines(
    device: str, word: str, found: list[str], speeds: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "choose_device", lambda wanted: device)
    monkeypatch.setattr(sessions, "AUTOMATIC", (word,))
    monkeypatch.setattr(sessions, "why_not", lambda provider: "")
    assert [str(candidate) for candidate in candidates("auto", "auto", "auto")] == found


def test_files_of_both_kinds_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("a", "A", architecture=identity_network().architecture))
    engine, card = load_engine(path, backend="torch", device="cpu")
    assert (engine.backend, card.title) == ("torch", "A")
    engine, card = load_engine(rgb_network(tmp_path / "b.onnx"), device="cpu")
    assert (engine.backend, card.name) == ("onnx", "b")
    with pytest.raises(InputError, match=r"b\.onnx: an ONNX file does not run in PyTorch"):
        load_engine(tmp_path / "b.onnx", backend="torch")
    with pytest.raises(StyleError, match="no such"):
        load_engine(tmp_path / "c.onnx")
    for options in ({"backend": "tensor"}, {"precision": "int4"}):
        with pytest.raises(InputError, match="choose auto"):
            load_engine(path, **options)  # type: ignore[arg-type]
