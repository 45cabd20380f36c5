"""`restyle bench` and `restyle video --profile`: what is asked for, what is written, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.benchmark import gpu as gpu_module
from realtime.benchmark import run as run_module
from realtime.benchmark.gpu import Check, GpuReport
from realtime.benchmark.result import BenchResult
from realtime.media.synthetic.natural import write_natural_clip
from realtime.options import BenchOptions, StyleOptions
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import identity_network
from tests.helpers.readings import known_result


class Bench:
    """Stands in for the measuring, which takes minutes, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: tuple[str, BenchOptions, StyleOptions] | None = None
        self.result = known_result()

    def __call__(self, style: str, options: BenchOptions, style_options: StyleOptions, *, say: Any) -> BenchResult:
        self.asked = style, options, style_options
        say("640x360: making a clip of 240 frames")
        return self.result


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(run_module, "run_benchmark", made)
    return made


@pytest.mark.parametrize(
    "option",
    "--style --size --video --against --output --backend --device --precision --batch --threads --rounds --json "
    "--quiet --debug".split(),
)
def test_bench_has_the_options_of_the_interface(restyle: Any, option: str) -> None:
    assert option in restyle("bench", "--help").out


def test_the_defaults(restyle: Any, bench: Bench) -> None:
    assert restyle("bench").code == 0
    assert bench.asked == ("starry-night", BenchOptions(), StyleOptions())


def test_every_option_arrives(restyle: Any, bench: Bench, picture: Path) -> None:
    done = restyle(
        *f"bench --style {picture} --paint 0.7 --stroke 1.5".split(),
        *"--size 640x360 --size 720 --video in.mp4 --against johnson --threads 3".split(),
        *"--backend torch --device cpu --device cuda:1 --precision fp32 --precision bf16 --batch 2 --encoder x".split(),
        *"--rounds 7 --seconds 2.5 --frames 99".split(),
    )
    assert done.code == 0, done.err
    assert bench.asked == (
        str(picture),
        BenchOptions(
            size=("640x360", "720"),
            video=Path("in.mp4"),
            against="johnson",
            threads=3,
            backend=("torch",),
            device=("cpu", "cuda:1"),
            precision=("fp32", "bf16"),
            batch=(2,),
            encoder="x",
            rounds=7,
            seconds=2.5,
            frames=99,
        ),
        StyleOptions(paint=0.7, stroke=1.5),
    )


def test_the_table_goes_to_stdout_and_messages_to_stderr(restyle: Any, bench: Bench) -> None:
    bench.result = known_result(warnings=["other work ran on\nthis machine"])
    done = restyle("bench")
    assert "bound by" in done.out
    assert "66.7" in done.out
    assert done.err.splitlines() == [
        "640x360: making a clip of 240 frames",
        "warning: other work ran on this machine",
    ]
    quiet = restyle("bench", "--quiet")
    assert quiet.out == ""
    assert quiet.err == "warning: other work ran on this machine\n"


def test_json_is_the_result_and_the_last_line(restyle: Any, bench: Bench) -> None:
    done = restyle("bench", "--json")
    assert done.json == bench.result.to_json()
    assert len(done.out.splitlines()) == 1


