"""Presets have the values of their sources; options replace them; sizes follow from the recipe."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from realtime.errors import InputError
from realtime.options import PaintingOptions, Preset
from realtime.painting.recipes import PRESETS, Recipe, make_recipe, parse_layers
from realtime.perception.features import VGG19_LAYERS, LossNetwork
from tests.helpers.pictures import random_vgg, torchvision_weights


def preset(name: Preset) -> Recipe:
    return PRESETS[name]


def test_the_option_names_every_preset() -> None:
    assert get_args(Preset) == tuple(PRESETS)


def weights(layers: tuple[tuple[str, float], ...]) -> dict[str, float]:
    return {name: pytest.approx(weight) for name, weight in layers}


def test_gatys() -> None:
    r = preset("gatys")
    assert weights(r.content) == {VGG19_LAYERS[5]: 0.5, VGG19_LAYERS[10]: 0.5}
    assert weights(r.style) == {VGG19_LAYERS[i]: 0.2 for i in (0, 5, 10, 19, 28)}
    assert (r.content_error, r.gram) == ("gatys", "gatys")
    assert (r.content_weight, r.style_weight) == (1, 15)
    assert r.init == "noise" and 0 < r.noise < 0.1
    assert (r.optimizer, r.learning_rate, r.clip, r.steps) == ("adam", 0.03, 1, 2000)


def test_guide() -> None:
    r = preset("guide")
    assert weights(r.content) == {"relu4_2": 1}
    assert weights(r.style) == dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1"), 1)
    assert (r.gram, r.init) == ("chw", "content")
    assert {r.content_weight, r.style_weight} == {1e4, 1e1}
    assert (r.optimizer, r.learning_rate, r.steps) == ("adam", 0.003, 500)
    assert r.scales == (256, 512, 1024)


def test_keras() -> None:
    r = preset("keras")
    assert weights(r.content) == {"relu5_2": 1}
    assert weights(r.style) == {f"relu{block}_1": 1 / 5 for block in range(1, 6)}
    assert (r.gram, r.content_error) == ("pixels", "mean")
    assert (r.content_weight, r.style_weight) == (1e4, 1e-2)
    assert (r.learning_rate, r.beta1, r.epsilon, r.clamp, r.long_side) == (0.02, 0.99, 0.1, True, 512)


def test_five_layer() -> None:
    r = preset("five-layer")
    names = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")
    assert weights(r.content) == dict(zip(names, (0.05, 0.05, 0.15, 0.3, 0.45), strict=True))
    assert weights(r.style) == dict(zip(names, (0.1, 0.1, 0.6, 0.1, 0.1), strict=True))
    assert (r.content_weight, r.style_weight, r.init, r.optimizer) == (0.5, 0.5, "content", "adam")


@pytest.mark.parametrize("name", PRESETS)
def test_short_weights_are_refused_with_the_missing_layers(vgg: Path, name: str) -> None:
    """Each preset of the classics looks deeper than relu4_1; the message says where."""
    recipe = preset(name)
    network = LossNetwork.load(vgg)
    missing = [layer for layer in recipe.layers if layer not in network.layer_names]
    assert missing
    with pytest.raises(InputError, match=f"ends at relu4_1 and lacks {', '.join(missing)};"):
        recipe.on(network)


@pytest.mark.parametrize("name", PRESETS)
def test_the_whole_network_takes_every_preset(tmp_path: Path, name: str) -> None:
    with_all = LossNetwork.load(random_vgg(tmp_path / "vgg.safetensors", last="conv5_4"))
    recipe = preset(name)
    assert recipe.on(with_all) is recipe


def test_light_networks_have_taps_of_their_own(tmp_path: Path) -> None:
    network = LossNetwork.load(torchvision_weights(tmp_path / "w.safetensors", "squeezenet1_1"), "squeezenet")
    recipe = preset("gatys").on(network)
    assert [name for name, _ in recipe.style] == list(network.taps)
    assert sum(w for _, w in recipe.style) == pytest.approx(1) and sum(w for _, w in recipe.content) == pytest.approx(1)
    chosen = preset("gatys").changed(content=(("fire3", 1.0),), style=(("conv1", 1.0),))
    assert chosen.on(network) is chosen
    with pytest.raises(InputError, match=r"SqueezeNet .* lacks relu1_1"):
        chosen.changed(style=(("relu1_1", 1.0),)).on(network)


def test_options_replace_every_value() -> None:
    assert make_recipe(PaintingOptions(preset="keras")) == preset("keras")
    values: dict[str, Any] = {
        "content_error": "variance",
        "gram": "relative",
        "content_weight": 2.0,
        "style_weight": 3.0,
        "init": "content",
        "learning_rate": 0.5,
        "steps": 7,
        "tv": 4.0,
        "noise": 0.3,
        "beta1": 0.5,
        "beta2": 0.6,
        "epsilon": 0.7,
        "clamp": True,
        "clip": 0.8,
        "scales": (64, 128),
    }
    recipe = make_recipe(PaintingOptions(content_layers="10:0.5", style_layers="relu1_1,relu2_1:2", **values))
    for name, value in values.items():
        assert getattr(recipe, name) == value, name
    assert recipe.content == (("conv3_1", 0.5),) and recipe.style == (("relu1_1", 1.0), ("relu2_1", 2.0))
    unchanged = {"name", "optimizer", "size", "long_side", "content", "style"}
    assert {f.name for f in fields(Recipe)} == unchanged | set(values)
    assert make_recipe(PaintingOptions(clip=0)).clip is None
    assert make_recipe(PaintingOptions(preset="guide", scales=())).scales == ()


def test_lbfgs_has_its_own_rate() -> None:
    recipe = make_recipe(PaintingOptions(optimizer="lbfgs"))
    assert (recipe.learning_rate, recipe.clip) == (1, None)
    assert make_recipe(PaintingOptions(optimizer="lbfgs", learning_rate=0.5)).learning_rate == 0.5


def test_layers_as_text() -> None:
    assert parse_layers("--x", "relu3_1") == (("relu3_1", 1.0),)
    assert parse_layers("--x", "relu1_1:0.5, 28:2") == (("relu1_1", 0.5), ("conv5_1", 2.0))
    for wrong in ("", "relu1_1:x", "99", "a,,b", "relu1_1:-1", "relu1_1:nan"):
        with pytest.raises(InputError, match="--x .*NAME"):
            parse_layers("--x", wrong)
    with pytest.raises(InputError, match="above 0"):
        parse_layers("--x", "relu1_1:0")


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("gatys", None, [(512, 768)]),
        ("gatys", 300, [(300, 450)]),
        ("gatys", 2000, [(2000, 3000)]),  # what is asked for may be larger than the photograph
        ("guide", None, [(256, 384), (512, 768), (1000, 1500)]),  # the recipe never enlarges
        ("guide", 512, [(256, 384), (512, 768)]),
        ("guide", 256, [(256, 384)]),
        ("keras", None, [(341, 512)]),
        ("five-layer", None, [(512, 768)]),
    ],
)
def test_sizes(name: Preset, size: int | None, expected: list[tuple[int, int]]) -> None:
    assert preset(name).sizes(1000, 1500, size) == expected
    upright = [(w, h) for h, w in expected]
    assert preset(name).sizes(1500, 1000, size) == upright


def test_small_photographs_are_refused() -> None:
    with pytest.raises(InputError, match="200x40: painted at 40 px, 64 are needed"):
        preset("gatys").sizes(40, 200)
