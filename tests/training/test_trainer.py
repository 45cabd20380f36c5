"""The loop: it learns, it stops and goes on as if it had not, and it refuses what it cannot use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from realtime.errors import InputError
from realtime.perception.features import NetworkName
from realtime.training.config import TrainConfig
from realtime.training.trainer import StepReport, Trainer, state_path, train
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.network import Architecture, Norm
from tests.helpers.pictures import torchvision_weights

TINY = Architecture(width=8, body=16, dilations=(1,))


@pytest.fixture
def config(tmp_path: Path, painting: Path, photographs: Path, vgg: Path) -> TrainConfig:
    return TrainConfig(
        style_image=painting,
        content=photographs,
        output=tmp_path / "style.safetensors",
        features=vgg,
        architecture=TINY,
        steps=6,
        batch=2,
        size=64,
        margin=8,
        style_size=64,
        warmup=2,
        variants=2,
        temporal=1.0,
        tv=0.1,
        precision="fp32",
        save_every=2,
        preview_every=4,
        title="A Painting",
        artist="A. Painter",
        year=1900,
    )


def run(config: TrainConfig) -> list[dict[str, float]]:
    reports: list[StepReport] = []
    train(config, reports.append)
    return [r.losses for r in reports]


def test_a_run_learns_and_leaves_a_checkpoint(config: TrainConfig) -> None:
    # Style alone: against a random loss network the content would pull the other way. Norms stay as they are in
    # training, for their statistics need more steps than these.
    alone = replace(config, content_weight=0.0, temporal=0.0, tv=0.0, freeze_norm=1.0)
    losses = run(replace(alone, steps=30, learning_rate=3e-3))
    assert losses[-1]["style"] < 0.8 * losses[0]["style"]  # a running mean: the losses themselves fall further
    network, card = load_checkpoint(config.output)
    assert (card.name, card.title, card.artist, card.year) == ("style", "A Painting", "A. Painter", 1900)
    assert card.recipe["steps_done"] == 30 and card.recipe["pictures_seen"] == 60
    assert card.architecture == TINY
    assert str(config.output.parent) not in str(card.recipe)  # nothing of the machine
    assert network(torch.zeros(1, 24, 4, 4)).isfinite().all()
    assert config.output.with_name("style.preview.png").is_file()


@pytest.mark.parametrize(("stop_after", "norm"), [(1, "batch"), (3, "batch"), (4, "batch"), (3, "instance")])
def test_stopping_and_resuming_changes_nothing(
    config: TrainConfig, tmp_path: Path, stop_after: int, norm: Norm
) -> None:
    """A signal after any step; the losses of the rest and the weights are those of a run that was not stopped."""
    config = replace(config, architecture=replace(TINY, norm=norm))
    straight = replace(config, output=tmp_path / "straight.safetensors")
    train(straight)

    def kill(report: StepReport) -> None:
        if report.step == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    first = train(config, kill)
    assert first["interrupted"] and not first["finished"] and first["steps"] == stop_after
    second = train(replace(config, resume=True))
    assert second["finished"] and second["steps"] == config.steps
    a, b = load_checkpoint(straight.output)[0].state_dict(), load_checkpoint(config.output)[0].state_dict()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_same_seed_same_losses(config: TrainConfig, tmp_path: Path) -> None:
    a = run(config)
    assert a == run(replace(config, output=tmp_path / "b.safetensors"))
    assert a != run(replace(config, output=tmp_path / "c.safetensors", seed=1))


def test_starting_from_a_style(config: TrainConfig, tmp_path: Path) -> None:
    run(config)
    started = run(replace(config, output=tmp_path / "b.safetensors", start=str(config.output), steps=1))
    assert started[0]["style"] != run(replace(config, output=tmp_path / "c.safetensors", steps=1))[0]["style"]
    larger = Architecture(norm="none")
    other = replace(config, output=tmp_path / "d.safetensors", start=str(config.output), architecture=larger)
    with pytest.raises(InputError, match="does not grow"):
        train(other)


def test_contours_can_be_added_to_a_trained_style(config: TrainConfig, tmp_path: Path) -> None:
    """They begin without influence: the grown network gives what the one it came from gives."""
    run(replace(config, architecture=replace(TINY, contours=()), steps=2))
    grown = Trainer(replace(config, output=tmp_path / "b.safetensors", start=str(config.output))).averaged()
    planes = torch.randn(1, 24, 4, 4)
    with torch.no_grad():
        assert torch.allclose(grown(planes), load_checkpoint(config.output)[0](planes), atol=1e-5)


@pytest.fixture
def everything(config: TrainConfig, tmp_path: Path) -> TrainConfig:
    """All terms and ways of computing at once."""
    teacher = replace(config, output=tmp_path / "teacher.safetensors", steps=1, architecture=replace(TINY, body=24))
    train(teacher)
    return replace(
        config,
        teacher=str(teacher.output),
        adversarial=0.1,
        grid=0.1,
        local_style=1.0,
        accumulate=2,
        grad_checkpoint=True,
        content_layers=(0.0, 1.0, 0.0, 1.0),
    )


def test_all_terms_resume_too(everything: TrainConfig, tmp_path: Path) -> None:
    straight = replace(everything, output=tmp_path / "straight.safetensors")
    expected = run(straight)
    terms = {"content", "style", "temporal", "tv", "local_style", "grid", "teacher", "adversarial", "judge"}
    assert set(expected[0]) >= terms

    def kill(report: StepReport) -> None:
        if report.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    train(everything, kill)
    train(replace(everything, resume=True))
    a, b = load_checkpoint(straight.output)[0].state_dict(), load_checkpoint(everything.output)[0].state_dict()
    for name in a:
        assert torch.equal(a[name], b[name]), name
    assert load_checkpoint(straight.output)[1].recipe["pictures_seen"] == 6 * 2 * 2


def test_accumulated_batches_are_one_batch(config: TrainConfig, tmp_path: Path) -> None:
    """Two batches of two give the gradient of one of four; batch norm apart, which sees each batch alone."""
    plain = replace(config, architecture=replace(TINY, norm="none"), temporal=0.0, steps=3, variants=4)
    train(replace(plain, batch=4))
    train(replace(plain, batch=2, accumulate=2, output=tmp_path / "b.safetensors"))
    a = load_checkpoint(plain.output)[0].state_dict()
    b = load_checkpoint(tmp_path / "b.safetensors")[0].state_dict()
    for name in a:
        assert torch.allclose(a[name], b[name], atol=2e-4), name


@pytest.mark.parametrize("term", ["adversarial", "teacher", "clips"])
def test_a_term_changes_what_is_learned(config: TrainConfig, tmp_path: Path, term: str) -> None:
    short = replace(config, steps=2)
    without = run(short)
    extra: dict = {"adversarial": 1.0, "teacher": str(config.output), "clips": tmp_path / "clips"}
    if term == "clips":
        from tests.helpers.clips import Clip

        (tmp_path / "clips").mkdir()
        Clip(tmp_path / "clips" / "a.mp4", frames=10, size=(128, 112)).make()
    with_it = run(replace(short, output=tmp_path / "b.safetensors", **{term: extra[term]}))
    assert with_it[0]["style"] == without[0]["style"]  # the same pictures
    assert with_it[1] != without[1]


def test_a_student_comes_closer_to_its_teacher(config: TrainConfig, tmp_path: Path) -> None:
    alone = {"content_weight": 0.0, "style_weight": 0.0, "temporal": 0.0, "tv": 0.0, "freeze_norm": 1.0}
    teacher = replace(config, output=tmp_path / "teacher.safetensors", steps=2)
    train(teacher)
    student = replace(config, teacher=str(teacher.output), steps=25, learning_rate=3e-3, seed=4, **alone)
    losses = run(student)
    assert losses[-1]["teacher"] < 0.8 * losses[0]["teacher"]


def test_tensorboard_logs(config: TrainConfig, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reports: list[StepReport] = []
    train(replace(config, steps=20, save_every=20, preview_every=20, log_dir=tmp_path / "logs"), reports.append)
    events = EventAccumulator(str(tmp_path / "logs" / "style"), size_guidance={"images": 0})
    events.Reload()
    content = events.Scalars("loss/content")
    assert [event.step for event in content] == [10, 20]
    assert 0 < content[0].value < 100
    assert events.Images("preview")


FILL = """
import resource, sys
from pathlib import Path
from realtime.errors import RestyleError
from realtime.perception.features import NetworkName
from realtime.training.config import TrainConfig
from realtime.training.trainer import train
from realtime.transnet.network import Architecture

