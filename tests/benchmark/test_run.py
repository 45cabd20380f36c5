"""The benchmark on real files, engines and processes, all of them small. What is right, never how fast."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realtime.benchmark.cases import clips, engine_choices, open_contenders
from realtime.benchmark.report import markdown
from realtime.benchmark.result import BenchResult
from realtime.benchmark.roofline import Sizes
from realtime.benchmark.run import command_line, run_benchmark
from realtime.errors import InputError
from realtime.media.synthetic.natural import write_natural_clip
from realtime.option_fields import OptionError
from realtime.options import BenchOptions
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.clips import Clip as MadeClip
from tests.helpers.networks import rgb_network
from tests.helpers.transnets import random_network

SMALL: dict[str, Any] = {
    "rounds": 1, "seconds": 0.1, "frames": 8, "backend": ("torch",), "device": ("cpu",), "threads": 1,
}  # fmt: skip
ROOF_SIZES = Sizes(64, 8, 16, 2**16)
ARCHITECTURE = Architecture(width=8, body=16, dilations=(1,))


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("styles") / "noise.safetensors"
    save_checkpoint(path, random_network(ARCHITECTURE), StyleCard("noise"))
    return str(path)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def measured(style: str, said: list[str]) -> BenchResult:
    """One run with all that there is."""
    options = BenchOptions(size=("96x64",), precision=("fp32", "fp16"), batch=(2,), against="johnson", **SMALL)
    return run_benchmark(style, options, say=said.append, roof_sizes=ROOF_SIZES)


def run_small(style: str | Path, **options: Any) -> BenchResult:
    """A run without new processes."""
    wanted = BenchOptions(new_process=False, **{**SMALL, **options})
    return run_benchmark(str(style), wanted, roof_sizes=ROOF_SIZES)


def test_every_case_is_there_once(measured: BenchResult) -> None:
    found = [(case.style, case.rival, case.size, case.precision, case.batch) for case in measured.cases]
    assert found == [("noise", False, (96, 64), "fp32", 2), ("johnson", True, (96, 64), "fp32", 1)]
    (skipped,) = measured.skipped
    assert skipped["precision"] == "fp16"
    assert "not on the CPU" in skipped["reason"]
    (comparison,) = measured.against
    assert (comparison.size, comparison.batch, comparison.rival) == ((96, 64), 2, "johnson")


def test_its_figures_are_consistent(measured: BenchResult, said: list[str]) -> None:
    json.dumps(measured.to_json(), allow_nan=False)
    for case in measured.cases:
        stages = (case.decode, case.network, case.encode)
        for stage in (*stages, case.whole):
            assert stage.fps.median == pytest.approx(1000 / stage.ms, rel=0.01)
        assert case.bound.by in {"decode", "network", "encode", "cores"}
        least = max(*(stage.ms for stage in stages), sum(stage.cpu_ms for stage in stages) / case.bound.cores)
        assert 1000 / case.bound.fps.median == pytest.approx(least, rel=0.01)
        assert case.bound.reached.median == pytest.approx(case.whole.fps.median / case.bound.fps.median, rel=0.01)
        assert 2 * case.batch <= case.whole.frames <= 8
        assert 0 < case.whole.busy["infer"] <= 1
        assert case.roofline is not None
        each = 153.8e3 if case.rival else ARCHITECTURE.macs_per_pixel
        assert case.roofline.macs == pytest.approx(each * case.size[0] * case.size[1], rel=1e-3)
        assert case.network.device_ms is None
        # The rival has no command that could run in a new process.
        assert (case.first_frame_s is None) == (case.memory_mib["process"] is None) == case.rival
        if case.first_frame_s is not None:
            assert case.first_frame_s.median > 0.3  # Python and PyTorch are loaded
            assert case.memory_mib["process"] > 100
    (roof,) = measured.roofs
    assert (roof["device"], roof["precision"]) == ("cpu", "fp32")
    assert measured.style == {"name": "noise", "macs_per_pixel": pytest.approx(ARCHITECTURE.macs_per_pixel, rel=1e-3)}
    assert any("round 1 of 1" in text for text in said)


def test_the_command_line_measures_the_same(style: str) -> None:
    options = BenchOptions(
        size=("96x64", "360"), video=Path("folder/clip.mp4"), against="johnson", output=(Path("a.md"),), **SMALL
    )
    assert command_line(style, options) == (
        "restyle bench --style noise.safetensors --size 96x64 --size 360 --video clip.mp4 --against johnson"
        " --rounds 1 --seconds 0.1 --frames 8 --backend torch --device cpu --threads 1"
    )
    assert command_line("starry-night", BenchOptions()) == "restyle bench --style starry-night"


def test_a_clip_of_ones_own_scaled_and_turned(style: str, tmp_path: Path) -> None:
    def turn(container: Any, stream: Any) -> None:
        stream.set_display_rotation(90)

    path = MadeClip(tmp_path / "turned.mp4", frames=12, size=(96, 64), setup=turn, audio=["aac"]).make()
    result = run_small(style, video=path, size=("64x128", "96x144"))
    assert result.clip == "turned.mp4"
    assert [case.size for case in result.cases] == [
        (128, 64),
        (144, 96),
    ]  # as they are coded; shown, they stand upright
    assert result.cases[0].first_frame_s is None


def test_nothing_is_known_of_the_work_of_other_peoples_networks(tmp_path: Path) -> None:
    result = run_small(rgb_network(tmp_path / "somebody.onnx"), size=("64x64",), backend=("onnx",))
    assert result.style == {"name": "somebody", "macs_per_pixel": None}
    assert result.cases[0].roofline is None
    assert "somebody" in markdown(result.to_json())


def test_the_frames_of_a_round_are_counted_right(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_natural_clip(path, frames=12, size=(64, 64), fps=30)
    (clip,) = clips(BenchOptions(video=path), tmp_path)
    assert (clip.frames, clip.rate, clip.end(12), clip.end(99)) == (12, 30, None, None)
    assert 3 / 30 < clip.end(4) < 4 / 30  # type: ignore[operator]
    # A file that does not tell its length must not be read to its end, which may be hours away.
    assert replace(clip, frames=None).end(240) == pytest.approx(239.5 / 30)


def test_sizes_of_generated_clips(tmp_path: Path) -> None:
    assert [clip.size for clip in clips(BenchOptions(), tmp_path)] == [(640, 360), (1280, 720)]
    wanted = BenchOptions(size=("360", "640x360", "1080", "96x64"))
    assert [clip.size for clip in clips(wanted, tmp_path)] == [(640, 360), (1920, 1080), (96, 64)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"size": ("97x64",)}, "even sides"),
        ({"size": ("32x32",)}, "even sides"),
        ({"encoder": "nothing"}, "nothing"),
        ({"video": Path("none.mp4")}, "none.mp4: no such file"),
        ({"precision": ("fp16",)}, "not on the CPU"),
        ({"device": ("cuda:99", "cuda:98")}, "cuda:98"),
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_said_at_once(style: str, options: dict[str, Any], why: str) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match=why):
        run_benchmark(style, BenchOptions(**{**SMALL, **options}), say=said.append)
    assert not any("warming up" in text for text in said)


@pytest.mark.parametrize(
    "options", [{"size": ("big",)}, {"device": ("cpu", "gpu")}, {"against": "gatys"}, {"batch": (1, 0)}], ids=str
)
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        BenchOptions(**options)


def test_an_unknown_style() -> None:
    with pytest.raises(InputError, match="no-such-style"):
        run_benchmark("no-such-style", BenchOptions(**SMALL, precision=("auto", "fp32")))


def test_an_engine_named_twice_is_opened_once(style: str) -> None:
    options = BenchOptions(backend=("torch", "torch"), device=("cpu",), precision=("fp32",), batch=(1, 2), threads=1)
    with ExitStack() as stack:
        found, skipped = open_contenders(style, engine_choices(options), stack)
        assert [contender.painter.engine.batch for contender in found] == [1, 2]
        assert skipped == []


@pytest.mark.parametrize("cuda", [False, True])
def test_every_way_to_a_gpu_is_measured_by_default(cuda: bool) -> None:
    choices = engine_choices(BenchOptions(threads=2), cuda=cuda)
    ways = [(choice.backend, choice.device, choice.threads) for choice in choices]
    on_gpu = [("torch", "cuda", 2), ("onnx", "cuda", 2), ("onnx", "tensorrt", 2)]
    assert ways == [("auto", "auto", 2), *(on_gpu if cuda else [])]


def test_given_engines_are_combined() -> None:
    options = BenchOptions(device=("cpu", "cuda:1"), precision=("fp32", "bf16"))
    found = [(choice.backend, choice.device, choice.precision, choice.batch) for choice in engine_choices(options)]
    assert found == [
        ("auto", device, precision, None) for device in ("cpu", "cuda:1") for precision in ("fp32", "bf16")
    ]
