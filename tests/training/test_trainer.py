"""The training loop: it learns, and refuses unusable input."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.errors import InputError
from realtime.options import LossNetworkName
from realtime.results import TrainProgress
from realtime.training.paths import state_path
from realtime.training.run import TrainingRun
from realtime.training.trainer import Trainer, averaged, resume, train
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.clips import Clip
from tests.helpers.marks import slow
from tests.helpers.pictures import torchvision_weights

ALONE: dict[str, Any] = {"content_weight": 0.0, "temporal": 0.0, "tv": 0.0, "freeze_norm": 1.0}
"""Style alone: against a random loss network the content would pull in another direction. Norms keep training, because
their statistics need more steps than a test has."""


def other(run: TrainingRun, name: str | None = None, **options: Any) -> TrainingRun:
    """The run with other options, and another output."""
    output = run.output if name is None else run.output.with_name(name)
    return TrainingRun.new(run.style_image, run.content, output, run.options.replace(**options))


def losses_of(run: TrainingRun) -> list[dict[str, float]]:
    reports: list[TrainProgress] = []
    train(run, report=reports.append)
    return [r.losses for r in reports]


def test_a_run_learns_and_writes_a_checkpoint(small: TrainingRun) -> None:
    losses = losses_of(other(small, **ALONE, steps=30, learning_rate=3e-3))
    assert losses[-1]["style"] < 0.8 * losses[0]["style"]  # a running mean: the losses themselves fall further
    network, card = load_checkpoint(small.output)
    assert (card.name, card.title, card.artist, card.year) == ("style", "A Painting", "A. Painter", 1900)
    assert card.recipe["steps_done"] == 30 and card.recipe["pictures_seen"] == 60
    assert card.architecture == small.architecture
    assert str(small.output.parent) not in str(card.recipe)  # nothing of the machine
    assert network(torch.zeros(1, 24, 4, 4)).isfinite().all()
    assert small.output.with_name("style.preview.png").is_file()


def test_nothing_of_the_process_is_changed(small: TrainingRun) -> None:
    before = torch.get_num_threads(), torch.random.get_rng_state()
    train(other(small, steps=1, threads=2))
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])


@pytest.mark.slow
def test_same_seed_same_losses(small: TrainingRun) -> None:
    a = losses_of(small)
    assert a == losses_of(other(small, "b.safetensors"))
    assert a != losses_of(other(small, "c.safetensors", seed=1))


def test_the_average_of_the_weights() -> None:
    """A mean over few steps at the beginning, and statistics of norms as they are."""
    network = TransNet(Architecture(width=1, body=1, dilations=(), contours=()))
    weight, count = network.stem.weight, network.stem_norm.num_batches_tracked
    with torch.no_grad():
        weight.fill_(0.0)
        average = averaged(network, 0.25)
        found = []
        for step in (1, 2, 3):
            weight.fill_(float(step))
            count.fill_(step)
            average.update_parameters(network)
            found.append(float(average.module.stem.weight[0, 0, 0, 0]))
    a = 1 - 2 / 11
    b = a + (2 - a) * (1 - 3 / 12)
    assert found == pytest.approx([a, b, b + (3 - b) * (1 - 0.25)])
    assert int(average.module.stem_norm.num_batches_tracked) == 3


def test_starting_from_a_style(small: TrainingRun) -> None:
    train(small)
    started = losses_of(other(small, "b.safetensors", start=str(small.output), steps=1))
    assert started[0]["style"] != losses_of(other(small, "c.safetensors", steps=1))[0]["style"]
    with pytest.raises(InputError, match="does not grow"):
        train(other(small, "d.safetensors", start=str(small.output), norm="none"))


def test_contours_can_be_added_to_a_trained_style(small: TrainingRun) -> None:
    """They begin without influence: the network that has grown gives the same result."""
    train(other(small, contours=(), steps=2))
    grown = Trainer(other(small, "b.safetensors", start=str(small.output))).smoothed
    planes = torch.randn(1, 24, 4, 4)
    with torch.no_grad():
        assert torch.allclose(grown(planes), load_checkpoint(small.output)[0](planes), atol=1e-5)


TWO: dict[str, Any] = {"norm": "blocks", "contours": (), "skip": True, "fine": (1,), "texture": True}
"""The kind of network that is emitted for any painting."""


@pytest.mark.parametrize("term", ["swd", "palette"])
def test_a_network_with_a_texture_plane_learns(small: TrainingRun, term: str) -> None:
    """One term alone: against a random loss network several would pull in different directions."""
    alone = ALONE | {"style_weight": 0.0, term: 1.0}
    run = other(small, **TWO, **alone, steps=20, batch=1)
    losses = losses_of(run)
    assert losses[-1][term] < 0.95 * losses[0][term]
    network, card = load_checkpoint(run.output)
    assert card.architecture == run.architecture and card.architecture.texture
    assert network(torch.zeros(1, 28, 4, 4)).isfinite().all()
    start = other(small, "b.safetensors", start=str(run.output), **dict.fromkeys(("width", "body", *TWO)))
    assert start.architecture == run.architecture


def test_the_texture_plane_changes_what_is_learned(small: TrainingRun) -> None:
    """It comes without influence, and gets some."""
    train(other(small, **TWO | {"texture": False}, steps=1))
    grown = other(small, "b.safetensors", start=str(small.output), **TWO, steps=3)
    train(grown)
    network, _ = load_checkpoint(grown.output)
    planes = torch.randn(1, 28, 8, 8)
    with torch.no_grad():
        assert not torch.equal(network(planes), network(torch.cat([planes[:, :24], -planes[:, 24:]], 1)))


def test_accumulated_batches_are_one_batch(small: TrainingRun) -> None:
    """Two batches of two give the gradient of one of four (without batch norm, which sees each batch alone)."""
    plain = other(small, norm="none", temporal=0.0, steps=3, variants=4)
    train(other(plain, batch=4))
    train(other(plain, "b.safetensors", batch=2, accumulate=2))
    a = load_checkpoint(plain.output)[0].state_dict()
    b = load_checkpoint(plain.output.with_name("b.safetensors"))[0].state_dict()
    for name in a:
        assert torch.allclose(a[name], b[name], atol=2e-4), name


@pytest.mark.parametrize("term", ["adversarial", "teacher", "clips"])
def test_a_term_changes_what_is_learned(small: TrainingRun, tmp_path: Path, term: str) -> None:
    short = other(small, steps=2)
    without = losses_of(short)
    extra: dict[str, Any] = {"adversarial": 1.0, "teacher": str(small.output), "clips": tmp_path / "clips"}
    if term == "clips":
        (tmp_path / "clips").mkdir()
        Clip(tmp_path / "clips" / "a.mp4", frames=10, size=(128, 112)).make()
    with_it = losses_of(other(short, "b.safetensors", **{term: extra[term]}))
    assert with_it[0]["style"] == without[0]["style"]  # the same pictures
    assert with_it[1] != without[1]


@pytest.mark.slow
def test_a_student_comes_closer_to_its_teacher(small: TrainingRun) -> None:
    teacher = other(small, "teacher.safetensors", steps=2)
    train(teacher)
    options = ALONE | {"style_weight": 0.0, "steps": 25, "learning_rate": 3e-3, "seed": 4}
    losses = losses_of(other(small, teacher=str(teacher.output), **options))
    assert losses[-1]["teacher"] < 0.8 * losses[0]["teacher"]


def test_tensorboard_logs(small: TrainingRun, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(other(small, steps=20, save_every=20, preview_every=20, log_dir=tmp_path / "logs"))
    events = EventAccumulator(str(tmp_path / "logs" / "style"), size_guidance={"images": 0})
    events.Reload()
    content = events.Scalars("loss/content")
    assert [event.step for event in content] == [10, 20]
    assert 0 < content[0].value < 100
    assert events.Images("preview")


@pytest.mark.slow
def test_two_processes_are_one_run(small: TrainingRun, tmp_path: Path) -> None:
    """Two processes of torchrun with one picture each give the result of one process with two batches of one."""
    plain = other(small, norm="none", contours=(), batch=1, steps=3, tv=0.0, warmup=200)
    train(other(plain, accumulate=2))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "realtime.cli", "train", str(plain.style_image), "--content", str(plain.content[0])]
    command += ["--output", str(tmp_path / "two.safetensors"), "--features", str(plain.options.features)]
    command += ["--width", "8", "--body", "16", "--dilations", "1", "--norm", "none", "--device", "cpu"]
    command += ["--cell", "8", "--contours", "none"]
    command += ["--steps", "3", "--batch", "1", "--size", "64", "--margin", "8", "--style-size", "64"]
    command += ["--variants", "2", "--temporal", "1", "--precision", "fp32", "--threads", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    summaries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [s["processes"] for s in summaries] == [2]  # the first process reports for all
    a, _ = load_checkpoint(plain.output)
    b, card = load_checkpoint(tmp_path / "two.safetensors")
    assert card.recipe["pictures_seen"] == 6
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.allclose(x, y, atol=2e-4), name  # sums are taken in another order


FILL = """
import resource, sys
from pathlib import Path
from realtime.errors import RestyleError
from realtime.options import TrainOptions
from realtime.training.run import TrainingRun
from realtime.training.trainer import resume, train
from realtime.transnet.checkpoint import load_checkpoint

