"""A card says what the checkpoint says, and its commands make the run again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.run import parse_args as torchrun_arguments
from typer.testing import CliRunner

from realtime.cli.app import app
from realtime.errors import InputError
from realtime.training import trainer
from realtime.training.card import WEAKNESSES, command, render, write_card
from realtime.training.config import NETWORK, TrainConfig
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
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


def recipe(config: TrainConfig, steps_done: int | None = None) -> dict:
    done = config.steps if steps_done is None else steps_done
    return config.to_dict() | {"steps_done": done, "pictures_seen": done * config.batch}


def plain(**values: object) -> TrainConfig:
    known: dict = {"style_image": Path("wave.jpg"), "content": Path("photographs"), "output": Path("x.safetensors")}
    return TrainConfig(**(known | values))


configs = st.builds(
    plain,
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
    seed=st.integers(0, 9),
    architecture=st.builds(
        Architecture,
        width=st.sampled_from([32, 48]),
        dilations=st.sampled_from([(1, 2, 2, 1), (1, 2)]),
        norm=st.sampled_from(["batch", "none", "instance"]),
        contours=st.sampled_from([(4, 8, 16, 32), ()]),
    ),
)


@given(configs, st.integers(0, 9000))
def test_the_command_makes_the_same_run(config: TrainConfig, done: int) -> None:
    """Parsed by the real command line, it gives the very configuration."""
    done = max(1, min(done, config.steps))
    words = shlex.split(command(recipe(config, done)))
    assert words[0] == "restyle"
    found: list[TrainConfig] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "train", lambda c, report: found.append(c) or {"interrupted": False, "finished": True})
        result = CliRunner().invoke(app, [*words[1:], "--quiet"])
    assert result.exit_code == 0, result.output
    assert found[0].to_dict() == config.to_dict()
    assert (found[0].until or config.steps) == done


@given(configs)
def test_the_command_of_several_processes_goes_through_torchrun(config: TrainConfig) -> None:
    """It takes for its own whatever option of ours is the beginning of one of its names."""
    words = shlex.split(command(recipe(config, config.steps) | {"processes": 2}))
    assert words[0] == "torchrun"
    arguments = torchrun_arguments(words[1:])
    assert (arguments.nproc_per_node, arguments.module, arguments.training_script) == ("2", True, "realtime.cli")
    alone = shlex.split(command(recipe(config, config.steps)))
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
    config = plain(start="leg-1.safetensors", architecture=large)
    stored = recipe(config) | ({} if known else {"start": "leg-1.safetensors"})  # as a path of one's own
    words = shlex.split(command(stored, {"leg-1.safetensors": small} if known else None))
    found: list[TrainConfig] = []
    monkeypatch.setattr(trainer, "train", lambda c, report: found.append(c) or {"interrupted": False, "finished": True})
    result = CliRunner().invoke(app, [*words[1:], "--quiet"])
    assert result.exit_code == 0, result.output
    assert found[0].architecture == large


def test_a_card_with_legs() -> None:
    smaller = Architecture()
    first = recipe(plain(output=Path("leg-1.safetensors"), steps=100, start="starry-night", architecture=smaller), 40)
    larger = Architecture(width=48)
    last = plain(output=Path("wave.safetensors"), steps=50, start="leg-1.safetensors", architecture=larger)
    recipes = recipe(last) | {"legs": [first]}
    card = StyleCard("wave", "The Wave", "A. Painter", 1830, larger, recipes, METRICS, None)
    text = render(card, before=f"# old\n\n![Two frames](two.jpg)\n\n{WEAKNESSES}\n\n* Skies are empty.\n")
    assert text.startswith("# wave\n\nThe Wave, A. Painter, 1830.")
    assert "![Two frames](two.jpg)" in text
    assert "| this style | 1.000 | 0.250 | 0.100 0.200 0.300 0.400 | 0.350 | 1.23 | 0.0381 |" in text
    assert "| untouched | 0.000 | 0.700 | 0.600 0.500 0.700 0.800 | 0.900 | 1.20 | 0.0176 |" in text
    assert "90 steps, 180 crops, in 2 legs" in text
    commands = " ".join(text.replace("\\\n", " ").split())
    assert "--cell 8 --until 40 restyle train" in commands and "--from leg-1.safetensors --width 48 restyle" in commands
    assert "restyle evaluate wave --content evaluation/" in text
    assert text.endswith("* Skies are empty.\n")
    assert max(len(line) for line in text.splitlines()) < 140


def test_a_card_is_written_and_renewed(tmp_path: Path) -> None:
    card = StyleCard("wave", "The Wave", "A. Painter", 1830, Architecture(), recipe(plain()), METRICS, None)
    path = tmp_path / "wave.md"
    write_card(card, path, picture="wave.jpg")
    path.write_text(path.read_text() + f"\n{WEAKNESSES}\n\n* None.\n")
    before = path.read_text()
    write_card(card, path)
    assert path.read_text() == before
    assert "(wave.jpg)" in before
    with pytest.raises(InputError, match="wave: not measured yet"):
        write_card(replace(card, metrics={}), path)
    assert path.read_text() == before
