"""Any picture, and any blend, as STYLE of the commands: what comes out, and what is refused before any work."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from realtime.media.files.stills import read_image
from realtime.media.synthetic.demo import write_demo_clip
from realtime.style.cache import folder
from realtime.style.resolve import resolve_style
from tests.helpers.pictures import paint

CPU = "--backend torch --device cpu --precision fp32 --threads 1".split()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint(tmp_path_factory.mktemp("photo") / "photo.png", 7, (96, 64))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_demo_clip(path, seconds=0.3, size=(96, 64))
    return path


def test_an_image(restyle: Any, photo: Path, picture: Path, tmp_path: Path) -> None:
    painted = {}
    for name, style, options in (
        ("usual", picture, []),
        ("more", picture, ["--paint", "1"]),
        ("larger", picture, ["--stroke", "2"]),
        ("blend", f"great-wave:0.5+{picture}:0.5", ["--paint", "0.5", "--stroke", "1"]),
    ):
        output = tmp_path / f"{name}.png"
        done = restyle("image", photo, output, "--style", style, *options, *CPU, "--json")
        assert done.code == 0, done.err
        assert done.json["style"] == ("great-wave:0.5+flowers:0.5" if name == "blend" else "flowers")
        painted[name] = read_image(output)
        assert painted[name].shape == (64, 96, 3)
    source = read_image(photo)
    for name, rgb in painted.items():
        assert np.abs(rgb.astype(int) - source).mean() > 2, name
        assert name == "usual" or np.abs(rgb.astype(int) - painted["usual"]).mean() > 0.2, name


def test_a_video(restyle: Any, clip: Path, picture: Path, tmp_path: Path) -> None:
    done = restyle("video", clip, tmp_path / "out.mp4", "--style", picture, *CPU, "--json")
    assert done.code == 0, done.err
    assert (done.json["style"], done.json["frames"]) == ("flowers", 9)
    resumed = ["--resume", "--overwrite", "--paint", "0.9"]
    done = restyle("video", clip, tmp_path / "out.mp4", "--style", picture, *CPU, *resumed, "--json")
    assert done.code == 0 and done.json["frames"] == 9


def test_a_camera_in_two_pictures(restyle: Any, clip: Path, picture: Path, other_picture: Path) -> None:
    styles = ["--style", picture, "--style", other_picture, "--stroke", "1.5"]
    done = restyle("webcam", "--camera", clip, *styles, "--headless", "--frames", "3", *CPU, "--json")
    assert done.code == 0, done.err
    assert done.json["styles"] == ["flowers", "harbour"]


def test_an_exported_network(restyle: Any, picture: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.onnx"
    done = restyle("export", picture, output, "--static", "64x48", "--paint", "0.9", "--json")
    assert done.code == 0, done.err
    assert done.json["style"] == "flowers" and output.is_file()
    assert restyle("export", output, tmp_path / "b.onnx").code == 2


@pytest.mark.slow
def test_a_measurement(restyle: Any, clip: Path, picture: Path) -> None:
    sizes = "--rounds 1 --seconds 0.1 --frames 8 --json".split()
    engine = "--backend torch --device cpu --precision fp32 --threads 1".split()
    done = restyle("bench", "--style", picture, "--paint", "0.8", "--video", clip, *sizes, *engine)
    assert done.code == 0, done.err
    assert done.json["style"]["name"] == "flowers"
    assert "--style flowers.png --paint 0.8" in done.json["command"]


@pytest.mark.slow
def test_scores(restyle: Any, picture: Path, vgg: Path, tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    paint(content / "a.png", 3, (80, 72))
    files = ["--content", content, "--style-image", picture, "--features", vgg]
    done = restyle("evaluate", picture, *files, *CPU, "--json")
    assert done.code == 0, done.err
    assert done.json["images"] == 1


def test_scores_have_no_file_to_be_saved_in(restyle: Any, picture: Path, vgg: Path, tmp_path: Path) -> None:
    resolve_style(picture)
    before = {path: path.read_bytes() for path in folder().iterdir()}
    files = ["--content", tmp_path, "--style-image", picture, "--features", vgg]
    refused = restyle("evaluate", picture, *files, *CPU, "--save", "--quiet")
    assert refused.code == 2 and "flowers" in refused.error and "--save" in refused.error
    assert {path: path.read_bytes() for path in folder().iterdir()} == before


@pytest.mark.parametrize("command", ["video", "image", "demo", "webcam", "bench", "export", "evaluate"])
def test_every_command_checks_its_style_first(restyle: Any, command: str, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jpg"
    Image.new("RGB", (300, 300)).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:300])
    out = tmp_path / "out"
    for style, options, words in (
        ("great-wave", ["--paint", "0.7"], "great-wave: is a gallery style"),
        (str(damaged), [], "damaged.jpg"),
        ("great-wave:-1+udnie", [], "great-wave:-1"),
        ("udnie+grate-wave:1", ["--stroke", "2"], "did you mean great-wave?"),
    ):
        given = [style] if command in ("export", "evaluate") else ["--style", style]
        files = {
            "video": ["in.mp4", out / "a.mp4"],
            "image": ["in.png", out / "a.png"],
            "demo": [out / "a.mp4"],
            "export": [out / "a.onnx"],
            "evaluate": ["--content", tmp_path, "--style-image", damaged],
        }.get(command, [])
        arguments = [*given, *files] if command in ("export", "evaluate") else [*files, *given]
        done = restyle(command, *arguments, *options, "--quiet")
        assert done.code == 2 and words in done.error, (command, style)
    assert not out.exists()


@pytest.mark.parametrize("command", ["video", "image", "demo", "webcam", "bench", "export", "evaluate"])
def test_the_help_says_what_a_style_may_be(restyle: Any, command: str) -> None:
    text = " ".join(restyle(command, "--help").out.split())
    assert "a picture, a checkpoint (.safetensors), an exported network (.onnx), or a blend" in text
    assert "--paint 0..1" in text and "--stroke 0.5..2" in text


@pytest.mark.parametrize("quiet", [False, True])
def test_slow_work_is_told(
    restyle: Any, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    """The network's maker waits until the message was due."""
    from realtime.style import emitted, resolve

    style = paint(tmp_path / "slow.png", 11 + quiet)
    told = resolve.log.isEnabledFor
    measure = emitted.measure_statistics
    seen = []

    def slow(*given: Any) -> Any:
        seen.append(told(logging.INFO))
        resolve.log.info("slow: taking its time")
        return measure(*given)

    monkeypatch.setattr(emitted, "measure_statistics", slow)
    done = restyle("image", photo, tmp_path / "a.png", "--style", style, *CPU, *(["--quiet"] if quiet else []))
    assert done.code == 0, done.err
    assert seen == [not quiet]
    assert ("slow: taking its time" in done.err.splitlines()) is not quiet
    assert not logging.getLogger("realtime.style").handlers


def test_the_json_line_is_the_only_output(restyle: Any, photo: Path, picture: Path, tmp_path: Path) -> None:
    done = restyle("image", photo, tmp_path / "a.png", "--style", picture, *CPU, "--json")
    assert json.loads(done.out) == done.json
