"""A card shows the contents of the checkpoint, and its commands make the run again."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.run import parse_args as torchrun_arguments

from realtime.cli import main
from realtime.errors import InputError
from realtime.options import EvaluateOptions, TrainFiles, TrainOptions
from realtime.training import trainer
from realtime.training.card import WEAKNESSES, command, render, write_card
from realtime.training.run import NETWORK, NETWORK_OPTIONS, TrainingRun
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.gallery import gallery_folder, styles
from realtime.transnet.network import Architecture
from tests.helpers.transnets import random_network

METRICS = {
    "content": 1.0,
    "style": 0.25,
    "layers": [0.1, 0.2, 0.3, 0.4],
    "local": 0.35,
    "grid": 1.234,
    "e_warp": 0.0381,
    "images": 32,
    "pairs": 39,
    "video": "bear.mp4",
    "style_scale": 384,
    "macs_per_pixel": 6698.0,
    "params": 360024,
    "features": "vgg.safetensors",
    "style_image": "wave.jpg",
    "untouched": {"style": 0.7, "layers": [0.6, 0.5, 0.7, 0.8], "local": 0.9, "grid": 1.2, "e_warp": 0.0176},
}


def recipe(run: TrainingRun, steps_done: int | None = None) -> dict[str, Any]:
    done = run.options.steps if steps_done is None else steps_done
    return run.recipe() | {"steps_done": done, "pictures_seen": done * run.options.batch}


def a_run(output: str = "x.safetensors", **options: Any) -> TrainingRun:
    if options.get("texture"):  # a network has contours or the texture plane
        options["contours"] = ()
    return TrainingRun.new(Path("wave.jpg"), Path("photographs"), Path(output), TrainOptions(**options))


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> TrainingRun:
    """The run that the command line makes of a command."""
    found: list[TrainingRun] = []

    def take(run: TrainingRun, **_: object) -> None:
        found.append(run)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", take)
    assert main([*words, "--quiet"]) == 130
    return found[0]


runs = st.builds(
    a_run,
    steps=st.integers(1, 9000),
    batch=st.integers(1, 8),
    size=st.sampled_from([64, 128, 192]),
    style_weight=st.floats(0, 20).map(lambda v: round(v, 2)),
    layer_weights=st.sampled_from([(1.0, 1.0, 2.0, 3.0), (1.0, 0.0, 1.5, 5.0)]),
    temporal=st.sampled_from([0.0, 60.0]),
    adversarial=st.sampled_from([0.0, 0.5]),
    local_style=st.sampled_from([0.0, 1.5]),
    gamut=st.sampled_from([10.0, 50.0]),
    grad_checkpoint=st.booleans(),
    loss_network=st.sampled_from(["vgg19", "squeezenet"]),
    seed=st.integers(0, 9),
    width=st.sampled_from([32, 48]),
    dilations=st.sampled_from([(1, 2, 2, 1), (1, 2)]),
    norm=st.sampled_from(["batch", "none", "instance"]),
    contours=st.sampled_from([(4, 8, 16, 32), ()]),
    skip=st.booleans(),
    fine=st.sampled_from([(), (1, 2)]),
    texture=st.booleans(),
    swd=st.sampled_from([0.0, 0.3]),
    tile=st.sampled_from([0.0, 0.2]),
    palette=st.sampled_from([0.0, 0.2]),
)


@given(runs, st.integers(0, 9000))
def test_the_command_makes_the_same_run(run: TrainingRun, done: int) -> None:
    """Parsed by the real command line, it has the same recipe."""
    done = max(1, min(done, run.options.steps))
    words = shlex.split(command(recipe(run, done)))
    assert words[0] == "restyle"
    with pytest.MonkeyPatch.context() as patch:
        found = parsed(words[1:], patch)
    assert found.recipe() == run.recipe()
    assert (found.options.until or run.options.steps) == done


@pytest.mark.parametrize("card", styles(), ids=lambda card: card.name)
def test_the_commands_of_the_gallery_are_understood(card: StyleCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run that made a style of the gallery is written with options that exist, and with the same values."""
    for leg in [*card.recipe.get("legs", []), card.recipe]:
        words = shlex.split(command(leg))
        start = words.index("train") if words[0] == "torchrun" else 1
        words = words[start:]
        if "--from" in words:  # the style may have been a file that is not here
            at = words.index("--from")
            del words[at : at + 2]
        found = parsed(words, monkeypatch)
        assert found.architecture == Architecture.from_dict(leg["architecture"])
        new = found.recipe()
        for name in ("steps", "batch", "size", "style_weight", "layer_weights", "temporal", "learning_rate", "seed"):
            assert new[name] == leg[name], name


@given(runs)
def test_the_command_of_several_processes_goes_through_torchrun(run: TrainingRun) -> None:
    """torchrun takes an option of ours for its own if it is the beginning of one of its names."""
    words = shlex.split(command(recipe(run) | {"processes": 2}))
    assert words[0] == "torchrun"
    arguments = torchrun_arguments(words[1:])
    assert (arguments.nproc_per_node, arguments.module, arguments.training_script) == ("2", True, "realtime.cli")
    alone = shlex.split(command(recipe(run)))
    assert arguments.training_script_args == alone[1:]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("contours", [(), (4, 8)])
