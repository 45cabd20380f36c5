"""`restyle bench` and `restyle video --profile` with a stand-in for the work: what is asked for, what is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime.benchmark import run as bench_run
from realtime.benchmark.cases import Choice, Options
from realtime.benchmark.measure import Effort
from tests.benchmark.test_result import measured, result_of

ROOT = Path(__file__).parents[2]
HEAVY = {"av", "cv2", "matplotlib", "numpy", "onnxruntime", "rich", "safetensors", "torch"}


class Bench:
    """Stands in for the measuring and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: Options | None = None
        self.result = result_of(measured(), measured(rival=True, slower=30, whole=0.301))

    def __call__(self, options: Options, *, say: Any) -> dict[str, Any]:
        self.asked = options
        say("640x360: making a clip of 240 frames")
        return self.result


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(bench_run, "run_benchmark", made)
    return made


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from realtime.cli import main; code = main(['bench', '--help'])\n"
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    "option",
    "--style --size --video --against --output --backend --device --precision --batch --threads --rounds --json "
    "--quiet --debug".split(),
)
def test_bench_has_the_options_of_the_interface(restyle: Any, option: str) -> None:
    assert option in restyle("bench", "--help").out


def test_the_defaults(restyle: Any, bench: Bench) -> None:
    assert restyle("bench").code == 0
    assert bench.asked == Options("starry-night", choices=[Choice()], effort=Effort())


def test_every_option_arrives_and_what_repeats_is_combined(restyle: Any, bench: Bench) -> None:
    done = restyle(
        *"bench --style a.safetensors --size 640x360 --size 720 --video in.mp4 --against johnson --threads 3".split(),
        *"--backend torch --device cpu --device cuda:1 --precision fp32 --precision bf16 --batch 2 --encoder x".split(),
        *"--rounds 7 --seconds 2.5 --frames 99".split(),
    )
    assert done.code == 0, done.err
    assert bench.asked == Options(
        "a.safetensors",
        sizes=("640x360", "720"),
        video=Path("in.mp4"),
        choices=[
            Choice("torch", device, precision, 2)  # type: ignore[arg-type]
            for device in ("cpu", "cuda:1")
            for precision in ("fp32", "bf16")
        ],
        threads=3,
        encoder="x",
        against="johnson",
        effort=Effort(rounds=7, seconds=2.5, frames=99),
    )


def test_the_table_goes_to_stdout_and_messages_to_stderr(restyle: Any, bench: Bench) -> None:
    bench.result["warnings"] = ["other work ran on\nthis machine"]
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
    assert done.json == json.loads(json.dumps(bench.result))
    assert len(done.out.splitlines()) == 1


def test_outputs(restyle: Any, bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    paths = [tmp_path / f"out.{ending}" for ending in ("json", "md", "PNG")]
    done = restyle("bench", *(word for path in paths for word in ("--output", path)))
    assert done.code == 0, done.err
    assert json.loads(paths[0].read_text(encoding="utf-8")) == json.loads(json.dumps(bench.result))
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
        (["--backend", "tf"], "'auto', 'torch', 'onnx'"),
        (["--precision", "int4"], "'auto', 'fp32', 'fp16', 'bf16'"),
        (["--against", "gatys"], "johnson"),
        (["--batch", "0"], "1"),
        (["--rounds", "0"], "1"),
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


# restyle video --profile


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    from realtime.media.synthetic.natural import write_natural_clip

    path = tmp_path / "clip.mp4"
    write_natural_clip(path, frames=6, size=(64, 64))
    return path


@pytest.fixture
def style(tmp_path: Path) -> Path:
    from realtime.transnet.checkpoint import StyleCard, save_checkpoint
    from realtime.transnet.network import identity_network

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
