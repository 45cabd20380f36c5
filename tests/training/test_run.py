"""A run's options are checked, complete, and restored from JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realtime.errors import InputError
from realtime.option_fields import OptionError
from realtime.options import TrainOptions
from realtime.training.run import NETWORK, TrainingRun
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.transnets import random_network

FILES = (Path("wave.jpg"), Path("photographs"), Path("x.safetensors"))


@pytest.mark.parametrize(
    "values",
    [
        {"size": 60},
        {"size": 100},
        {"steps": 0},
        {"layer_weights": (0.0, 0, 0, 0)},
        {"layer_weights": "1,2,3"},
        {"content_layers": (1.0, -1.0, 1.0, 1.0)},
        {"content_layers": "a,b"},
        {"dilations": "1,1.5"},
        {"ema": 1.0},
        {"margin": 3},
        {"accumulate": 0},
        {"smallest_crop": 0.0},
        {"learning_rate": 0.0},
        {"clips": Path("x"), "temporal": 0.0},
        {"style_pool": 4},
        {"loss_network": "alexnet"},
        {"norm": "layer"},
        {"cell": 2},
    ],
)
def test_values_that_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(values))):
        TrainOptions(**values)


def test_numbers_are_read_from_text() -> None:
    options = TrainOptions(layer_weights="1,0.5,2,0", contours="none", dilations="1,2")
    assert (options.layer_weights, options.contours, options.dilations) == ((1, 0.5, 2, 0), (), (1, 2))
    assert TrainOptions().layer_weights == (1, 1, 2, 3)


def test_the_network_of_a_new_run(tmp_path: Path) -> None:
    assert TrainingRun.new(*FILES).architecture == NETWORK
    assert TrainingRun.new(*FILES, TrainOptions(body=8)).architecture == replace(NETWORK, body=8)
    with pytest.raises(InputError, match="network: dilations must be positive"):
        TrainingRun.new(*FILES, TrainOptions(dilations=(0,)))
    small = Architecture(width=8, body=8, dilations=(1,), contours=())
    save_checkpoint(tmp_path / "a.safetensors", random_network(small), StyleCard("a", architecture=small))
    started = TrainOptions(start=str(tmp_path / "a.safetensors"), contours=(4,))
    assert TrainingRun.new(*FILES, started).architecture == replace(small, contours=(4,))


def test_json_holds_everything_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("teacher.safetensors").touch()
    options = TrainOptions(teacher="teacher.safetensors", features=Path("vgg.safetensors"), seed=3, norm="none")
    run = replace(TrainingRun.new(*FILES, options), legs=({"steps": 1},))
    restored = TrainingRun.from_json(Path("y.safetensors"), json.loads(json.dumps(run.to_json())))
    assert (restored.style_image, restored.content) == (tmp_path / "wave.jpg", (tmp_path / "photographs",))
    assert restored.output == Path("y.safetensors")
    assert restored.options == run.options.replace(
        teacher=str(tmp_path / "teacher.safetensors"), features=tmp_path / "vgg.safetensors"
    )
    assert (restored.legs, restored.architecture) == (run.legs, run.architecture)
    assert restored.recipe() | {"output": "x.safetensors"} == run.recipe()
