"""Painting photographs: sizes, masks, colours, several paintings, previews, scores, light networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from realtime.errors import InputError
from realtime.media.files.stills import read_image, read_picture, write_image
from realtime.painting import studio as module
from realtime.painting.config import PaintConfig
from realtime.painting.recipes import find_preset
from realtime.painting.still import paint_still
from realtime.painting.studio import PaintProgress, Studio, to_tensor, with_colors_of, working_sizes
from realtime.perception import scores as scoring
from realtime.perception.features import LossNetwork, NetworkName
from realtime.perception.losses import gram, gram_error
from tests.helpers.pictures import soft, torchvision_weights

# Shallow layers: what is tested here does not depend on depth, and they are quick.
SHALLOW = {"content": (("relu2_1", 1.0),), "style": (("relu1_1", 1.0), ("relu2_1", 1.0))}
RECIPE = find_preset("guide").changed(**SHALLOW, steps=3, learning_rate=0.05, scales=())


@pytest.fixture(autouse=True)
def small_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "STYLE_SCALES", (64, 96))


@pytest.fixture
def config(tmp_path: Path, vgg: Path) -> PaintConfig:
    write_image(tmp_path / "content.png", soft(1, 72, 90))
    write_image(tmp_path / "style.png", soft(2, 80, 80))
    return PaintConfig(
        content=tmp_path / "content.png",
        styles=(tmp_path / "style.png",),
        output=tmp_path / "out.png",
        recipe=RECIPE,
        size=64,
        features=vgg,
        device="cpu",
        precision="fp32",
    )


@pytest.mark.parametrize(
    ("preset", "size", "expected"),
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
def test_working_sizes(preset: str, size: int | None, expected: list[tuple[int, int]]) -> None:
    assert working_sizes(1000, 1500, find_preset(preset), size) == expected
    upright = [(w, h) for h, w in expected]
    assert working_sizes(1500, 1000, find_preset(preset), size) == upright


def test_small_photographs_are_refused() -> None:
    with pytest.raises(InputError, match="200x40: painted at 40 px, 64 are needed"):
        working_sizes(40, 200, find_preset("gatys"))


def test_a_painting(config: PaintConfig) -> None:
    seen: list[PaintProgress] = []
    summary = paint_still(config, seen.append)
    assert read_image(config.output).shape == (64, 80, 3)
    assert {
        "content",
        "style",
        "output",
        "preset",
        "steps",
        "seconds",
        "losses",
        "scores",
        "device",
        "precision",
    } <= set(summary)
    assert (summary["preset"], summary["size"], summary["steps"]) == ("guide", [80, 64], 3)
    assert summary["style"] == [str(config.styles[0])]
    assert summary["losses"]["last"]["style"] < summary["losses"]["first"]["style"]
    assert summary["losses"]["first"]["content"] == 0
    assert summary["scores"]["content"] > 0 and summary["scores"]["style"] > 0
    assert summary["scores"]["style"] == pytest.approx(np.mean(summary["scores"]["layers"]), abs=1e-4)
    assert [(p.step, p.steps, p.size, p.frame, p.frames) for p in seen] == [(n, 3, (80, 64), 1, 1) for n in (1, 2, 3)]
    assert seen[-1].share == 1


def test_scales_come_one_after_the_other(config: PaintConfig) -> None:
    seen: list[PaintProgress] = []
    summary = paint_still(replace(config, recipe=RECIPE.changed(scales=(64,), steps=2), size=96), seen.append)
    assert [run["size"] for run in summary["scales"]] == [[80, 64], [120, 96]]
    assert summary["steps"] == 4
    assert summary["losses"]["first"] == summary["scales"][1]["first"]
    # the second begins with the first one's style, not anew
    assert summary["scales"][1]["first"]["style"] < summary["scales"][0]["first"]["style"]
    shares = [p.share for p in seen]
    assert shares == sorted(shares) and shares[-1] == 1


def test_noise_to_start_from_depends_on_the_seed(config: PaintConfig) -> None:
    noisy = replace(config, recipe=RECIPE.changed(start="noise", noise=0.1, steps=1), overwrite=True)
    pictures = []
    for seed in (1, 1, 2):
        paint_still(replace(noisy, seed=seed))
        pictures.append(read_image(config.output).astype(int))
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
    assert pictures[0].std() < 40 < pictures[0].mean()  # gray with noise, not the photograph


def test_masks(config: PaintConfig, tmp_path: Path) -> None:
    mask = np.zeros((72, 90, 3), np.uint8)
    mask[:, :45] = 255
    write_image(tmp_path / "left.png", mask)
    paint_still(replace(config, size=72, masks=(tmp_path / "left.png",)))
    out, source = read_image(config.output).astype(int), read_image(config.content)
    assert np.array_equal(out[:, 45:], source[:, 45:])
    assert np.abs(out[:, :45] - source[:, :45]).mean() > 3


def test_a_mask_for_each_painting(config: PaintConfig, tmp_path: Path) -> None:
    half = np.zeros((72, 90, 3), np.uint8)
    half[:, :45] = 255
    write_image(tmp_path / "left.png", half)
    write_image(tmp_path / "right.png", 255 - half)
    write_image(tmp_path / "red.png", soft(3, 80, 80) // np.array([1, 4, 4], np.uint8))
    write_image(tmp_path / "blue.png", soft(3, 80, 80) // np.array([4, 4, 1], np.uint8))
    both = replace(
        config,
        size=72,
        styles=(tmp_path / "red.png", tmp_path / "blue.png"),
        masks=(tmp_path / "left.png", tmp_path / "right.png"),
        recipe=RECIPE.changed(content_weight=0.0, style=(("conv1_1", 1.0),), steps=15),
    )
    network = LossNetwork.load(config.features)

    def error(picture: np.ndarray, painting: str) -> float:
        pair = [to_tensor(p, torch.device("cpu")) for p in (picture, wanted[painting])]
        matrices = [gram(network(p, ["conv1_1"])[0])[0] for p in pair]
        return float(gram_error(matrices[0], matrices[1], "relative"))

    wanted = {name: read_image(tmp_path / f"{name}.png") for name in ("red", "blue")}
    paint_still(both)
    out = read_image(config.output)
    # away from the border between them, where a feature sees both
    assert error(out[:, :40], "red") < 0.5 * error(out[:, 50:], "red")
    assert error(out[:, 50:], "blue") < 0.5 * error(out[:, :40], "blue")


def test_several_paintings_by_their_shares(config: PaintConfig, tmp_path: Path) -> None:
    write_image(tmp_path / "other.png", soft(5, 80, 80))
    styles = (*config.styles, tmp_path / "other.png")
    alone = paint_still(config)
    first = replace(config, styles=styles, shares=(1.0, 0.0), output=tmp_path / "first.png")
    assert paint_still(first)["losses"] == alone["losses"]
    assert np.array_equal(read_image(config.output), read_image(first.output))
    both = paint_still(replace(config, styles=styles, output=tmp_path / "both.png"))
    assert len(both["style"]) == 2 and both["losses"]["first"] != alone["losses"]["first"]


def test_colours_are_kept(config: PaintConfig) -> None:
    write_image(config.content, np.full((72, 90, 3), (120, 90, 100), np.uint8), overwrite=True)
    # From noise, so that there is something of another colour to be brought back.
    noisy = RECIPE.changed(start="noise", noise=0.1, steps=1)
    paint_still(replace(config, keep_color=True, recipe=noisy))
    out = read_image(config.output).astype(int)
    assert np.abs((out[..., 0] - out[..., 1]) - 30).max() <= 1  # the differences of the channels are the source's
    assert np.abs((out[..., 2] - out[..., 1]) - 10).max() <= 1
    assert out.std() > 2
    assert np.array_equal(with_colors_of(out.astype(np.uint8), out.astype(np.uint8)), out)


def test_the_preview_grows(config: PaintConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[np.ndarray] = []
    monkeypatch.setattr(
        module.stills,
        "write_image",
        lambda path, rgb, overwrite: written.append(rgb) or write_image(path, rgb, overwrite=overwrite),
    )
    paint_still(replace(config, recipe=RECIPE.changed(steps=5), preview=tmp_path / "preview.jpg", preview_every=2))
    assert len(written) == 3  # after 2, 4 and 5 steps
    assert not np.array_equal(written[0], written[1])
    assert np.array_equal(written[2], read_image(config.output))
    assert (tmp_path / "preview.jpg").is_file()


def test_transparency_and_tags_stay(config: PaintConfig) -> None:
    image = Image.fromarray(np.dstack([soft(1, 72, 90), np.full((72, 90), 99, np.uint8)]))
    exif = image.getexif()
    exif[0x010F] = "A Maker"
    image.save(config.content, exif=exif)
    paint_still(config)
    out = read_picture(config.output)
    assert out.alpha is not None and (out.alpha == 99).all()
    assert out.exif is not None and b"A Maker" in out.exif


@pytest.mark.parametrize(("name", "model"), [("mobilenet", "mobilenet_v2"), ("squeezenet", "squeezenet1_1")])
def test_light_networks_paint(config: PaintConfig, tmp_path: Path, name: NetworkName, model: str) -> None:
    weights = torchvision_weights(tmp_path / "w.safetensors", model)
    recipe = find_preset("guide").changed(steps=4, scales=(), gram="relative", style_weight=1.0, content_weight=0.0)
    summary = paint_still(replace(config, loss_network=name, features=weights, recipe=recipe))
    assert summary["losses"]["last"]["total"] < summary["losses"]["first"]["total"]
    assert summary["scores"] is None  # they are VGG-19's
    assert any("has no layers of VGG-19" in note for note in summary["notes"])


def test_saving_memory_paints_nearly_the_same(config: PaintConfig) -> None:
    def loss(**options: Any) -> float:
        return float(paint_still(replace(config, overwrite=True, **options))["losses"]["last"]["total"])

    plain = loss()
    assert loss(tile=128) == pytest.approx(plain, rel=0.02)
    assert loss(grad_checkpoint=True) == pytest.approx(plain, rel=0.02)
    assert loss(precision="bf16") == pytest.approx(plain, rel=0.2)


def test_lbfgs(config: PaintConfig) -> None:
    auto = replace(config, precision="auto", recipe=RECIPE.changed(optimizer="lbfgs", learning_rate=1.0))
    summary = paint_still(auto)
    assert (summary["optimizer"], summary["precision"], summary["steps"]) == ("lbfgs", "fp32", 3)
    assert summary["losses"]["last"]["total"] < summary["losses"]["first"]["total"]
    assert next(Studio(replace(config, precision="bf16")).network.parameters()).dtype == torch.bfloat16


def test_what_is_refused(config: PaintConfig, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    write_image(tmp_path / "black.png", np.zeros((8, 8, 3), np.uint8))
    missing = tmp_path / "none.png"
    for change, words in (
        ({"content": missing}, "none.png: no such file"),
        ({"styles": (missing,)}, "none.png: no such file"),
        ({"styles": (tmp_path / "words.png",)}, "words.png: not an image"),
        ({"masks": (missing,)}, "none.png: no such file"),
        ({"masks": (tmp_path / "black.png",)}, "black everywhere"),
        ({"output": tmp_path / "out.xyz"}, "cannot write .xyz"),
        ({"output": config.content, "overwrite": True}, "is one of the inputs"),
        ({"preview": config.styles[0]}, "is one of the inputs"),
        ({"preview": config.output}, "is the output itself"),
        ({"features": missing}, "no such file"),
        ({"recipe": find_preset("keras")}, "lacks relu5_2, relu5_1"),
        ({"size": None, "content": tmp_path / "black.png"}, "64 are needed"),
    ):
        with pytest.raises(InputError, match=words):
            paint_still(replace(config, **change))
    for values, words in (
        ({"styles": ()}, "style images"),
        ({"shares": (1.0, 2.0)}, "shares"),
        ({"masks": (missing, missing)}, "masks"),
        ({"style_scale": 0.0}, "style_scale"),
        ({"tile": 16}, "tile"),
        ({"precision": "fp16"}, "precision"),
        ({"temporal": -1.0}, "temporal"),
        ({"frame_steps": 0}, "frame_steps"),
        ({"preview_every": 0}, "preview_every"),
    ):
        with pytest.raises(InputError, match=f"painting: {words}"):
            replace(config, **values)
    assert not config.output.exists()
