"""A run that was stopped continues as if it had not been, and needs no option again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.errors import InputError
from realtime.results import TrainProgress
from realtime.training.run import TrainingRun
from realtime.training.state import State
from realtime.training.trainer import resume, train
from realtime.transnet.checkpoint import load_checkpoint
from tests.helpers.marks import slow


def other(run: TrainingRun, name: str, **options: Any) -> TrainingRun:
    return replace(run, output=run.output.with_name(name), options=run.options.replace(**options))


def assert_same_weights(a: Path, b: Path) -> None:
    x, y = (load_checkpoint(path)[0].state_dict() for path in (a, b))
    assert x.keys() == y.keys()
    for name in x:
        assert torch.equal(x[name], y[name]), name


def stop_after(step: int, number: int) -> Any:
    def report(now: TrainProgress) -> None:
        if now.step == step:
            os.kill(os.getpid(), number)

    return report


@pytest.mark.parametrize(("step", "norm"), [slow(1, "batch"), (3, "batch"), slow(4, "batch"), slow(3, "instance")])
def test_a_signal_after_any_step(small: TrainingRun, step: int, norm: str) -> None:
    run, straight = other(small, "a.safetensors", norm=norm), other(small, "straight.safetensors", norm=norm)
    train(straight)
    first = train(run, report=stop_after(step, signal.SIGTERM))
    assert first.interrupted and not first.finished and first.steps == step
    second = resume(run.output)
    assert second.finished and second.steps == run.options.steps
    assert_same_weights(straight.output, run.output)


def test_a_crash_between_two_saves(small: TrainingRun) -> None:
    straight = other(small, "straight.safetensors")
    train(straight)

    def crash(now: TrainProgress) -> None:
        if now.step == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(small, report=crash)
    assert State.read(small.output).step == 2
    assert resume(small.output).finished
    assert_same_weights(straight.output, small.output)


@pytest.mark.slow
def test_all_losses_and_ways_of_computing(small: TrainingRun) -> None:
    teacher = other(small, "teacher.safetensors", steps=1, body=24)
    train(teacher)
    everything: dict[str, Any] = {
        "teacher": str(teacher.output),
        "adversarial": 0.1,
        "grid": 0.1,
        "local_style": 1.0,
        "accumulate": 2,
        "grad_checkpoint": True,
        "content_layers": (0, 1, 0, 1),
    }
    straight, run = (other(small, name, **everything) for name in ("straight.safetensors", "a.safetensors"))
    reports: list[TrainProgress] = []
    train(straight, report=reports.append)
    terms = {"content", "style", "temporal", "tv", "local_style", "grid", "teacher", "adversarial", "judge"}
    assert set(reports[0].losses) >= terms
    train(run, report=stop_after(3, signal.SIGINT))
    resume(run.output)
    assert_same_weights(straight.output, run.output)
    assert load_checkpoint(run.output)[1].recipe["pictures_seen"] == 6 * 2 * 2


@pytest.mark.slow
def test_the_command_needs_nothing_but_the_file(small: TrainingRun, tmp_path: Path) -> None:
    """Begun with relative paths in one folder, stopped by a signal, resumed from another folder."""
    steps = 30
    options = (
        "--width 8 --body 16 --dilations 1 --norm batch --contours none --cell 8 --batch 1 --size 64 --margin 8"
        f" --style-size 64 --variants 1 --precision fp32 --device cpu --threads 1 --steps {steps} --title Sea --tv 0.5"
    ).split()
    program = [sys.executable, "-m", "realtime.cli", "train"]
    files = [small.style_image.name, "--content", small.content[0].name, "--features", str(small.options.features)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def command(*words: str) -> list[str]:
        return [*program, *files, *options, *words]

    straight = subprocess.run(
        command("--output", "straight.safetensors", "--quiet"), cwd=tmp_path, env=environment, timeout=300
    )
    assert straight.returncode == 0
    with subprocess.Popen(
        command("--output", "a.safetensors"), cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("step 1/") for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(timeout=300) == 130
    assert "continue with --resume a.safetensors" in rest
    done = subprocess.run(
        [*program, "--resume", str(tmp_path / "a.safetensors"), "--quiet", "--json"],
        cwd=Path(tmp_path.anchor),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["finished"] and summary["steps"] == steps
    assert_same_weights(tmp_path / "straight.safetensors", tmp_path / "a.safetensors")
    assert load_checkpoint(tmp_path / "a.safetensors")[1].title == "Sea"


def test_what_may_change(small: TrainingRun, tmp_path: Path) -> None:
    train(other(small, "style.safetensors", until=2))
    elsewhere = tmp_path / "elsewhere" / "photographs"
    elsewhere.parent.mkdir()
    small.content[0].rename(elsewhere)
    with pytest.raises(InputError, match="photographs: no such folder"):
        resume(small.output)
    summary = resume(small.output, content=elsewhere, options={"until": 3, "threads": 1, "title": "Another"})
    assert (summary.steps, summary.finished) == (3, False)
    assert load_checkpoint(small.output)[1].title == "Another"
    assert resume(small.output).finished  # files are found where they were the last time, `until` is not kept


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"options": {"style_weight": 9.0}}, "--style-weight"),
        ({"options": {"steps": 7, "batch": 1}}, "--batch|--steps"),
        ({"options": {"width": 16}}, "--width"),
        ({"options": {"start": "udnie"}}, "--from"),
        ({"content": Path("others")}, "--content"),
        ({"style_image": Path("other.png")}, "STYLE_IMAGE"),
    ],
)
def test_the_recipe_may_not_change(small: TrainingRun, changes: dict[str, Any], named: str) -> None:
    train(other(small, "style.safetensors", until=1))
    with pytest.raises(InputError, match=f"other values of .*({named}).*start a new run with --from"):
        resume(small.output, **changes)


def test_the_number_of_processes_may_not_change(small: TrainingRun) -> None:
    train(other(small, "style.safetensors", until=1))
    replace(State.read(small.output), processes=2).write()
    with pytest.raises(InputError, match="had 2 processes, not 1"):
        resume(small.output)