def fill(report):
    if report.step == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

painting, photographs, output, vgg = map(Path, sys.argv[1:])
network = dict(width=8, body=16, dilations=(1,), norm="batch", contours=(), cell=8)
small = dict(steps=6, batch=1, size=64, margin=8, style_size=64, precision="fp32", save_every=2, threads=1)
options = TrainOptions(features=vgg, **network, **small)
try:
    train(TrainingRun.new(painting, photographs, output, options), report=fill)
except RestyleError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("steps", load_checkpoint(output)[1].recipe["steps_done"])
print("finished", resume(output).finished)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits on this system")
def test_a_full_disk_keeps_the_last_good_state(small: TrainingRun) -> None:
    """A file size limit, lowered in the middle of a run, fails as a full disk does.

    In a process of its own, because the limit would hold for the test run's own output, too.
    """
    words = [str(path) for path in (small.style_image, *small.content, small.output, small.options.features)]
    done = subprocess.run([sys.executable, "-c", FILL, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    error, steps, finished = done.stdout.splitlines()
    assert "style.safetensors" in error and "cannot be written" in error
    assert (steps, finished) == ("steps 2", "finished True")
    assert not list(small.output.parent.glob("*.part*"))


def test_a_run_that_starts_from_a_style_stores_the_recipes_before_it(small: TrainingRun) -> None:
    summary = train(other(small, until=4))
    assert (summary.steps, summary.finished, summary.interrupted) == (4, False, False)
    train(other(small, "b.safetensors", start=str(small.output), steps=2))
    last = load_checkpoint(small.output.with_name("b.safetensors"))[1].recipe
    assert [leg["steps_done"] for leg in last["legs"]] == [4]
    assert last["start"] == "style" and last["legs"][0]["output"] == "style.safetensors"
    train(other(small, "c.safetensors", start=str(small.output.with_name("b.safetensors")), steps=1))
    legs = load_checkpoint(small.output.with_name("c.safetensors"))[1].recipe["legs"]
    assert [leg["steps_done"] for leg in legs] == [4, 2] and "legs" not in legs[1]


def test_minutes(small: TrainingRun) -> None:
    summary = train(other(small, minutes=0.0))
    assert summary.steps == 0 and not summary.finished
    assert resume(small.output, options={"until": 1}).steps == 1


def test_refusals(small: TrainingRun, tmp_path: Path) -> None:
    cases = [
        (replace(small, style_image=tmp_path / "none.png"), "none.png: no such file"),
        (replace(small, content=(tmp_path / "none",)), "no such folder"),
        (other(small, features=tmp_path / "none.safetensors"), "no such file"),
        (other(small, features=small.style_image), "not the weights"),
        (other(small, "style.pt"), "safetensors"),
        (replace(small, output=tmp_path / "none" / "style.safetensors"), "no such folder"),
    ]
    for case, reason in cases:
        with pytest.raises(InputError, match=reason):
            train(case)
        assert not case.output.exists()
    with pytest.raises(InputError, match="no such file; a run can be resumed where its state lies"):
        resume(small.output)
    train(other(small, steps=1))
    with pytest.raises(InputError, match="exists; replace it with --overwrite"):
        train(small)
    assert train(other(small, steps=1), overwrite=True).finished
    state_path(small.output).write_bytes(b"damaged")
    with pytest.raises(InputError, match="state of the run is damaged"):
        resume(small.output)


@pytest.mark.parametrize(("name", "model"), [("mobilenet", "mobilenet_v2"), slow("squeezenet", "squeezenet1_1")])
def test_light_loss_networks_train(small: TrainingRun, tmp_path: Path, name: LossNetworkName, model: str) -> None:
    weights = torchvision_weights(tmp_path / "weights.safetensors", model)
    losses = losses_of(other(small, **ALONE, steps=12, learning_rate=3e-3, loss_network=name, features=weights))
    assert losses[-1]["style"] < losses[0]["style"]
    assert load_checkpoint(small.output)[1].recipe["loss_network"] == name
