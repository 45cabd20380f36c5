"""`restyle paint`: its summary, its messages, its exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime.media.files.stills import read_image, write_image
from realtime.painting.recipes import make_recipe
from realtime.perception import scores as scoring
from tests.helpers.clips import Clip
from tests.helpers.commands import Restyle
from tests.helpers.pictures import soft

LAYERS = ("--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1")
FITS = ("--preset", "guide", *LAYERS, "--scales", "none", "--size", "64", "--device", "cpu")


@pytest.fixture(autouse=True)
def small_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "STYLE_SCALES", (64,))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_image(tmp_path / "content.png", soft(1, 72, 90))
    write_image(tmp_path / "style.png", soft(2, 80, 80))
    return tmp_path


def test_a_picture(restyle: Restyle, files: Path, vgg: Path) -> None:
    arguments = ("paint", files / "content.png", files / "style.png", files / "out.png", *FITS, "--features", vgg)
    done = restyle(*arguments, "--steps", 2, "--json", "--threads", 1)
    assert done.code == 0, done.err
    summary = done.json
    keys = "content style output preset steps seconds losses scores device precision"
    assert set(keys.split()) <= set(summary)
    assert (summary["preset"], summary["steps"], summary["device"]) == ("guide", 2, "cpu")
    assert summary["losses"]["last"]["total"] < summary["losses"]["first"]["total"]
    assert "step 1/2" in done.err and "scores: content" in done.err
    assert len(done.out.splitlines()) == 1
    assert read_image(files / "out.png").shape == (64, 80, 3)
    again = restyle(*arguments, "--quiet")
    assert again.code == 2 and "exists" in again.error


def test_options_are_parsed(restyle: Restyle, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def stop(*arguments: Any, report: Any) -> None:
        seen.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("realtime.painting.paint.paint", stop)
    given = (
        "--preset keras --steps 7 --size 128 --scales 64,96 --init noise --content-weight 2 --style-weight 3 --tv 4"
        " --content-layers 10:0.5 --style-layers relu1_1,relu2_1:2 --gram relative --content-error variance"
        " --learning-rate 0.5 --beta1 0.5 --beta2 0.6 --epsilon 0.7 --clip 0.8 --no-clamp --noise 0.1 --blend 2,1"
        " --style-scale 0.5 --keep-color --tile 256 --grad-checkpoint --precision fp32 --seed 5 --preview-every 9"
        " --frame-steps 3 --temporal 0.4 --loss-network squeezenet --start 0:01 --end 2.5 --quality 20"
    ).split()
    styles = [files / "style.png", files / "content.png"]
    done = restyle("paint", files / "content.png", *styles, files / "out.png", *given, "--mask", files / "style.png")
    assert done.code == 130
    content, paintings, output, o = seen[0]
    assert (content, paintings, output) == (files / "content.png", styles, files / "out.png")
    r = make_recipe(o)
    assert (r.name, r.steps, r.scales, r.init) == ("keras", 7, (64, 96), "noise")
    assert (r.content_weight, r.style_weight) == (2, 3)
    assert (r.tv, r.content, r.style) == (4, (("conv3_1", 0.5),), (("relu1_1", 1.0), ("relu2_1", 2.0)))
    assert (r.gram, r.content_error, r.learning_rate) == ("relative", "variance", 0.5)
    assert (r.beta1, r.beta2, r.epsilon, r.clip, r.clamp, r.noise) == (0.5, 0.6, 0.7, 0.8, False, 0.1)
    assert (o.blend, o.mask) == ((2, 1), (files / "style.png",))
    assert (o.size, o.style_scale, o.keep_color, o.tile, o.grad_checkpoint) == (128, 0.5, True, 256, True)
    assert (o.precision, o.seed, o.preview_every, o.frame_steps, o.temporal) == ("fp32", 5, 9, 3, 0.4)
    assert (o.loss_network, o.start, o.end, o.quality) == ("squeezenet", 1, 2.5, 20)


def test_a_clip(restyle: Restyle, files: Path, vgg: Path) -> None:
    clip = Clip(files / "clip.mp4", frames=2, size=(96, 64), audio=["aac"]).make()
    arguments = ("paint", clip, files / "style.png", files / "out.mp4", *FITS, "--features", vgg)
    done = restyle(*arguments, "--steps", 1, "--frame-steps", 1, "--json", "--quiet")
    assert done.code == 0, done.err
    assert (done.json["frames"], done.json["audio_streams"], done.json["size"]) == (2, 1, [96, 64])
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("content.png", "out.png"), "give CONTENT, at least one STYLE_IMAGE"),
        (("none.png", "style.png", "out.png", *FITS), "none.png: no such file"),
        (("content.png", "none.png", "out.png", *FITS), "none.png: no such file"),
        (("none.mp4", "style.png", "out.mp4", *FITS), "none.mp4: no such file"),
        (("content.png", "style.png", "out.xyz", *FITS), "cannot write .xyz"),
        (("content.png", "style.png", "no/out.png", *FITS), "does not exist"),
        (("content.png", "style.png", "content.png", *FITS, "--overwrite"), "is one of the inputs"),
        (("content.png", "style.png", "content.png", *FITS), "is one of the inputs"),
        (("content.png", "style.png", "out.png", "--size", "64"), "ends at relu4_1 and lacks conv5_1"),
        (("content.png", "style.png", "out.png", "--size", "64", "--preset", "keras"), "lacks relu5_2, relu5_1"),
        (("content.png", "style.png", "out.png", "--size", "64", "--preset", "five-layer"), "lacks relu4_4, relu5_4"),
        (("content.png", "style.png", "out.png", "--size", "64", "--preset", "guide"), "lacks relu4_2"),
        (("content.png", "style.png", "out.png", "--preset", "none"), "none"),
        (("content.png", "style.png", "out.png", "--scales", "a"), "--scales"),
        (("content.png", "style.png", "out.png", "--blend", "a"), "numbers with commas"),
        (("content.png", "style.png", "out.png", "--blend", "1,2"), "--blend has 2 shares"),
        (("content.png", "style.png", "out.png", "--style-layers", "relu1_1:x"), "NAME:WEIGHT"),
        (("content.png", "style.png", "out.png", "--start", "1"), "are for clips"),
        (("content.png", "style.png", "out.png", "--size", "20"), "--size"),
        (("content.png", "style.png", "out.png", "--learning-rate", "0"), "--learning-rate: 0.0 is not above 0"),
        (
            ("content.png", "style.png", "out.png", "--optimizer", "lbfgs", "--clip", "1"),
            "--clip: L-BFGS",
        ),
    ],
)
def test_errors(restyle: Restyle, files: Path, vgg: Path, arguments: tuple[str, ...], words: str) -> None:
    known = {"content.png", "style.png", "out.png", "none.png", "none.mp4", "out.mp4", "out.xyz", "no/out.png"}
    placed = [files / a if a in known else a for a in arguments]
    done = restyle("paint", *placed, "--features", vgg, "--quiet", "--device", "cpu")
    assert done.code == 2
    assert words in done.error
    assert sorted(p.name for p in files.iterdir()) == ["content.png", "style.png"]
