"""A checkpoint of a painting's own: emitted, polished, resumed; and what is refused."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import realtime
from realtime.errors import InputError
from realtime.options import StyleOptions
from realtime.results import LearnSummary, TrainProgress
from realtime.training.emitted import emitted_network
from realtime.training.learn import learn
from realtime.training.state import State
from realtime.transnet.checkpoint import load_checkpoint
from tests.helpers.clips import Clip
from tests.helpers.marks import slow
from tests.helpers.pictures import paint
from tests.helpers.transnets import CPU

SMALL: dict[str, Any] = {"device": "cpu", "threads": 1, "size": 64, "batch": 1}
"""A polish that takes little time."""


def assert_same_weights(a: Path, b: Path) -> None:
    x, y = (load_checkpoint(path)[0].state_dict() for path in (a, b))
    assert x.keys() == y.keys()
    for name in x:
        assert torch.equal(x[name], y[name]), name


def stop_after(step: int) -> Any:
    def report(now: TrainProgress) -> None:
        if now.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return report


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "mine.safetensors"


def small(painting: Path, output: Path, photographs: Path, **options: Any) -> LearnSummary:
    return learn(painting, output, **{**SMALL, "steps": 3, "content": photographs, **options})


@pytest.mark.parametrize("amounts", [{}, {"paint": 0.9, "stroke": 1.5}], ids=str)
def test_without_a_polish_it_is_the_emitted_network(painting: Path, output: Path, amounts: dict[str, float]) -> None:
    summary = realtime.learn(painting, output, minutes=0, **amounts)
    assert (summary.steps, summary.finished, summary.output) == (0, True, str(output))
    emitted, made = emitted_network(painting, StyleOptions(**amounts))
    network, card = load_checkpoint(output)
    for name, value in emitted.state_dict().items():
        assert torch.equal(network.state_dict()[name], value.half().float() if value.ndim > 1 else value), name
    assert card.recipe["any_painting"] == made["any_painting"]
    assert (card.recipe["paint"], card.recipe["stroke"]) == (amounts.get("paint", 0.5), amounts.get("stroke", 1.0))
    assert card.recipe["pictures"][0]["sha256"] == hashlib.sha256(painting.read_bytes()).hexdigest()
    assert sorted(path.name for path in output.parent.glob("mine*")) == ["mine.md", "mine.safetensors"]


def test_a_polish_lowers_the_loss(painting: Path, output: Path, photographs: Path) -> None:
    reports: list[TrainProgress] = []
    summary = small(painting, output, photographs, steps=24, report=reports.append)
    assert (summary.steps, summary.finished, summary.interrupted) == (24, True, False)

    def means(name: str) -> tuple[float, float]:
        """Of the first and the last eight steps, from the running means that are reported."""
        running = [report.losses[name] for report in reports]
        each = [running[0], *((new - 0.98 * old) / 0.02 for old, new in itertools.pairwise(running))]
        return sum(each[:8]) / 8, sum(each[-8:]) / 8

    for name, most in (("style", 0.8), ("tile", 0.8), ("swd", 0.8)):
        first, last = means(name)
        assert last < most * first, name


def test_what_the_checkpoint_and_its_card_say(painting: Path, output: Path, photographs: Path) -> None:
    small(painting, output, photographs, seed=5, title="A Sea", artist="A. Painter", year=1900)
    _, card = load_checkpoint(output)
    assert (card.title, card.artist, card.year) == ("A Sea", "A. Painter", 1900)
    recipe = card.recipe
    assert (recipe["steps_done"], recipe["seed"], recipe["content_kind"]) == (3, 5, "pictures")
    assert recipe["seconds"] > 0 and recipe["licence"] == "unknown"
    assert str(output.parent) not in json.dumps(recipe)  # nothing of the machine
    text = output.with_suffix(".md").read_text()
    assert text.startswith("# mine\n\nA Sea, A. Painter, 1900.\n\nLicence of the painting: unknown.\n")
    assert recipe["any_painting"] in text and recipe["pictures"][0]["sha256"] in text
    assert "restyle learn painting.png mine.safetensors --steps 3 --on photographs" in text
    with Image.open(output.with_name("mine.preview.jpg")) as preview:
        assert preview.format == "JPEG"
    assert not output.with_name("mine.state.safetensors").exists()


def test_a_licence_is_written_where_it_is_given(painting: Path, output: Path) -> None:
    learn(painting, output, minutes=0, license="CC0 1.0")
    assert load_checkpoint(output)[1].recipe["licence"] == "CC0 1.0"
    assert "Licence of the painting: CC0 1.0." in output.with_suffix(".md").read_text()


def test_it_paints_as_any_other_style(painting: Path, output: Path, photographs: Path) -> None:
    small(painting, output, photographs, steps=1)
    picture = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8).numpy()
    with realtime.Stylizer(output, CPU) as stylizer:
        assert stylizer.image(picture).shape == picture.shape
        assert stylizer.style.name == "mine"


def test_a_time_ends_the_polish(painting: Path, output: Path, photographs: Path) -> None:
    """However short it is, there is one step; the learning rate falls with the time."""
    summary = small(painting, output, photographs, steps=None, minutes=1e-4)
    assert (summary.steps, summary.finished) == (1, True)
    assert load_checkpoint(output)[1].recipe["length_minutes"] == 1e-4


@pytest.mark.parametrize("step", [1, slow(2)])
def test_resumed_it_is_as_if_never_stopped(painting: Path, tmp_path: Path, photographs: Path, step: int) -> None:
    straight, stopped = tmp_path / "straight.safetensors", tmp_path / "stopped.safetensors"
    small(painting, straight, photographs)
    first = small(painting, stopped, photographs, report=stop_after(step))
    assert first.interrupted and not first.finished and first.steps == step
    assert not stopped.exists() and State.read(stopped).step == step
    with pytest.raises(InputError, match="its polish was stopped; continue with --resume"):
        small(painting, stopped, photographs)
    second = learn(painting, stopped, resume=True, threads=1)
    assert second.finished and second.steps == 3
    assert second.seconds > first.seconds  # of both calls
    assert_same_weights(straight, stopped)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"paint": 0.1}, "--paint"), ({"seed": 8}, "--seed"), ({"on": Path()}, "--on"), ({"steps": 9}, "--steps")],
)
def test_a_resumed_polish_keeps_its_recipe(
    painting: Path, output: Path, photographs: Path, changes: dict[str, Any], named: str
) -> None:
    small(painting, output, photographs, report=stop_after(1))
    with pytest.raises(InputError, match=f"other values of .*{named}"):
        learn(painting, output, resume=True, **changes)
    other = paint(painting.with_name("other.png"), 99)
    with pytest.raises(InputError, match="other values of PAINTING"):
        learn(other, output, resume=True)


def test_on_a_clip(painting: Path, output: Path) -> None:
    clip = Clip(output.with_name("clip.mp4"), frames=12, size=(128, 96)).make()
    small(painting, output, clip, content=None, on=clip, steps=1)
    recipe = load_checkpoint(output)[1].recipe
    assert (recipe["content_kind"], recipe["content"]) == ("clip", "clip.mp4")


def test_on_generated_pictures(painting: Path, output: Path) -> None:
    learn(painting, output, **SMALL, steps=1)
    recipe = load_checkpoint(output)[1].recipe
    assert (recipe["content_kind"], recipe["content"]) == ("generated", "")


def refused(painting: Path, output: Path, reason: str, **options: Any) -> None:
    before = sorted(output.parent.iterdir()) if output.parent.is_dir() else []
    with pytest.raises(InputError, match=reason):
        learn(painting, output, **options)
    assert before == (sorted(output.parent.iterdir()) if output.parent.is_dir() else [])


def test_what_is_refused(painting: Path, output: Path, photographs: Path) -> None:
    refused(output.with_name("none.jpg"), output, "none.jpg: cannot be read")
    refused(photographs, output, "is a folder, not an image")
    text = output.with_name("text.jpg")
    text.write_text("no picture")
    refused(text, output, "text.jpg: not an image")
    refused(painting, output.with_suffix(".pt"), "ends in .safetensors")
    refused(painting, output.parent / "none" / "a.safetensors", "none: no such folder")
    refused(painting, output, "minutes: -1.0 is not 0 or more", minutes=-1.0)
    refused(painting, output, "paint", paint=1.5)
    refused(painting, output, "--on .*none: no such file or folder", on=Path("none"))
    refused(painting, output, "--content .*none: no such folder", content=Path("none"))
    refused(painting, output, "--features .*none: no such file", features=Path("none"))
    refused(painting, output, "no polish of .* to continue", resume=True)
    with pytest.raises(TypeError, match="did you mean minutes"):
        learn(painting, output, minute=3)


def test_nothing_is_written_over(painting: Path, output: Path) -> None:
    for name in ("mine.safetensors", "mine.md", "mine.preview.jpg"):
        other = output.with_name(name)
        other.write_text("kept")
        refused(painting, output, f"{name}: exists; choose another output, or add --overwrite")
        other.unlink()
    output.write_text("replaced")
    learn(painting, output, minutes=0, overwrite=True)
    load_checkpoint(output)


def test_a_folder_without_pictures_or_clips(painting: Path, output: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(painting, output, "empty: no pictures in this folder .* and no clips", on=tmp_path / "empty", **SMALL)