@pytest.mark.parametrize("cell", [4, 8])
def test_the_command_names_the_network_that_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, contours: tuple[int, ...], cell: Any
) -> None:
    """A run that starts from a style has its network where nothing is said."""
    monkeypatch.chdir(tmp_path)
    small = Architecture(width=8, body=8, dilations=(1,), contours=contours, cell=cell)
    large = replace(NETWORK, cell=cell)
    save_checkpoint(Path("leg-1.safetensors"), random_network(small), StyleCard("leg-1", architecture=small))
    stored = recipe(a_run(start="leg-1.safetensors", **vars_of(large)))
    stored |= {} if known else {"start": "leg-1.safetensors"}  # as a path of one's own
    words = shlex.split(command(stored, {"leg-1.safetensors": small} if known else None))
    assert parsed(words[1:], monkeypatch).architecture == large


def vars_of(architecture: Architecture) -> dict[str, Any]:
    return {name: getattr(architecture, name) for name in NETWORK_OPTIONS}


def test_a_card_of_several_runs() -> None:
    smaller, larger = ({**vars_of(Architecture()), "width": width} for width in (32, 48))
    first = recipe(a_run("leg-1.safetensors", steps=100, **smaller), 40) | {"start": "starry-night"}
    last = recipe(a_run("wave.safetensors", steps=50, **larger)) | {"start": "leg-1"}
    recipes = last | {"legs": [first]}
    card = StyleCard("wave", "The Wave", "A. Painter", 1830, Architecture(width=48), recipes, METRICS, None)
    text = render(card, before=f"# old\n\n![Two frames](two.jpg)\n\n{WEAKNESSES}\n\n* Skies are empty.\n")
    assert text.startswith("# wave\n\nThe Wave, A. Painter, 1830.")
    assert "![Two frames](two.jpg)" in text
    assert "| this style | 1.000 | 0.250 | 0.100 0.200 0.300 0.400 | 0.350 | 1.23 | 0.0381 |" in text
    assert "| untouched | 0.000 | 0.700 | 0.600 0.500 0.700 0.800 | 0.900 | 1.20 | 0.0176 |" in text
    assert "90 steps, 180 crops, in 2 legs" in text
    commands = " ".join(text.replace("\\\n", " ").split())
    assert "--cell 8 --no-skip --fine none --no-texture-plane --until 40 restyle train" in commands
    assert "--from leg-1.safetensors --width 48 restyle" in commands
    assert "restyle evaluate wave --content evaluation/" in text
    assert text.endswith("* Skies are empty.\n")
    assert max(len(line) for line in text.splitlines()) < 140


def test_a_card_is_written_and_renewed(tmp_path: Path) -> None:
    card = StyleCard("wave", "The Wave", "A. Painter", 1830, Architecture(), recipe(a_run()), METRICS, None)
    path = tmp_path / "wave.md"
    write_card(card, path, picture="wave.jpg")
    path.write_text(path.read_text() + f"\n{WEAKNESSES}\n\n* None.\n")
    before = path.read_text()
    write_card(card, path)
    assert path.read_text() == before
    assert "(wave.jpg)" in before
    with pytest.raises(InputError, match="wave: has no scores"):
        write_card(replace(card, metrics={}), path)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("said", "before", "shown"),
    [
        (None, "", "unknown"),
        ("unknown", "", "unknown"),
        ("CC BY 4.0", "Licence of the painting: unknown.\n", "CC BY 4.0"),
        (None, "Licence of the painting: CC0.\n", "CC0"),
        (None, "The Wave, A. Painter, 1830. Public domain.\n", "public domain"),
        (None, "* Not all of this is here. Public domain? Nobody knows.\n", "unknown"),
    ],
)
def test_the_licence_is_what_somebody_said(said: str | None, before: str, shown: str) -> None:
    """The program claims nothing of a painting: what a checkpoint does not say, the previous card may, else nobody."""
    made = recipe(a_run()) | ({} if said is None else {"licence": said})
    card = StyleCard("wave", "The Wave", "A. Painter", 1830, Architecture(), made, METRICS, None)
    text = render(card, before=f"# wave\n\n{before}")
    assert f"\n\nThe Wave, A. Painter, 1830.\n\nLicence of the painting: {shown}.\n\n" in text
    assert render(card, before=text) == text


@pytest.mark.parametrize("path", sorted(gallery_folder().glob("*.md")), ids=lambda path: path.stem)
def test_the_cards_of_the_gallery_have_options_that_exist(path: Path) -> None:
    declared = (field.flag for kind in (TrainFiles, TrainOptions, EvaluateOptions) for field in kind.fields())
    known = {name for flag in declared for name in flag.split("/")}
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    used = set(re.findall(r"(?<=\s)--[a-z-]+", " ".join(blocks)))
    assert used <= known | {"--nproc-per-node"}
