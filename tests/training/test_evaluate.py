"""The yardstick: each score on pictures whose score is known, and all of them against the reference script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.cli import main
from realtime.errors import InputError
from realtime.media.stills import read_image, rgb_from_frame, write_image
from realtime.stylizer import Stylizer
from realtime.training import evaluate as module
from realtime.training import losses
from realtime.training.evaluate import (
    FlickerMeter,
    PictureMeter,
    evaluate,
    grid_ratio,
    resize_area,
    save_metrics,
    tile_grams,
)
from realtime.training.features import LossNetwork
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, read_card, save_checkpoint
from realtime.transnet.network import TransNet, identity_network
from tests.clips import Clip
from tests.training.conftest import paint
from tests.transnet.test_network import SMALL, random_network

SCORE = Path(__file__).resolve().parents[3] / "shared" / "tools" / "score.py"
KEYS = "content style layers local tv grid e_warp macs_per_pixel params".split()


def stylizer(folder: Path, network: TransNet, name: str = "style") -> Stylizer:
    path = folder / f"{name}.safetensors"
    card = StyleCard(name, "A Title", "A Painter", 1889, network.architecture, {"steps": 3}, {"old": 1})
    save_checkpoint(path, network, card)
    return Stylizer(path, device="cpu", precision="fp32")


def soft(seed: int, height: int = 192, width: int = 200) -> np.ndarray:
    """A soft random picture with some noise."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 6, 7, generator=generator)
    big = torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic")[0].permute(1, 2, 0)
    big += 0.02 * torch.randn(big.shape, generator=generator)
    picture: np.ndarray = (big.clamp(0, 1) * 255).byte().numpy()
    return picture


@pytest.fixture
def small_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STYLE_SCALES", (64, 96))


@pytest.fixture
def gray_photographs(tmp_path: Path) -> Path:
    """Without colour, 4:2:0 loses nothing."""
    folder = tmp_path / "gray"
    folder.mkdir()
    for seed in range(3):
        write_image(folder / f"{seed}.png", soft(seed, 64, 80)[..., :1].repeat(3, 2))
    return folder


@pytest.mark.usefixtures("small_scales")
def test_what_changes_nothing_loses_no_content(
    tmp_path: Path, gray_photographs: Path, painting: Path, vgg: Path
) -> None:
    style = stylizer(tmp_path, identity_network())
    scores = evaluate(style, gray_photographs, painting, features=vgg, limit=2)
    assert scores.images == 2
    assert scores.content == 0
    assert (scores.e_warp, scores.static, scores.pairs) == (None, None, 0)
    assert scores.style == pytest.approx(sum(scores.layers) / 4)
    assert scores.params == identity_network().parameter_count


