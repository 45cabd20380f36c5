"""The command line without any work: help, exit codes, messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from realtime.cli.command import command
from realtime.errors import InputError, RestyleError
from realtime.options import ConsoleOptions
from tests.helpers.commands import Restyle
from tests.helpers.processes import ROOT, python

COMMANDS = [
    "video",
    "image",
    "webcam",
    "demo",
    "styles",
    "paint",
    "learn",
    "train",
    "evaluate",
    "export",
    "bench",
    "doctor",
]
HEAVY = set("av cv2 lightning_fabric matplotlib numpy onnx onnxruntime rich safetensors torch torchvision".split())


@pytest.mark.parametrize(
    "args", [["--help"], *[[command, "--help"] for command in COMMANDS], ["--version"]], ids=" ".join
)
def test_help_imports_no_heavy_package(args: list[str]) -> None:
    # Not timed: the time depends on the machine's load. Help is quick as long as these packages are not imported.
    done = python(
        "import sys; from realtime.cli import main; code = main(" + repr(args) + ")\n"
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules))); sys.exit(code)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_help_names_every_command(restyle: Restyle) -> None:
    done = restyle("--help")
    assert done.code == 0
    assert all(command in done.out for command in COMMANDS)


@pytest.mark.parametrize(
    "option",
    "--style --size --strength --texture --keep-color --start --end --encoder --quality --compare --overwrite --json "
    "--backend --device --precision --batch --threads --debug --quiet".split(),
)
def test_video_has_the_options_of_the_interface(restyle: Restyle, option: str) -> None:
    assert option in restyle("video", "--help").out


@pytest.mark.parametrize(
    "option",
    "--content --output --features --steps --batch --size --temporal --tv --content-weight --style-weight --from "
    "--minutes --resume --seed".split(),
)
def test_train_has_the_options_of_the_interface(restyle: Restyle, option: str) -> None:
    assert option in restyle("train", "--help").out


@pytest.mark.parametrize("option", "--minutes --on --content --features --paint --stroke --resume --overwrite".split())
def test_learn_has_the_options_of_the_interface(restyle: Restyle, option: str) -> None:
    assert option in restyle("learn", "--help").out


def test_no_command_shows_the_help(restyle: Restyle) -> None:
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
        ([*GOOD, "--batch", "0"], "--batch: 0 is not 1 or more"),
        ([*GOOD, "--threads", "many"], "--threads"),
        ([*GOOD, "--strength", "1.5"], "between 0 and 1"),
        ([*GOOD, "--strength", "nan"], "between 0 and 1"),
        ([*GOOD, "--texture", "1.5"], "between 0 and 1"),
        ([*GOOD, "--size", "0"], "640x360"),
        ([*GOOD, "--size", "640×360"], "640x360"),
        ([*GOOD, "--start", "soon"], "[HH:]MM:SS"),
        ([*GOOD, "--end", "1:75"], "[HH:]MM:SS"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_bad_usage_is_one_line_with_the_right_usage(restyle: Restyle, args: list[str], wanted: str) -> None:
    done = restyle(*args)
    assert done.code == 2
    assert wanted in done.error
    assert "--help" in done.error
    assert done.out == ""


def application(work: Callable[[], None]) -> typer.Typer:
    """A command `work` that does this."""
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    def function(console: ConsoleOptions) -> None:
        work()

    command(made, "work")(function)
    made.command("other")(lambda: None)
    return made


def failing(error: BaseException) -> typer.Typer:
    """A command that fails."""

    def fail() -> None:
        raise error

    return application(fail)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RestyleError("the disk\nis full"), 1, "error: the disk is full"),
        (InputError("clip.mp4: no such file"), 2, "error: clip.mp4: no such file"),
        (ZeroDivisionError("by zero"), 1, "error: unexpected ZeroDivisionError: by zero (run again with --debug"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_one_line_and_an_exit_code(restyle: Restyle, error: Exception, code: int, message: str) -> None:
    done = restyle("work", "--json", application=failing(error))
    assert done.code == code
    assert done.error.startswith(message)
    assert done.out == ""


@pytest.mark.parametrize("error", [RestyleError("bad"), ValueError("bad")], ids=["ours", "unexpected"])
def test_debug_shows_the_traceback(restyle: Restyle, error: Exception) -> None:
    done = restyle("work", "--debug", application=failing(error))
    assert done.code == 1
    assert "Traceback" in done.err


def test_debug_before_the_command(restyle: Restyle, tmp_path: Path) -> None:
    done = restyle("--debug", "image", tmp_path / "none.png", tmp_path / "out.png", "--style", "no-such-style")
    assert done.code == 2 and "Traceback" in done.err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_ends_like_ctrl_c(restyle: Restyle, name: str) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such signals")
    number = getattr(signal, name)
    before = signal.getsignal(number)
    if before == signal.SIG_IGN:
        pytest.skip(f"{name} is ignored here, and then stays ignored")

    def killed() -> None:
        os.kill(os.getpid(), number)
        signal.sigtimedwait([], 5)  # interrupted by the signal

    done = restyle("work", application=application(killed))
    assert (done.code, done.err) == (130, "interrupted\n")
    assert signal.getsignal(number) == before


def test_a_closed_pipe_gives_no_traceback() -> None:
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
