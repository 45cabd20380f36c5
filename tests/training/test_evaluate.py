"""Each score on pictures whose score is known, and all of them against the reference script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime.cli import main
from realtime.errors import InputError
from realtime.media.convert.rgb import rgb_from_frame
from realtime.media.files.stills import read_image, write_image
from realtime.perception import scores as scoring
from realtime.stylizer import Stylizer
from realtime.training.evaluate import FlickerMeter, evaluate, save_metrics, stylized_clip
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, read_card, save_checkpoint
from realtime.transnet.network import TransNet, identity_network
from tests.helpers.clips import Clip
from tests.helpers.pictures import paint, soft
from tests.helpers.transnets import SMALL, random_network

SCORE = Path(__file__).resolve().parents[3] / "shared" / "tools" / "score.py"
KEYS = "content style layers local tv grid e_warp macs_per_pixel params".split()


def stylizer(folder: Path, network: TransNet, name: str = "style") -> Stylizer:
    path = folder / f"{name}.safetensors"
    card = StyleCard(name, "A Title", "A Painter", 1889, network.architecture, {"steps": 3}, {"old": 1})
    save_checkpoint(path, network, card)
    return Stylizer(path, backend="torch", device="cpu", precision="fp32")


@pytest.fixture
def gray_photographs(tmp_path: Path) -> Path:
    """Without colour, 4:2:0 loses nothing."""
    folder = tmp_path / "gray"
    folder.mkdir()
    for seed in range(3):
        write_image(folder / f"{seed}.png", soft(seed, 64, 80)[..., :1].repeat(3, 2))
    return folder


def test_the_identity_loses_no_content(tmp_path: Path, gray_photographs: Path, painting: Path, vgg: Path) -> None:
    style = stylizer(tmp_path, identity_network())
    scores = evaluate(style, gray_photographs, painting, features=vgg, limit=2, style_scales=(64, 96))
    assert scores.images == 2
    assert scores.content == 0
    assert (scores.e_warp, scores.static, scores.pairs) == (None, None, 0)
    assert scores.style == pytest.approx(sum(scores.layers) / 4)
    assert scores.params == identity_network().parameter_count


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


def test_noise_flickers_in_proportion_to_its_strength() -> None:
    meter = FlickerMeter()
    sigma = 0.05
    for source, styled in moving(4, sigma):
        meter.add(source, styled)
    e_warp, _ = meter.result()
    # twice the variance, reduced by interpolation at fractional positions
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


def test_scores_go_into_a_checkpoint_and_change_nothing_else(
    tmp_path: Path, gray_photographs: Path, painting: Path, vgg: Path
) -> None:
    style = stylizer(tmp_path, random_network(SMALL))
    path = tmp_path / "style.safetensors"
    before, _ = load_checkpoint(path)
    scores = evaluate(style, gray_photographs, painting, features=vgg, limit=1, style_scales=(64,))
    save_metrics(path, scores, style_image="painting.png")
    after, card = load_checkpoint(path)
    assert (card.title, card.artist, card.year, card.recipe) == ("A Title", "A Painter", 1889, {"steps": 3})
    assert card.metrics == {**json.loads(json.dumps(scores.to_json())), "style_image": "painting.png"}
    for name, value in before.state_dict().items():
        assert torch.equal(value, after.state_dict()[name]), name


def test_the_command(
    tmp_path: Path,
    gray_photographs: Path,
    painting: Path,
    vgg: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "STYLE_SCALES", (64, 96))  # quicker
    stylizer(tmp_path, identity_network())
    path = tmp_path / "style.safetensors"
    clip = Clip(tmp_path / "clip.mp4", frames=4).make()
    args: list[Any] = ["evaluate", path, "--content", gray_photographs, "--style-image", painting, "--features", vgg]
    args += [
        "--backend",
        "torch",
        "--video",
        clip,
        "--limit",
        1,
        "--frames",
        3,
        "--precision",
        "fp32",
        "--device",
        "cpu",
        "--save",
        "--json",
    ]
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
    with pytest.raises(InputError, match="no content pictures"):
        evaluate(style, [], painting, features=vgg)
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
    for index, (before, after) in enumerate(stylized_clip(style, clip, 4)):
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
    got = evaluate(style, folders["content"], painting, features=vgg, video=clip, frames=4).to_json()
    assert set(wanted) - set(got) <= {"patch", "palette", "strokes", "fill"}  # scores that only the script has
    for name, value in ((name, wanted[name]) for name in wanted if name in got):
        # the script rounds to four decimals
        assert got[name] == (pytest.approx(value, rel=0.01, abs=1e-4) if value is not None else None), name