def test_outputs(restyle: Any, bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    paths = [tmp_path / f"out.{ending}" for ending in ("json", "md", "PNG")]
    done = restyle("bench", *(word for path in paths for word in ("--output", path)))
    assert done.code == 0, done.err
    assert json.loads(paths[0].read_text(encoding="utf-8")) == bench.result.to_json()
    assert paths[1].read_text(encoding="utf-8").startswith("Measured on Test 9000")
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 3
    again = restyle("bench", "--output", paths[0])
    assert (again.code, "--overwrite" in again.error) == (2, True)
    assert restyle("bench", "--output", paths[0], "--overwrite").code == 0


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--output", "out.txt"], ".json, .md, .png"),
        (["--output", "none/out.json"], "does not exist"),
        (["--backend", "tf"], "auto, torch, onnx"),
        (["--backend", "torch", "--precision", "int4"], "auto, fp32, fp16, bf16"),
        (["--device", "gpu"], "auto, cpu, cuda"),
        (["--size", "big"], "640x360"),
        (["--against", "gatys"], "johnson"),
        (["--batch", "0"], "1"),
        (["--rounds", "0"], "1"),
        (["--gpu-report", "--device", "cpu"], "CUDA"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_before_the_work(restyle: Any, bench: Bench, args: list[str], why: str) -> None:
    done = restyle("bench", *args)
    assert done.code == 2
    assert why in done.error
    assert bench.asked is None


def test_a_chart_without_matplotlib(
    restyle: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = restyle("bench", "--output", tmp_path / "out.png")
    assert done.code == 2
    assert 'pip install "restyle[bench]"' in done.error
    assert bench.asked is None


# restyle bench --gpu-report


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_no_gpu_is_one_line(restyle: Any, tmp_path: Path) -> None:
    done = restyle("bench", "--gpu-report", "--output", tmp_path)
    assert done.code == 2
    assert done.error.startswith("error: device 'cuda': ")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for a machine with a GPU. The report holds where "least" is 10 or less."""
    from realtime.engines import painter
    from realtime.engines.torch import device

    settings: dict[str, Any] = {"least": 11.0}

    class Painter:
        def __init__(self, *args: object) -> None:
            settings["asked"] = args

        def __enter__(self) -> Painter:
            return self

        def __exit__(self, *error: object) -> None: ...

    def report(opened: Painter, *, say: Any) -> GpuReport:
        check = Check("network alone", 10.0, "fps", settings["least"])
        failed = () if check.holds else (check.name,)
        machine = known_result().machine
        return GpuReport(
            date="2026-01-02", machine=machine, device="cuda:0", style="x", engine="torch", notes=(), checks=(check,),
            holds=not failed, failed=failed, seconds=1.0,
        )  # fmt: skip

    monkeypatch.setattr(device, "choose_device", lambda word: torch.device("cuda", 0))
    monkeypatch.setattr(painter, "FramePainter", Painter)
    monkeypatch.setattr(gpu_module, "gpu_report", report)
    return settings


def test_the_gpu_report_writes_both_files_and_ends_with_1(restyle: Any, gpu: dict[str, Any], tmp_path: Path) -> None:
    done = restyle("bench", "--gpu-report", "--output", tmp_path, "--json")
    assert done.code == 1
    assert gpu["asked"][1].device == "cuda:0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu-report.json", "gpu-report.md"]
    assert json.loads((tmp_path / "gpu-report.json").read_text())["failed"] == ["network alone"]
    assert done.json["holds"] is False
    assert restyle("bench", "--gpu-report", "--output", tmp_path).code == 2  # they exist
    assert restyle("bench", "--gpu-report", "--output", tmp_path / "a.png").code == 2


def test_a_gpu_report_that_holds_ends_with_0(restyle: Any, gpu: dict[str, Any], tmp_path: Path) -> None:
    gpu["least"] = 10.0
    assert restyle("bench", "--gpu-report", "--output", tmp_path / "a.md", "--quiet").code == 0
    assert "Everything holds." in (tmp_path / "a.md").read_text()


# restyle video --profile


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_natural_clip(path, frames=6, size=(64, 64))
    return path


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "identity.safetensors"
    save_checkpoint(path, identity_network(), StyleCard("identity"))
    return path


def test_profile_writes_a_trace(restyle: Any, clip: Path, style: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    command = ["video", clip, tmp_path / "out.mp4", "--style", style, "--device", "cpu", "--profile", trace]
    done = restyle(*command)
    assert done.code == 0, done.err
    names = {event["name"] for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"load", "open", "decode", "infer", "paint", "encode", "finish"} <= names
    (tmp_path / "out.mp4").unlink()
    again = restyle(*command)
    assert (again.code, "trace.json: exists" in again.error) == (2, True)
    assert not (tmp_path / "out.mp4").exists()


def test_a_trace_that_cannot_be_written_is_refused_first(restyle: Any, clip: Path, style: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    done = restyle("video", clip, output, "--style", style, "--profile", tmp_path / "none" / "trace.json")
    assert done.code == 2
    assert "does not exist" in done.error
    assert not output.exists()