@pytest.mark.usefixtures("small_scales")
def test_the_painting_itself_has_its_own_style(vgg: Path) -> None:
    painting = soft(5, 96, 96)
    meter = PictureMeter(LossNetwork.load(vgg), painting, torch.device("cpu"))
    itself, other = meter(soft(1, 96, 96), painting), meter(soft(1, 96, 96), soft(2, 96, 96))
    assert float(itself.layers[1].max()) < 1e-9  # at its own size
    assert float(itself.layers.mean(1).argmin()) == 1
    assert float(other.layers[1].mean()) > 1e-3
    assert itself.content > 0.01


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(2, 6), st.integers(0, 99))
def test_style_that_is_everywhere_is_as_good_locally(rows: int, columns: int, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tile = torch.randn(1, 5, side, side, generator=generator)
    features = tile.repeat(1, 1, rows, columns)
    rest = torch.nn.functional.pad(features, (0, side - 1, 0, side - 1))  # what is left of whole tiles does not count
    grams = tile_grams(rest, side)
    assert grams.shape == (rows * columns, 5, 5)
    assert torch.allclose(grams, losses.gram(features).expand_as(grams), atol=1e-5)


def test_a_picture_smaller_than_a_tile_is_one() -> None:
    features = torch.randn(1, 4, 8, 30)
    assert torch.equal(tile_grams(features, 16), losses.gram(features))


def test_style_stamped_on_one_half_is_worse_locally() -> None:
    tile = torch.randn(1, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    features = torch.cat([2**0.5 * tile, 0 * tile], 3)  # the same Gram matrix over the whole
    target = losses.gram(tile)
    assert torch.allclose(losses.gram(features), target, atol=1e-5)
    assert float(((tile_grams(features, 8) - target) ** 2).sum() / (target**2).sum()) > 1


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("across", [True, False])
def test_a_grid_stands_out(period: int, across: bool) -> None:
    picture = soft(3)
    assert grid_ratio(picture) < 3
    with_grid = picture.astype(int)
    lines = (slice(None), slice(None, None, period)) if across else slice(None, None, period)
    with_grid[lines] += 12
    assert grid_ratio(np.clip(with_grid, 0, 255).astype(np.uint8)) > 10


@pytest.mark.parametrize("size", [(32, 33), (48, 72), (50, 241)])
def test_a_grid_is_looked_for_in_every_size(size: tuple[int, int]) -> None:
    assert grid_ratio(np.full((*size, 3), 128, np.uint8)) == 1
    assert np.isfinite(grid_ratio(soft(0, *size)))


def moving(count: int, noise: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """A scene that slides by whole pixels, and the same with noise of its own in every frame."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((1, 3, 20, 30), np.float32))
    wide = torch.nn.functional.interpolate(coarse, size=(160, 240), mode="bicubic")[0].permute(1, 2, 0).numpy()
    out = []
    for index in range(count):
        view = wide[:128, 2 * index : 2 * index + 192]
        styled = view + noise * rng.standard_normal(view.shape)
        out.append(tuple(np.clip(v * 200 + 28, 0, 255).astype(np.uint8) for v in (view, styled)))
    return out  # type: ignore[return-value]


def test_what_moves_with_the_scene_does_not_flicker() -> None:
    meter = FlickerMeter()
    for source, styled in moving(4, 0):
        meter.add(source, styled)
    e_warp, _ = meter.result()
    assert len(meter.errors) == 3
    assert e_warp is not None
    assert e_warp < 0.01


def test_noise_flickers_as_much_as_there_is_of_it() -> None:
    meter = FlickerMeter()
    sigma = 0.05
    for source, styled in moving(4, sigma):
        meter.add(source, styled)
    e_warp, _ = meter.result()
    # twice the variance, of which interpolation at broken positions takes some away
    assert e_warp == pytest.approx(2**0.5 * sigma * 200 / 255, rel=0.2)


def test_a_still_scene_is_all_static() -> None:
    source = soft(4, 96, 96)
    meter = FlickerMeter()
    for level in (0, 10):
        meter.add(source, np.full_like(source, 100 + level))
    assert list(meter.result()) == pytest.approx([10 / 255, 10 / 255])


def test_one_frame_has_nothing_to_flicker_against() -> None:
    meter = FlickerMeter()
    meter.add(soft(0, 64, 64), soft(0, 64, 64))
    assert meter.result() == (None, None)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(0, 255))
def test_resizing_keeps_a_flat_picture(height: int, width: int, short: int, value: int) -> None:
    out = resize_area(np.full((height, width, 3), value, np.uint8), short)
    assert min(out.shape[:2]) == short or min(height, width) != height  # rounding of the long side never wins
    assert (out == value).all()


def test_resizing_takes_means_of_areas() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    blocks = picture.reshape(2, 2, 2, 2, 3).astype(float).mean((1, 3))
    assert np.abs(resize_area(picture, 2) - blocks).max() <= 0.5


def test_scores_go_into_a_checkpoint_and_change_nothing_else(
    tmp_path: Path, gray_photographs: Path, painting: Path, vgg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STYLE_SCALES", (64,))
    style = stylizer(tmp_path, random_network(SMALL))
    path = tmp_path / "style.safetensors"
    before, _ = load_checkpoint(path)
    scores = evaluate(style, gray_photographs, painting, features=vgg, limit=1)
    save_metrics(path, scores, style_image="painting.png")
    after, card = load_checkpoint(path)
    assert (card.title, card.artist, card.year, card.recipe) == ("A Title", "A Painter", 1889, {"steps": 3})
    assert card.metrics == {**json.loads(json.dumps(scores.to_dict())), "style_image": "painting.png"}
    for name, value in before.state_dict().items():
        assert torch.equal(value, after.state_dict()[name]), name


@pytest.mark.usefixtures("small_scales")
def test_the_command(
    tmp_path: Path, gray_photographs: Path, painting: Path, vgg: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stylizer(tmp_path, identity_network())
    path = tmp_path / "style.safetensors"
    clip = Clip(tmp_path / "clip.mp4", frames=4).make()
    args: list[Any] = ["evaluate", path, "--content", gray_photographs, "--style-image", painting, "--features", vgg]
    args += ["--video", clip, "--limit", 1, "--frames", 3, "--precision", "fp32", "--device", "cpu", "--save", "--json"]
    assert main([str(a) for a in args]) == 0
    out = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(KEYS) <= set(out)
    assert (out["images"], out["pairs"], out["content"]) == (1, 2, 0)
    assert 0 <= out["e_warp"] < 0.1
    assert read_card(path).metrics["video"] == "clip.mp4"


def test_help_defines_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {key}  " in text for key in KEYS)


def test_what_is_missing_is_named(tmp_path: Path, gray_photographs: Path, painting: Path, vgg: Path) -> None:
    style = stylizer(tmp_path, random_network(SMALL))
    with pytest.raises(InputError, match="nowhere"):
        evaluate(style, tmp_path / "nowhere", painting, features=vgg)
    with pytest.raises(InputError, match=r"none\.png"):
        evaluate(style, gray_photographs, tmp_path / "none.png", features=vgg)
    with pytest.raises(InputError, match=r"none\.safetensors"):
        evaluate(style, gray_photographs, painting, features=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="at least one"):
        evaluate(style, gray_photographs, painting, features=vgg, limit=0)
    tiny = paint(tmp_path / "tiny.png", 0, (20, 40))
    with pytest.raises(InputError, match=r"tiny\.png.*20x40"):
        evaluate(style, gray_photographs, tiny, features=vgg)


def test_agrees_with_the_reference_script(tmp_path: Path, vgg: Path) -> None:
    if not SCORE.is_file():
        pytest.skip("the reference script is not beside the checkout")
    folders = {name: tmp_path / name for name in ("content", "styled", "source_frames", "styled_frames")}
    for folder in folders.values():
        folder.mkdir()
    style = stylizer(tmp_path, random_network(SMALL))
    # large enough that no scale enlarges it, which OpenCV's INTER_AREA does not do exactly
    painting = paint(tmp_path / "painting.png", 7, (780, 768))
    for seed in range(2):
        path = folders["content"] / f"{seed}.png"
        write_image(path, soft(seed, 160, 203))
        write_image(folders["styled"] / path.name, style.image(read_image(path)))
    clip = Clip(tmp_path / "clip.mp4", frames=4, size=(192, 128)).make()
    for index, (before, after) in enumerate(module._clip(style, clip, 4)):
        write_image(folders["source_frames"] / f"{index}.png", rgb_from_frame(before))
        write_image(folders["styled_frames"] / f"{index}.png", rgb_from_frame(after))

    def reference(*args: object) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, SCORE, *map(str, args)], capture_output=True, text=True, timeout=300, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    wanted = reference(
        "stills", "--content", folders["content"], "--output", folders["styled"], "--style", painting, "--vgg", vgg
    )
    wanted |= reference("clip", "--source", folders["source_frames"], "--output", folders["styled_frames"])
    got = evaluate(style, folders["content"], painting, features=vgg, video=clip, frames=4).to_dict()
    for name, value in wanted.items():
        # the script rounds to four decimals
        assert got[name] == (pytest.approx(value, rel=0.01, abs=1e-4) if value is not None else None), name