def fill(report):
    if report.step == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

painting, photographs, output, vgg = map(Path, sys.argv[1:])
small = dict(steps=6, batch=1, size=64, margin=8, style_size=64, precision="fp32", save_every=2, threads=1)
config = TrainConfig(
    painting, photographs, output, features=vgg, architecture=Architecture(width=8, body=16, dilations=(1,)), **small
)
try:
    train(config, fill)
except RestyleError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
from dataclasses import replace
from realtime.transnet.checkpoint import load_checkpoint
print("steps", load_checkpoint(output)[1].recipe["steps_done"])
print("finished", train(replace(config, resume=True))["finished"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits on this system")
def test_a_full_disk_keeps_the_last_good_state(config: TrainConfig) -> None:
    """The file size limit of the system, lowered in the middle of a run, refuses as a full disk does.

    In a process of its own, for the limit would hold for the test run's own output, too.
    """
    words = [str(path) for path in (config.style_image, config.content, config.output, config.features)]
    done = subprocess.run([sys.executable, "-c", FILL, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    error, steps, finished = done.stdout.splitlines()
    assert "style.safetensors" in error and "cannot be written" in error
    assert (steps, finished) == ("steps 2", "finished True")
    assert not list(config.output.parent.glob("*.part*"))


def test_two_processes_are_one_run(config: TrainConfig, tmp_path: Path) -> None:
    """torchrun, twice one picture a step, gives what one process gives with two batches of one."""
    plain = replace(config, architecture=replace(TINY, norm="none"), batch=1, steps=3, tv=0.0, warmup=200)
    train(replace(plain, accumulate=2))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "realtime.cli", "train", str(plain.style_image), "--content", str(plain.content)]
    command += ["--output", str(tmp_path / "two.safetensors"), "--features", str(plain.features)]
    command += ["--width", "8", "--body", "16", "--dilations", "1", "--norm", "none", "--device", "cpu"]
    command += ["--cell", "8", "--contours", "4,8,16,32"]
    command += ["--steps", "3", "--batch", "1", "--size", "64", "--margin", "8", "--style-size", "64"]
    command += ["--variants", "2", "--temporal", "1", "--precision", "fp32", "--threads", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summaries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [s["processes"] for s in summaries] == [2]  # the first process speaks for all
    a, _ = load_checkpoint(plain.output)
    b, card = load_checkpoint(tmp_path / "two.safetensors")
    assert card.recipe["pictures_seen"] == 6
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.allclose(x, y, atol=2e-4), name  # sums are taken in another order


def test_until_and_the_legs_of_a_run(config: TrainConfig, tmp_path: Path) -> None:
    """A run that ends early can be made again, and one that starts from another's file tells of both."""
    summary = train(replace(config, until=4))
    assert summary["steps"] == 4 and not summary["finished"] and not summary["interrupted"]
    train(replace(config, start=str(config.output), output=tmp_path / "b.safetensors", steps=2))
    last = load_checkpoint(tmp_path / "b.safetensors")[1].recipe
    assert [leg["steps_done"] for leg in last["legs"]] == [4]
    assert last["start"] == "style" and last["legs"][0]["output"] == "style.safetensors"
    train(replace(config, start=str(tmp_path / "b.safetensors"), output=tmp_path / "c.safetensors", steps=1))
    legs = load_checkpoint(tmp_path / "c.safetensors")[1].recipe["legs"]
    assert [leg["steps_done"] for leg in legs] == [4, 2] and "legs" not in legs[1]


def test_minutes(config: TrainConfig) -> None:
    summary = train(replace(config, minutes=0.0))
    assert summary["steps"] == 0 and not summary["finished"]
    assert state_path(config.output).is_file()


def test_refusals(config: TrainConfig, tmp_path: Path) -> None:
    cases = [
        (replace(config, style_image=tmp_path / "none.png"), "none.png: no such picture"),
        (replace(config, content=tmp_path / "none"), "no such folder"),
        (replace(config, features=tmp_path / "none.safetensors"), "no such file"),
        (replace(config, features=config.style_image), "not the weights"),
        (replace(config, output=tmp_path / "style.pt"), "safetensors"),
        (replace(config, output=tmp_path / "none" / "style.safetensors"), "no such folder"),
        (replace(config, resume=True), "no state to resume"),
    ]
    for case, reason in cases:
        with pytest.raises(InputError, match=reason):
            train(case)
        assert not case.output.exists()
    run(replace(config, steps=2))
    with pytest.raises(InputError, match="exists; use --overwrite"):
        train(config)
    with pytest.raises(InputError, match="other settings for style_weight"):
        train(replace(config, steps=2, resume=True, style_weight=9.0))
    state_path(config.output).write_bytes(b"damaged")
    with pytest.raises(InputError, match="state of the run is damaged"):
        train(replace(config, steps=2, resume=True))


@pytest.mark.parametrize(
    "values",
    [
        {"size": 60},
        {"size": 100},
        {"steps": 0},
        {"layer_weights": (0.0, 0, 0, 0)},
        {"ema": 1.0},
        {"margin": 3},
        {"accumulate": 0},
        {"content_layers": (1.0, -1.0, 1.0, 1.0)},
        {"clips": Path("x"), "temporal": 0.0},
        {"flow": "none"},
        {"style_pool": 4},
        {"loss_network": "alexnet"},
    ],
)
def test_config_refuses(config: TrainConfig, values: dict) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        replace(config, **values)


@pytest.mark.parametrize(("name", "model"), [("mobilenet", "mobilenet_v2"), ("squeezenet", "squeezenet1_1")])
def test_light_loss_networks_train(config: TrainConfig, tmp_path: Path, name: NetworkName, model: str) -> None:
    weights = torchvision_weights(tmp_path / "weights.safetensors", model)
    alone = replace(config, content_weight=0.0, temporal=0.0, tv=0.0, freeze_norm=1.0, steps=12, learning_rate=3e-3)
    losses = run(replace(alone, loss_network=name, features=weights))
    assert losses[-1]["style"] < losses[0]["style"]
    assert load_checkpoint(config.output)[1].recipe["loss_network"] == name


def test_the_usual_loss_network_is_not_named(config: TrainConfig) -> None:
    """States and recipes from before there was a choice stay what they are."""
    assert "loss_network" not in config.to_dict()
