"""What is exported gives PyTorch's picture, for any size and number of pictures, and says what it is."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime.cli import main
from realtime.errors import InputError, RestyleError, StyleError
from realtime.stylizer import Stylizer
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.folding import fold
from realtime.transnet.network import Architecture, TransNet, identity_network
from tests.transnet.test_network import SMALL, random_network

onnx = pytest.importorskip("onnx", reason="the extra 'export' is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from export import onnx_export  # noqa: E402
from export.onnx_export import export_onnx  # noqa: E402


def checkpoint(folder: Path, network: TransNet | None = None) -> Path:
    network = network or random_network(SMALL)
    path = folder / "style.safetensors"
    save_checkpoint(path, network, StyleCard("style", "A Title", "A Painter", 1889, network.architecture))
    return path


def run(path: Path, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def planes(n: int, height: int, width: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    half = (-(-height // 2), -(-width // 2))
    return {
        "y": rng.integers(0, 256, (n, 1, height, width), np.uint8),
        "uv": rng.integers(0, 256, (n, 2, *half), np.uint8),
    }


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("input", ["planes", "rgb"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_kind_is_exported_and_checked(tmp_path: Path, norm: Any, input: Any, precision: Any) -> None:
    architecture = Architecture(width=8, body=16, dilations=(1, 2), norm=norm)
    style = checkpoint(tmp_path, random_network(architecture))
    summary = export_onnx(style, tmp_path / "out.onnx", input=input, precision=precision)
    assert summary.max_difference <= onnx_export.TOLERANCES[precision][0]
    assert summary.bytes == (tmp_path / "out.onnx").stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.onnx", "style.safetensors"]


@pytest.mark.parametrize(("n", "height", "width"), [(1, 8, 8), (3, 33, 46), (1, 1, 1), (2, 17, 64)])
def test_planes_of_any_size_come_back_unchanged_from_the_identity(
    tmp_path: Path, n: int, height: int, width: int
) -> None:
    path = tmp_path / "out.onnx"
    export_onnx(checkpoint(tmp_path, identity_network()), path)
    feeds = planes(n, height, width)
    got = run(path, **feeds)
    assert list(got) == ["styled_y", "styled_uv"]
    for name, plane in feeds.items():
        assert np.array_equal(got[f"styled_{name}"], plane)


def test_rgb_is_what_the_product_makes_of_a_picture(tmp_path: Path) -> None:
    # without contours: a random network answers them far more than a trained one, and half a code turns a fine phase
    style = checkpoint(tmp_path, random_network(replace(SMALL, contours=())))
    path = tmp_path / "out.onnx"
    export_onnx(style, path, input="rgb")
    rng = np.random.default_rng(0)
    rgb = np.clip(rng.random((6, 8, 3)).repeat(8, 0).repeat(8, 1) * 255, 0, 255).astype(np.uint8)
    (got,) = run(path, rgb=rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255).values()
    want = Stylizer(style, device="cpu", precision="fp32").image(rgb)
    difference = np.abs(got[0].transpose(1, 2, 0) * 255 - want)
    # planes in 8 bits on the way, and at most a few codes of one plane in three colours
    assert difference.mean() < 1.5
    assert np.quantile(difference, 0.99) < 6


def test_static_takes_one_size(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    summary = export_onnx(checkpoint(tmp_path), path, static=(45, 30))
    assert summary.checked_sizes == ((45, 30),)
    shapes = {i.name: i.shape for i in onnxruntime.InferenceSession(str(path)).get_inputs()}
    assert shapes == {"y": [1, 1, 30, 45], "uv": [1, 2, 15, 23]}
    assert run(path, **planes(1, 30, 45))["styled_y"].shape == (1, 1, 30, 45)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    export_onnx(checkpoint(tmp_path), path, opset=18)
    model = onnx.load(path)
    said = {p.key: p.value for p in model.metadata_props}
    assert (said["style"], said["title"], said["artist"], said["year"]) == ("style", "A Title", "A Painter", "1889")
    assert (said["input"], said["multiple"], said["precision"]) == ("planes", "8", "fp32")
    assert (said["matrix"], said["range"]) == ("bt709", "limited")
    assert said["restyle"]
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
    assert str(tmp_path) not in str(said)


def test_fp16_weights_are_half_as_large(tmp_path: Path) -> None:
    style = checkpoint(tmp_path, TransNet(Architecture()).eval())
    full = export_onnx(style, tmp_path / "full.onnx")
    half = export_onnx(style, tmp_path / "half.onnx", precision="fp16")
    assert half.bytes < 0.6 * full.bytes


def test_a_mismatch_is_an_error_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    style, path = checkpoint(tmp_path), tmp_path / "out.onnx"
    path.write_bytes(b"before")
    build = onnx_export.build

    def wrong(network: Any, **options: Any) -> Any:
        other = fold(random_network(SMALL, seed=1))
        return build(other, **options)

    monkeypatch.setattr(onnx_export, "build", wrong)
    with pytest.raises(RestyleError, match=r"differs from PyTorch by up to [1-9]") as caught:
        export_onnx(style, path, overwrite=True)
    assert caught.value.exit_code == 1
    assert path.read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.onnx", "style.safetensors"]


def test_numbers_that_overflow_are_a_mismatch(tmp_path: Path) -> None:
    network = random_network(SMALL)
    with torch.no_grad():
        network.down.weight.mul_(3e4)
        assert network.blocks[0].first.bias is not None  # type: ignore[union-attr]
    with pytest.raises(RestyleError, match="fp16"):
        export_onnx(checkpoint(tmp_path, network), tmp_path / "out.onnx", precision="fp16")
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"input": "yuv"}, "planes or rgb"),
        ({"precision": "int8"}, "fp32 or fp16"),
        ({"opset": 16}, "17 to"),
        ({"opset": 999}, "17 to"),
        ({"static": (0, 8)}, "width and height"),
        ({"output": "out.pt"}, r"\.onnx"),
        ({"output": "nowhere/out.onnx"}, "no such folder"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], wanted: str) -> None:
    output = tmp_path / options.pop("output", "out.onnx")
    with pytest.raises(InputError, match=wanted):
        export_onnx(checkpoint(tmp_path), output, **options)


def test_an_output_is_replaced_only_when_asked(tmp_path: Path) -> None:
    style, path = checkpoint(tmp_path), tmp_path / "out.onnx"
    export_onnx(style, path)
    with pytest.raises(InputError, match="--overwrite"):
        export_onnx(style, path)
    export_onnx(style, path, input="rgb", overwrite=True)
    with pytest.raises(StyleError, match="none"):
        export_onnx(tmp_path / "none.safetensors", path, overwrite=True)


def test_without_onnx_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install restyle\[export\]"):
        export_onnx(checkpoint(tmp_path), tmp_path / "out.onnx")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    style, path = checkpoint(tmp_path), tmp_path / "out.onnx"
    assert main(["export", str(style), str(path), "--input", "rgb", "--static", "40x24", "--json"]) == 0
    out = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (out["output"], out["input"], out["static"]) == (str(path), "rgb", [40, 24])
    assert out["max_difference"] < 1
    assert main(["export", str(style), str(path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", str(style), str(path), "--static", "40"]) == 2
    assert "640x360" in capsys.readouterr().err
