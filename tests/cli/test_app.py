"""The command line without any work: help, exit codes, messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime.cli import styles as styles_command
from realtime.cli import video as video_command
from realtime.errors import InputError, RestyleError

ROOT = Path(__file__).parents[2]
COMMANDS = ["video", "image", "webcam", "demo", "styles", "paint", "train", "evaluate", "export", "bench", "doctor"]
HEAVY = {"av", "cv2", "lightning_fabric", "numpy", "onnx", "onnxruntime", "rich", "safetensors", "torch", "torchvision"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "args", [["--help"], *[[command, "--help"] for command in COMMANDS], ["--version"]], ids=" ".join
)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    # Not timed, for a loaded machine would fail it: help is quick as long as these stay out.
    done = python(
        "import sys; from realtime.cli import main; code = main(" + repr(args) + ")\n"
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules))); sys.exit(code)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_help_names_every_command(restyle: Any) -> None:
    done = restyle("--help")
    assert done.code == 0
    assert all(command in done.out for command in COMMANDS)


@pytest.mark.parametrize(
    "option",
    "--style --size --strength --keep-color --start --end --encoder --quality --compare --overwrite --json --backend "
    "--device --precision --batch --threads --debug --quiet".split(),
)
def test_video_has_the_options_of_the_interface(restyle: Any, option: str) -> None:
    assert option in restyle("video", "--help").out


@pytest.mark.parametrize(
    "option",
    "--content --output --features --steps --batch --size --temporal --tv --content-weight --style-weight --from "
    "--minutes --resume --seed".split(),
)
def test_train_has_the_options_of_the_interface(restyle: Any, option: str) -> None:
    assert option in restyle("train", "--help").out


def test_no_command_shows_the_help(restyle: Any) -> None:
    done = restyle()
    assert done.code == 2
    assert "Commands:" in done.err


GOOD = ["video", "in.mp4", "out.mp4", "--style", "starry-night"]


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (["vidoe"], "video"),
        (["video"], "INPUT"),
        (["video", "in.mp4"], "OUTPUT"),
        (["video", "in.mp4", "out.mp4"], "--style"),
        ([*GOOD, "--colour"], "--colour"),
        ([*GOOD, "--backend", "tf"], "'auto', 'torch', 'onnx'"),
        ([*GOOD, "--precision", "int4"], "'auto', 'fp32', 'fp16', 'bf16'"),
        ([*GOOD, "--device", "gpu"], "auto, cpu, cuda, cuda:N, mps"),
        ([*GOOD, "--batch", "0"], "equal to 1"),
        ([*GOOD, "--threads", "many"], "--threads"),
        ([*GOOD, "--strength", "1.5"], "between 0 and 1"),
        ([*GOOD, "--strength", "nan"], "between 0 and 1"),
        ([*GOOD, "--size", "0"], "640x360"),
        ([*GOOD, "--size", "640×360"], "640x360"),
        ([*GOOD, "--start", "soon"], "[HH:]MM:SS"),
        ([*GOOD, "--end", "1:75"], "[HH:]MM:SS"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_bad_usage_is_one_line_that_says_what_is_right(restyle: Any, args: list[str], wanted: str) -> None:
    done = restyle(*args)
    assert done.code == 2
    assert wanted in done.error
    assert "--help" in done.error
    assert done.out == ""


def failing(error: BaseException) -> Any:
    def fail(*args: object, **options: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RestyleError("the disk\nis full"), 1, "error: the disk is full"),
        (InputError("clip.mp4: no such file"), 2, "error: clip.mp4: no such file"),
        (ZeroDivisionError("by zero"), 1, "error: unexpected ZeroDivisionError: by zero (run again with --debug"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    restyle: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, message: str
) -> None:
    monkeypatch.setattr(video_command, "make_stylizer", failing(error))
    done = restyle(*GOOD, "--json")
    assert done.code == code
    assert done.error.startswith(message)
    assert done.out == ""


@pytest.mark.parametrize("args", [["--debug", *GOOD], [*GOOD, "--debug"]], ids=["before", "after"])
@pytest.mark.parametrize("error", [RestyleError("bad"), ValueError("bad")], ids=["ours", "unexpected"])
def test_debug_shows_the_traceback(
    restyle: Any, monkeypatch: pytest.MonkeyPatch, args: list[str], error: Exception
) -> None:
    monkeypatch.setattr(video_command, "make_stylizer", failing(error))
    done = restyle(*args)
    assert done.code == 1
    assert "Traceback" in done.err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_like_ctrl_c(restyle: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such signals")
    number = getattr(signal, name)
    before = signal.getsignal(number)
    if before == signal.SIG_IGN:
        pytest.skip(f"{name} is ignored here, and then stays ignored")

    def killed(*args: object, **options: object) -> None:
        os.kill(os.getpid(), number)
        signal.sigtimedwait([], 5)  # interrupted by the signal

    monkeypatch.setattr(video_command, "make_stylizer", killed)
    done = restyle(*GOOD)
    assert done.code == 130
    assert done.err == "interrupted\n"
    assert signal.getsignal(number) == before


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    if os.name == "nt":
        pytest.skip("needs a POSIX shell")
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m realtime.cli video --help | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr


def test_styles_as_a_table_and_as_json(restyle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = pytest.importorskip("realtime.transnet.gallery")
    checkpoint = pytest.importorskip("realtime.transnet.checkpoint")
    card = checkpoint.StyleCard("starry-night", "The Starry Night", "Vincent van Gogh", 1889, path=Path("a/b"))
    monkeypatch.setattr(gallery, "styles", lambda: [card])
    table = restyle("styles")
    assert table.code == 0
    assert "starry-night" in table.out
    assert "Vincent van Gogh" in table.out
    (style,) = restyle("styles", "--json").json["styles"]
    assert (style["name"], style["year"]) == ("starry-night", 1889)
    assert style["macs_per_pixel"] > 0
    assert styles_command  # the command looks the gallery up when it runs
