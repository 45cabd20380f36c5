"""A run: what its options leave open, its recipe, and what may change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime.errors import InputError
from realtime.options import AnyTrainOptions
from realtime.training.any_painting.run import AnyTrainRun
from realtime.transnet.gallery import any_painting_files
from realtime.transnet.hypernetwork import EMITTED

FILES: Any = ((Path("data/paintings"), Path("textures")), Path("data/photographs"), Path("out/any.safetensors"))


def run_of(**options: Any) -> AnyTrainRun:
    return AnyTrainRun.new(*FILES, AnyTrainOptions(device="cpu", **options))


def test_what_is_left_open_is_what_is_best_for_the_device() -> None:
    run = run_of()
    assert (run.paintings, run.size, run.options.minutes, run.options.steps) == (4, 192, 60, None)
    assert run_of(steps=5).options.minutes is None
    assert run.architecture == EMITTED


def test_the_network_is_that_of_the_options_or_of_the_start() -> None:
    assert run_of(width=8, dilations=(1,)).architecture.width == 8
    start = str(any_painting_files()[0])
    assert run_of(start=start, width=EMITTED.width).architecture == EMITTED
    with pytest.raises(InputError, match="keeps its width, body and dilations"):
        run_of(start=start, width=8)
    with pytest.raises(InputError, match="network: dilations must be positive"):
        run_of(dilations=(0,))
    with pytest.raises(InputError, match="nowhere"):
        run_of(start="nowhere.safetensors")


def test_options_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="3 shares for 2 folders"):
        run_of(shares=(1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="not all of them 0"):
        run_of(shares=(0.0, 0.0))
    with pytest.raises(InputError, match="--grid 0 leaves it out"):
        run_of(size=64)
    assert run_of(size=64, grid=0).size == 64
    with pytest.raises(InputError, match="100 is not a multiple of 8"):
        run_of(size=100)
    with pytest.raises(InputError, match="fp16: is for training on one painting"):
        run_of(precision="fp16")


def test_the_recipe_tells_nothing_of_the_machine() -> None:
    recipe = run_of(features=Path("/home/me/vgg.safetensors"), threads=3).recipe()
    assert recipe["folders"] == ["paintings", "textures"] and recipe["content"] == "photographs"
    assert recipe["features"] == "vgg.safetensors"
    assert "/" not in json.dumps(recipe) and "threads" not in recipe


def test_a_run_survives_json() -> None:
    run = run_of(features=Path("vgg.safetensors"), shares=(1.0, 3.0), width=8)
    values = json.loads(json.dumps(run.to_json()))
    assert all(Path(path).is_absolute() for path in [*values["folders"], values["content"]])
    again = AnyTrainRun.from_json(run.output, values)
    assert again.options == run.options.replace(features=Path("vgg.safetensors").absolute())
    assert again.architecture == run.architecture
    assert [path.name for path in again.folders] == ["paintings", "textures"]


def test_what_may_change() -> None:
    run = run_of(steps=5)
    changed = run.changed({"steps": 9, "device": "cpu", "sources": "ours", "swd": run.options.swd})
    assert (changed.options.steps, changed.options.sources) == (9, "ours")
    with pytest.raises(InputError, match=r"other values of --swd, --reuse; .* a new run with --from"):
        run.changed({"swd": 1.0, "reuse": 1})
