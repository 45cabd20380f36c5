"""The benchmark on the real thing, small: real files, engines and processes. What is right, never how fast."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realtime.benchmark import roofline
from realtime.benchmark.cases import Choice, Options, clips, contenders, every_choice
from realtime.benchmark.measure import Effort
from realtime.benchmark.report import markdown
from realtime.benchmark.run import run_benchmark
from realtime.errors import InputError
from realtime.media.synthetic.natural import write_natural_clip
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.clips import Clip as MadeClip
from tests.helpers.networks import rgb_network
from tests.helpers.transnets import random_network

SMALL = Effort(rounds=1, seconds=0.1, frames=8)
ARCHITECTURE = Architecture(width=8, body=16, dilations=(1,))


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("styles") / "noise.safetensors"
    save_checkpoint(path, random_network(ARCHITECTURE), StyleCard("noise"))
    return str(path)


@pytest.fixture(scope="module")
def measured(style: str) -> tuple[dict[str, Any], list[str]]:
    """One run with all that there is, and what it said on the way."""
    said: list[str] = []
    options = Options(
        style,
        sizes=["96x64", "64x64"],
        choices=every_choice([], ["cpu"], ["fp32", "fp16"], [2]),
        threads=1,
        against="johnson",
        effort=SMALL,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roofline, "_ON_CPU", roofline._Sizes(64, 8, 16, 2**16))
        return run_benchmark(options, say=said.append), said


def test_every_case_is_there_once(measured: tuple[dict[str, Any], list[str]]) -> None:
    result, _ = measured
    found = [(c["style"], c["rival"], tuple(c["size"]), c["precision"], c["batch"]) for c in result["cases"]]
    assert found == [
        (*network, *rest)
        for size in ((96, 64), (64, 64))
        for network, *rest in (
            (("noise", False), size, "fp32", 2),
            (("johnson", True), size, "fp32", 1),
        )
    ]
    (skipped,) = result["skipped"]
    assert skipped["precision"] == "fp16"
    assert "not on the CPU" in skipped["reason"]
    assert [(tuple(entry["size"]), entry["batch"]) for entry in result["against"]] == [((96, 64), 2), ((64, 64), 2)]


def test_its_figures_hang_together(measured: tuple[dict[str, Any], list[str]]) -> None:
    result, said = measured
    json.dumps(result, allow_nan=False)
    for case in result["cases"]:
        stages = {name: case[name] for name in ("decode", "network", "encode", "whole")}
        for stage in stages.values():
            assert stage["fps"]["median"] == pytest.approx(1000 / stage["ms"], rel=0.01)
        assert case["bound"]["by"] in {"decode", "network", "encode", "cores"}
        slowest = max(stages[name]["ms"] for name in ("decode", "network", "encode"))
        shared = sum(stages[name]["cpu_ms"] for name in ("decode", "network", "encode")) / case["bound"]["cores"]
        assert 1000 / case["bound"]["fps"]["median"] == pytest.approx(max(slowest, shared), rel=0.01)
        reached = case["whole"]["fps"]["median"] / case["bound"]["fps"]["median"]
        assert case["bound"]["reached"]["median"] == pytest.approx(reached, rel=0.01)
        assert 2 * case["batch"] <= case["whole"]["frames"] <= SMALL.frames
        assert 0 < case["whole"]["busy"]["infer"] <= 1
        pixels = case["size"][0] * case["size"][1]
        each = 153.8e3 if case["rival"] else ARCHITECTURE.macs_per_pixel
        assert case["roofline"]["macs"] == pytest.approx(each * pixels, rel=1e-3)
        assert case["network"]["device_ms"] is None
        # A process of its own has to load Python and PyTorch; the rival has no command.
        assert (case["first_frame_s"] is None) == case["rival"]
        if not case["rival"]:
            assert case["first_frame_s"]["median"] > 0.3
            assert case["memory_mib"]["process"] is None or case["memory_mib"]["process"] > 100
    (roof,) = result["roofs"]
    assert (roof["device"], roof["precision"]) == ("cpu", "fp32")
    assert result["style"]["macs_per_pixel"] == pytest.approx(ARCHITECTURE.macs_per_pixel, rel=1e-3)
    assert result["command"] == (
        "restyle bench --style noise.safetensors --size 96x64 --size 64x64 --device cpu --precision fp32"
        " --precision fp16 --batch 2 --threads 1 --against johnson --rounds 1 --seconds 0.1 --frames 8"
    )
    assert any("round 1 of 1" in text for text in said)


def test_a_clip_of_ones_own_scaled_and_turned(style: str, tmp_path: Path) -> None:
    def turn(container: Any, stream: Any) -> None:
        stream.set_display_rotation(90)

    path = MadeClip(tmp_path / "turned.mp4", frames=12, size=(96, 64), setup=turn, audio=["aac"]).make()
    options = Options(style, video=path, sizes=["64x128"], choices=[Choice(device="cpu")], effort=SMALL, fresh=False)
    result = run_benchmark(options)
    assert result["clip"] == "turned.mp4"
    (case,) = result["cases"]
    assert case["size"] == [128, 64]  # as it is coded; shown, it stands upright
    assert case["first_frame_s"] is None


def test_of_other_peoples_networks_no_work_is_known(tmp_path: Path) -> None:
    path = rgb_network(tmp_path / "somebody.onnx")
    options = Options(str(path), sizes=["64x64"], choices=[Choice(device="cpu")], effort=SMALL, fresh=False)
    result = run_benchmark(options)
    assert result["style"] == {"name": "somebody", "macs_per_pixel": None}
    assert result["cases"][0]["roofline"] is None
    assert "somebody" in markdown(result)


def test_the_frames_of_a_round_are_counted_right(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_natural_clip(path, frames=12, size=(64, 64), fps=30)
    (clip,) = clips(Options("any", video=path), tmp_path)
    assert (clip.frames, clip.rate, clip.end(12), clip.end(99)) == (12, 30, None, None)
    assert 3 / 30 < clip.end(4) < 4 / 30  # type: ignore[operator]
    # A file that does not tell its length must not be read to its end, which may be hours away.
    assert replace(clip, frames=None).end(240) == pytest.approx(239.5 / 30)


def test_sizes_of_generated_clips(tmp_path: Path) -> None:
    assert [clip.size for clip in clips(Options("any"), tmp_path)] == [(640, 360), (1280, 720)]
    wanted = ["360", "640x360", "1080", "96x64"]
    assert [clip.size for clip in clips(Options("any", sizes=wanted), tmp_path)] == [(640, 360), (1920, 1080), (96, 64)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"sizes": ["97x64"]}, "even sides"),
        ({"sizes": ["32x32"]}, "even sides"),
        ({"sizes": ["big"]}, "640x360"),
        ({"encoder": "nothing"}, "nothing"),
        ({"against": "gatys"}, "johnson"),
        ({"video": Path("none.mp4")}, "none.mp4: no such file"),
        ({"choices": [Choice(precision="fp16", device="cpu")]}, "not on the CPU"),
        ({"choices": [Choice(device="cuda:99"), Choice(device="gpu")]}, "gpu"),
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_said_at_once(style: str, options: dict[str, Any], why: str) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match=why):
        run_benchmark(Options(style, **options), say=said.append)
    assert not any("warming up" in text for text in said)


def test_an_engine_named_twice_is_measured_once(style: str) -> None:
    twice = every_choice(["torch", "torch"], ["cpu"], ["fp32"], [1, 2])
    found, skipped = contenders(Options(style, choices=twice, threads=1))
    assert [contender.stylizer.engine.batch for contender in found] == [1, 2]
    assert skipped == []


def test_an_unknown_style() -> None:
    with pytest.raises(InputError, match="no-such-style"):
        run_benchmark(Options("no-such-style", choices=[Choice(), Choice(precision="fp32")]))
