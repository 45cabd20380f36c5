"""Runs of the trainer: they lower the loss, end and continue as they should, and leave files that can be used."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from realtime.engines.workers import using_threads
from realtime.errors import InputError
from realtime.results import AnyTrainProgress, AnyTrainSummary
from realtime.training.any_painting import pools
from realtime.training.any_painting.features import load_features
from realtime.training.any_painting.objective import TERMS, Objective
from realtime.training.any_painting.pools import Seed
from realtime.training.any_painting.processes import Processes
from realtime.training.any_painting.run import AnyTrainRun
from realtime.training.any_painting.state import AnyState, is_state_of_any_painting
from realtime.training.any_painting.trainer import AnyTrainer, resume_any, train_any, version_of
from realtime.training.state import state_path
from realtime.transnet.hypernetwork import load_any_painting
from tests.helpers.pictures import paint


def other(run: AnyTrainRun, name: str, **options: Any) -> AnyTrainRun:
    return replace(run, output=run.output.with_name(name), options=run.options.replace(**options))


def assert_same_weights(a: Path, b: Path) -> None:
    x, y = (load_any_painting(path)[0].state_dict() for path in (a, b))
    for name in x:
        assert torch.equal(x[name], y[name]), name


def moved(run: AnyTrainRun, folder: Path) -> AnyTrainRun:
    """A finished run with its files in another folder."""
    for path in run.output.parent.glob("any.*"):
        shutil.copy(path, folder)
    return replace(run, output=folder / run.output.name)


def after(step: int, action: Any) -> Any:
    def report(now: AnyTrainProgress) -> None:
        if now.step == step:
            action()

    return report


@pytest.fixture(scope="module", autouse=True)
def _small_strokes() -> Iterator[None]:
    """Strokes so small that looking at a painting is quick; test_pools.py has the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "target_sides", lambda: [64, 72])
        yield


@pytest.fixture(scope="module")
def done(paintings: Path, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AnyTrainRun, Any]:
    """A finished run, its summary and its reports."""
    from tests.training.any_painting.conftest import small_run

    folder = tmp_path_factory.mktemp("done")
    held_out = folder / "held-out"
    held_out.mkdir()
    Image.open(paintings / "1.png").resize((90, 75)).save(held_out / "copy.jpg", quality=40)
    run = replace(small_run(folder, paintings, photographs), hold_out=(held_out,))
    reports: list[AnyTrainProgress] = []
    return run, (train_any(run, report=reports.append), reports)


def test_the_summary_and_the_reports(done: tuple[AnyTrainRun, Any]) -> None:
    _, (summary, reports) = done
    assert summary.finished and not summary.interrupted and (summary.steps, summary.skipped) == (4, 0)
    assert (summary.device, summary.precision, summary.processes, summary.graph) == ("cpu", "fp32", 1, False)
    assert summary.held_out == (("1.png", "copy.jpg"),)
    assert (summary.paintings, summary.photographs) == (4, 4)  # one is held out, one is two squares
    assert [now.step for now in reports] == [1, 2, 3, 4]
    assert [now.share for now in reports] == [0.25, 0.5, 0.75, 1]
    assert reports[-1].seconds_left == 0 < reports[0].seconds_left
    pace = reports[1].steps_per_second
    assert reports[1].seconds_left == pytest.approx(2 / pace)
    assert summary.losses.keys() == reports[0].losses.keys() >= {"content", "gram", "temporal", "gradient"}
    assert AnyTrainSummary.from_json(json.loads(json.dumps(summary.to_json()))).losses == summary.losses


def test_the_network_can_be_used(done: tuple[AnyTrainRun, Any]) -> None:
    run, _ = done
    network, card = load_any_painting(run.output)
    assert card.version == version_of(network) and len(card.version) == 12
    assert card.recipe["steps_done"] == 4 and card.recipe["squares"] == [4] and card.recipe["folders"] == ["paintings"]
    assert "/" not in json.dumps(card.recipe)
    encoder = load_features(None, torch.device("cpu"), torch.float32)
    emitted = network.emit(network.statistics(encoder(torch.rand(1, 3, 256, 256)))[0])
    with torch.no_grad():
        assert bool(emitted(torch.rand(1, 28, 16, 16)).isfinite().all())


def test_the_preview_and_the_card(done: tuple[AnyTrainRun, Any]) -> None:
    run, (summary, _) = done
    sheet = np.asarray(Image.open(summary.preview))
    assert sheet.shape == (256 * 5, 256 * 5, 3)  # four paintings below, four photographs beside
    text = run.output.with_suffix(".md").read_text()
    assert text.startswith("# any\n") and "Sources and licences of the pictures: unknown." in text
    assert (
        "`paintings`, 3 files, 4 squares" in text and "held out: what shows a painting of `held-out` (1 file)" in text
    )
    assert "| palette | 0.2 |" in text and "4 steps of 2 paintings with 1 photographs each" in text


