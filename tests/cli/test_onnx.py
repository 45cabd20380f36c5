"""ONNX files as styles, and the ONNX engine, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.engines.onnx.providers import PROVIDERS, provider_problem
from realtime.media.files.stills import read_image, write_image
from realtime.media.synthetic.demo import write_demo_clip
from tests.helpers.networks import rgb_network


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "gray.png"
    steps = np.arange(40 * 56, dtype=np.uint32).reshape(40, 56, 1) * 97 % 256
    write_image(path, np.repeat(steps.astype(np.uint8), 3, 2))  # grey: 4:2:0 keeps all of it
    return path


@pytest.mark.parametrize(
    "options", [[], ["--precision", "int8"], ["--input", "rgb"], ["--input", "rgb", "--uint8"]], ids=str
)
def test_export_and_use(restyle: Any, identity: Path, picture: Path, tmp_path: Path, options: list[str]) -> None:
    style = tmp_path / "identity.onnx"
    assert restyle("export", identity, style, "-q", *options).code == 0
    done = restyle("image", picture, tmp_path / "out.png", "--style", style, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    assert (done.json["backend"], done.json["style"]) == ("onnx", "identity")
    assert done.err.startswith("identity: onnx on cpu")
    away = np.abs(read_image(tmp_path / "out.png").astype(int) - read_image(picture))
    # a file of planes has them in limited range: 219 steps instead of 256
    assert away.max() <= (1 if options[:1] == ["--input"] else 2)


def test_a_video_through_an_exported_style(restyle: Any, identity: Path, tmp_path: Path) -> None:
    style, clip = tmp_path / "identity.onnx", tmp_path / "clip.mp4"
    assert restyle("export", identity, style, "-q", "--precision", "int8").code == 0
    write_demo_clip(clip, seconds=0.4, size=(96, 64))
    done = restyle("video", clip, tmp_path / "out.mp4", "--style", style, "--device", "cpu", "--json", "-q")
    assert done.code == 0, done.err
    assert (done.json["frames"], done.json["backend"], done.json["precision"]) == (12, "onnx", "int8")


def test_backend_onnx_runs_checkpoints(restyle: Any, identity: Path, picture: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "int8"):
        done = restyle(
            *("image", picture, tmp_path / "out.png", "--style", identity, "--backend", "onnx", "--device", "cpu"),
            *("--precision", precision, "--json", "--overwrite"),
        )
        assert (done.json["backend"], done.json["precision"]) == ("onnx", precision)
        assert np.abs(read_image(tmp_path / "out.png").astype(int) - read_image(picture)).max() <= 1


def test_a_foreign_network(restyle: Any, picture: Path, tmp_path: Path) -> None:
    style = rgb_network(tmp_path / "negative.onnx")
    done = restyle("image", picture, tmp_path / "out.png", "--style", style, "--json", "-q", "--device", "cpu")
    assert done.code == 0, done.err
    assert done.json["notes"] == ["taken for a network on RGB in 0..255"]
    assert np.abs(read_image(tmp_path / "out.png").astype(int) + read_image(picture) - 255).max() <= 1


@pytest.mark.parametrize(
    ("style", "options", "wanted"),
    [
        ("damaged.onnx", [], "damaged.onnx: not an ONNX file, or damaged"),
        ("none.onnx", [], "none.onnx: no such style file"),
        ("negative.onnx", ["--backend", "torch"], "use --backend onnx or openvino"),
        ("negative.onnx", ["--precision", "int8"], "computes in fp32"),
        ("negative.onnx", ["--device", "coreml"], "CoreMLExecutionProvider cannot be used"),
        ("negative.onnx", ["--device", "tensorrt:99"], "TensorrtExecutionProvider cannot be used"),
        ("negative.onnx", ["--device", "npu"], "tensorrt, coreml, directml, openvino"),
    ],
)
def test_errors_are_one_line(
    restyle: Any, picture: Path, tmp_path: Path, style: str, options: list[str], wanted: str
) -> None:
    if options[:1] == ["--device"]:
        provider = PROVIDERS.get(options[1].partition(":")[0])
        if provider is not None and not provider_problem(provider):
            pytest.skip(f"this machine has {provider.name}")
    (tmp_path / "damaged.onnx").write_bytes(b"\x00\x01 no")
    rgb_network(tmp_path / "negative.onnx")
    done = restyle("image", picture, tmp_path / "out.png", "--style", tmp_path / style, *options)
    assert done.code == 2
    assert wanted in done.error
    assert not (tmp_path / "out.png").exists()


def test_evaluate_refuses_a_foreign_network(restyle: Any, picture: Path, tmp_path: Path) -> None:
    style = rgb_network(tmp_path / "negative.onnx")
    done = restyle("evaluate", style, "--content", picture.parent, "--style-image", picture, "--device", "cpu")
    assert done.code == 2
    assert "was not made by restyle" in done.error
