"""Presets are what they say, can be changed in every value, and refuse what makes no sense."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from realtime.errors import InputError
from realtime.painting.recipes import PRESETS, Recipe, find_preset, parse_layers
from realtime.perception.features import VGG19_LAYERS, LossNetwork
from tests.helpers.pictures import random_vgg, torchvision_weights


def weights(layers: tuple[tuple[str, float], ...]) -> dict[str, float]:
    return {name: pytest.approx(weight) for name, weight in layers}


def test_gatys() -> None:
    r = find_preset("gatys")
    assert weights(r.content) == {VGG19_LAYERS[5]: 0.5, VGG19_LAYERS[10]: 0.5}
    assert weights(r.style) == {VGG19_LAYERS[i]: 0.2 for i in (0, 5, 10, 19, 28)}
    assert (r.content_error, r.gram) == ("gatys", "gatys")
    assert (r.content_weight, r.style_weight) == (1, 15)
    assert r.start == "noise" and 0 < r.noise < 0.1
    assert (r.optimizer, r.learning_rate, r.clip, r.steps) == ("adam", 0.03, 1, 2000)


def test_guide() -> None:
    r = find_preset("guide")
    assert weights(r.content) == {"relu4_2": 1}
    assert weights(r.style) == dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1"), 1)
    assert (r.gram, r.start) == ("chw", "content")
    assert {r.content_weight, r.style_weight} == {1e4, 1e1}
    assert (r.optimizer, r.learning_rate, r.steps) == ("adam", 0.003, 500)
    assert r.scales == (256, 512, 1024)


def test_keras() -> None:
    r = find_preset("keras")
    assert weights(r.content) == {"relu5_2": 1}
    assert weights(r.style) == {f"relu{block}_1": 1 / 5 for block in range(1, 6)}
    assert (r.gram, r.content_error) == ("pixels", "mean")
    assert (r.content_weight, r.style_weight) == (1e4, 1e-2)
    assert (r.learning_rate, r.beta1, r.epsilon, r.clamp, r.long_side) == (0.02, 0.99, 0.1, True, 512)


def test_five_layer() -> None:
    r = find_preset("five-layer")
    names = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")
    assert weights(r.content) == dict(zip(names, (0.05, 0.05, 0.15, 0.3, 0.45), strict=True))
    assert weights(r.style) == dict(zip(names, (0.1, 0.1, 0.6, 0.1, 0.1), strict=True))
    assert (r.content_weight, r.style_weight, r.start, r.optimizer) == (0.5, 0.5, "content", "adam")


@pytest.mark.parametrize("name", PRESETS)
def test_short_weights_are_refused_with_the_missing_layers(vgg: Path, name: str) -> None:
    """Each preset of the classics looks deeper than relu4_1; the message says where."""
    recipe = find_preset(name)
    network = LossNetwork.load(vgg)
    missing = [layer for layer in recipe.layers if layer not in network.layer_names]
    assert missing
    with pytest.raises(InputError, match=f"ends at relu4_1 and lacks {', '.join(missing)};"):
        recipe.on(network)


@pytest.mark.parametrize("name", PRESETS)
def test_the_whole_network_takes_every_preset(tmp_path: Path, name: str) -> None:
    with_all = LossNetwork.load(random_vgg(tmp_path / "vgg.safetensors", last="conv5_4"))
    recipe = find_preset(name)
    assert recipe.on(with_all) is recipe


def test_light_networks_have_taps_of_their_own(tmp_path: Path) -> None:
    network = LossNetwork.load(torchvision_weights(tmp_path / "w.safetensors", "squeezenet1_1"), "squeezenet")
    recipe = find_preset("gatys").on(network)
    assert [name for name, _ in recipe.style] == list(network.taps)
    assert sum(w for _, w in recipe.style) == pytest.approx(1) and sum(w for _, w in recipe.content) == pytest.approx(1)
    chosen = find_preset("gatys").changed(content=(("fire3", 1.0),), style=(("conv1", 1.0),))
    assert chosen.on(network) is chosen
    with pytest.raises(InputError, match=r"SqueezeNet .* lacks relu1_1"):
        chosen.changed(style=(("relu1_1", 1.0),)).on(network)


def test_every_value_can_be_changed() -> None:
    other = find_preset("five-layer")
    values = {f.name: getattr(other, f.name) for f in fields(Recipe)}
    values |= {"tv": 2.0, "beta2": 0.9, "scales": (64, 128), "long_side": 100, "clip": 3.0, "noise": 0.3}
    changed = find_preset("gatys").changed(**values)
    for name, value in values.items():
        assert getattr(changed, name) == value, name
    assert find_preset("gatys").changed(steps=None) == find_preset("gatys")


def test_lbfgs_brings_its_own_rate() -> None:
    assert (find_preset("gatys").changed(optimizer="lbfgs").learning_rate) == 1
    assert find_preset("gatys").changed(optimizer="lbfgs").clip is None
    assert find_preset("gatys").changed(optimizer="lbfgs", learning_rate=0.5).learning_rate == 0.5
    with pytest.raises(InputError, match="L-BFGS takes none"):
        find_preset("gatys").changed(optimizer="lbfgs", clip=1.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"content": (("relu1_1", 0.0),)}, "content layers"),
        ({"style": (("relu1_1", -1.0), ("relu2_1", 2.0))}, "style layers"),
        ({"style": ()}, "style layers"),
        ({"gram": "none"}, "gram"),
        ({"content_error": "none"}, "content error"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"start": "black"}, "start"),
        ({"content_weight": float("nan")}, "content weight"),
        ({"style_weight": float("inf")}, "style weight"),
        ({"tv": -1.0}, "tv"),
        ({"noise": 2.0}, "noise"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"beta1": 1.0}, "beta1"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"steps": 0}, "steps"),
        ({"clip": 0.0}, "clip"),
        ({"scales": (512, 256)}, "scales"),
        ({"scales": (32,)}, "scales"),
        ({"size": 10}, "size"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict, words: str) -> None:
    with pytest.raises(InputError, match=f"painting: {words} .*out of range"):
        find_preset("guide").changed(**values)


def test_layers_as_people_write_them() -> None:
    assert parse_layers("relu3_1") == (("relu3_1", 1.0),)
    assert parse_layers("relu1_1:0.5, 28:2") == (("relu1_1", 0.5), ("conv5_1", 2.0))
    for wrong in ("", "relu1_1:x", "99", "a,,b"):
        with pytest.raises(InputError, match="NAME"):
            parse_layers(wrong)
    with pytest.raises(InputError, match="choose one of gatys, guide, keras, five-layer"):
        find_preset("none")