def test_a_run_that_was_stopped_continues_as_if_it_had_not_been(done: tuple[AnyTrainRun, Any], tmp_path: Path) -> None:
    straight, run = done[0], replace(done[0], output=tmp_path / "any.safetensors")
    first = train_any(run, report=after(2, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert first.interrupted and not first.finished and first.steps == 2
    assert is_state_of_any_painting(run.output)
    second = resume_any(run.output)
    assert second.finished and second.steps == 4
    assert_same_weights(straight.output, run.output)
    wanted, found = AnyState.read(straight.output), AnyState.read(run.output)
    for name, value in wanted.tensors.items():
        assert torch.equal(value, found.tensors[name]), name


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_its_last_state(done: tuple[AnyTrainRun, Any], tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    straight, run = (
        done[0],
        other(replace(done[0], output=tmp_path / "any.safetensors"), "any.safetensors", save_minutes=0),
    )
    with pytest.raises(Killed):
        train_any(run, report=after(3, kill))
    assert AnyState.read(run.output).step == 2
    assert load_any_painting(run.output)[1].recipe["steps_done"] == 2
    resume_any(run.output)
    assert_same_weights(straight.output, run.output)


@pytest.mark.slow
def test_a_run_has_the_time_that_it_is_given(small: AnyTrainRun) -> None:
    timed = other(small, "timed.safetensors", steps=None, minutes=0.02)
    summary = train_any(timed)
    assert summary.finished and summary.steps >= 1 and summary.seconds >= 1.2
    again = resume_any(timed.output)  # its time is over
    assert again.finished and again.steps == summary.steps


@pytest.mark.slow
def test_training_lowers_the_loss_on_what_was_not_seen(small: AnyTrainRun) -> None:
    """On other draws than those of the run, and by the mean weights, which are what is saved."""
    with Processes("cpu") as processes:
        trainer = AnyTrainer(other(small, "long.safetensors", steps=60, warmup=5, ema=0.9), processes)
    batches = [trainer.shape.draw(step, Seed(99), trainer.device) for step in range(4)]

    def losses() -> Tensor:
        trainer.paintings.fill(1000)
        trainer.photographs.fill(1000)
        objective = copy(trainer.learner.loss)
        assert isinstance(objective, Objective)
        objective.network = trainer.learner.average
        with torch.no_grad():
            return torch.stack([objective(batch)[1] for batch in batches]).mean(0)

    with using_threads(1):  # the same numbers in every run
        before = losses()
        trainer.paintings.fill(0)
        trainer.photographs.fill(0)
        trainer.train()
        after = losses()
    for name in ("gram", "swd"):
        assert float(after[TERMS.index(name)]) < 0.85 * float(before[TERMS.index(name)]), name


def test_a_few_steps_lower_the_loss_on_the_same_batch(small: AnyTrainRun) -> None:
    with Processes("cpu") as processes:
        trainer = AnyTrainer(other(small, "few.safetensors", learning_rate=4e-3), processes)
    batch = trainer.shape.draw(0, trainer.seed, trainer.device)
    trainer.learner.set_rates(4e-3, 1.0)
    found = [float(trainer.learner.loss(batch)[0].detach())]
    for _ in range(5):
        trainer.learner(batch)
        found.append(float(trainer.learner.loss(batch)[0].detach()))
    assert found[-1] < 0.9 * found[0]
    assert version_of(trainer.learner.average) == version_of(trainer.learner.network)  # nothing else is in the mean


def test_a_run_starts_from_a_network(small: AnyTrainRun, done: tuple[AnyTrainRun, Any]) -> None:
    start, _ = done
    options = small.options.replace(start=str(start.output), width=None, body=None, dilations=None)
    run = AnyTrainRun.new(small.folders, small.content, small.output, options)
    assert run.architecture == start.architecture
    with Processes("cpu") as processes:
        trainer = AnyTrainer(run, processes)
    assert version_of(trainer.learner.network) == load_any_painting(start.output)[1].version


def test_outputs_that_cannot_be(small: AnyTrainRun) -> None:
    with pytest.raises(InputError, match=r"name ends in \.safetensors"):
        train_any(other(small, "a.pt"))
    with pytest.raises(InputError, match="no such folder"):
        train_any(replace(small, output=small.output.parent / "nowhere" / "a.safetensors"))
    small.output.touch()
    with pytest.raises(InputError, match="replace it with --overwrite, or continue its run with --resume"):
        train_any(small)


def test_bad_folders(small: AnyTrainRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder of pictures"):
        train_any(replace(small, folders=(tmp_path / "nowhere",)))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="empty: no pictures in this folder"):
        train_any(replace(small, content=empty))
    with pytest.raises(InputError, match="empty: no pictures in this folder"):
        train_any(replace(small, hold_out=(empty,)))
    paint(empty / "only.png", 0)
    with pytest.raises(InputError, match="empty: none of its pictures can be used"):
        train_any(replace(small, folders=(empty,), hold_out=(empty,)))


def test_weights_of_something_else(small: AnyTrainRun, tmp_path: Path) -> None:
    for name, content in (("missing", None), ("broken", b"x")):
        path = tmp_path / f"{name}.safetensors"
        if content:
            path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.safetensors: (no such file|not the weights of VGG-19)"):
            train_any(other(small, "a.safetensors", features=path))


def test_states_that_cannot_be_continued(done: tuple[AnyTrainRun, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the state of the run is damaged, or of another version"):
        resume_any(tmp_path / "any.safetensors")
    run = moved(done[0], tmp_path)
    with pytest.raises(InputError, match=r"other values of --swd, --seed; .*--from"):
        resume_any(run.output, options={"swd": 1.0, "seed": 3, "steps": 9})
    state = AnyState.read(run.output)
    replace(state, processes=2).write()
    with pytest.raises(InputError, match="had 2 processes, not 1"):
        resume_any(run.output)
    data = state_path(run.output).read_bytes()
    state_path(run.output).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged"):
        resume_any(run.output)


@pytest.mark.slow
def test_states_of_other_pictures_and_other_networks(
    done: tuple[AnyTrainRun, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = moved(done[0], tmp_path)
    state = AnyState.read(run.output)
    replace(state, pictures=[1, 1]).write()
    with caplog.at_level(logging.WARNING):
        assert resume_any(run.output).steps == 4
    assert "there were [1, 1] pictures before" in caplog.text
    replace(state, tensors={k: v for k, v in state.tensors.items() if k != "skipped"}).write()
    with pytest.raises(InputError, match="the state of the run is damaged"):
        resume_any(run.output)
