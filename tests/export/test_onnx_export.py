"""Exported networks paint what PyTorch paints, for any size and number of pictures, and describe themselves."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from export.onnx_check import CHECKS, Check, verdict, whole_codes
from export.onnx_export import MAX_CALIBRATION_PICTURES, calibration_pictures, export_onnx
from realtime.cli import main
from realtime.engines.onnx.graph import RGB_CODES
from realtime.errors import InputError, RestyleError, StyleError
from realtime.media.files.stills import write_image
from realtime.options import ExportOptions
from realtime.stylizer import Stylizer
from realtime.transnet.color import planes_from_rgb
from realtime.transnet.network import Architecture, TransNet, identity_network
from tests.helpers.marks import slow
from tests.helpers.networks import checkpoint, mild_network
from tests.helpers.textured import textured_network
from tests.helpers.transnets import BODIES, SMALL, random_network


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


FLAVOURS: list[dict[str, Any]] = [{}, {"input": "rgb"}, {"input": "rgb", "uint8": True}]
QUICK = [{"norm": "instance"}, BODIES[-1]]


@pytest.mark.parametrize("body", [body if body in QUICK else slow(body) for body in BODIES], ids=str)
@pytest.mark.parametrize("flavour", FLAVOURS, ids=str)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_kind_is_exported_and_checked(tmp_path: Path, body: Any, flavour: Any, precision: Any) -> None:
    network = mild_network(Architecture(width=8, body=16, dilations=(1, 2), **body))
    summary = export_onnx(
        checkpoint(tmp_path, network), tmp_path / "out.onnx", ExportOptions(precision=precision, **flavour)
    )
    assert summary.psnr >= {"fp32": 60, "fp16": 45, "int8": 30}[precision]
    assert [(c.width, c.height, c.pictures) for c in summary.checks] == list(CHECKS)
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


@pytest.mark.parametrize("uint8", [False, True])
@pytest.mark.parametrize("network", [mild_network(), textured_network()], ids=["plain", "textured"])
def test_rgb_is_painted_as_the_program_paints_a_picture(tmp_path: Path, network: TransNet, uint8: bool) -> None:
    style = checkpoint(tmp_path, network)
    path = tmp_path / "out.onnx"
    export_onnx(style, path, ExportOptions(input="rgb", uint8=uint8))
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (6, 8, 3), np.uint8).repeat(9, 0).repeat(7, 1)[:51, :55]
    given = rgb.transpose(2, 0, 1)[None]
    (got,) = run(path, rgb=given if uint8 else given.astype(np.float32) / 255).values()
    with Stylizer(style, backend="torch", device="cpu", precision="fp32") as stylizer:
        want = stylizer.image(np.ascontiguousarray(rgb))
    difference = np.abs(got[0].transpose(1, 2, 0) * (1.0 if uint8 else 255.0) - want)
    # uint8 is rounded as in the program, except for a few numbers between two codes
    assert difference.mean() < (0.02 if uint8 else 0.6)


def test_static_takes_one_size(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    summary = export_onnx(checkpoint(tmp_path), path, ExportOptions(static=(45, 30)))
    assert [(c.width, c.height, c.pictures) for c in summary.checks] == [(45, 30, 1)]
    shapes = {i.name: i.shape for i in onnxruntime.InferenceSession(str(path)).get_inputs()}
    assert shapes == {"y": [1, 1, 30, 45], "uv": [1, 2, 15, 23]}
    assert run(path, **planes(1, 30, 45))["styled_y"].shape == (1, 1, 30, 45)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    export_onnx(checkpoint(tmp_path), path, ExportOptions(opset=18))
    model = onnx.load(path)
    said = {p.key: p.value for p in model.metadata_props}
    assert (said["style"], said["title"], said["artist"], said["year"]) == ("style", "A Title", "A Painter", "1889")
    assert (said["input"], said["multiple"], said["precision"]) == ("planes", "8", "fp32")
    assert (said["matrix"], said["range"]) == ("bt709", "limited")
    assert said["licence"] == "not stated"
    assert "0..255" in said["values"]
    assert Architecture.from_dict(json.loads(said["architecture"])) == SMALL
    assert said["restyle"]
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
    assert str(tmp_path) not in str(said)


def test_fp16_weights_are_half_as_large(tmp_path: Path) -> None:
    style = checkpoint(tmp_path, TransNet(Architecture()).eval())
    full = export_onnx(style, tmp_path / "full.onnx")
    half = export_onnx(style, tmp_path / "half.onnx", ExportOptions(precision="fp16"))
    assert half.bytes < 0.6 * full.bytes


def test_the_licence_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"

    def said() -> str:
        return next(p.value for p in onnx.load(path).metadata_props if p.key == "licence")

    export_onnx(checkpoint(tmp_path), path, ExportOptions(licence="CC BY 4.0"))
    assert said() == "CC BY 4.0"
    export_onnx("starry-night", path, ExportOptions(overwrite=True), checks=[(64, 64, 1)])
    assert said() == "MIT"


def test_a_mismatch_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    """In fp16 the numbers of this network overflow."""
    network = random_network(SMALL)
    with torch.no_grad():
        network.down.weight.mul_(3e4)
    style, path = checkpoint(tmp_path, network), tmp_path / "out.onnx"
    path.write_bytes(b"before")
    wanted = "not written: ONNX Runtime differs from PyTorch: 64x64 x 4: .*; fp16 needs 45 dB"
    with pytest.raises(RestyleError, match=wanted) as caught:
        export_onnx(style, path, ExportOptions(precision="fp16", overwrite=True))
    assert caught.value.exit_code == 1
    assert path.read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.onnx", "style.safetensors"]


def check(**changes: float) -> Check:
    return replace(Check(64, 64, 1, 0.0, 0.0, 0.0, 200.0), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("precision", "io", "changes", "good"),
    [
        ("fp32", "rgb", {}, True),
        ("fp32", "planes", {"max_difference": 1.0, "far": 0.0009}, True),
        ("fp32", "planes", {"max_difference": 1.0, "far": 0.0011}, False),
        ("fp32", "rgb", {"max_difference": 0.26, "far": 1e-6}, False),
        ("fp32", "rgb-uint8", {"max_difference": 1.0, "far": 0.0099}, True),
        ("fp32", "rgb-uint8", {"far": 0.0101}, False),
        ("fp32", "rgb", {"mean_difference": 0.26}, False),
        ("fp32", "rgb-uint8", {"mean_difference": float("inf")}, False),
        ("fp16", "rgb", {"psnr": 45.1}, True),
        ("fp16", "rgb", {"psnr": 44.9}, False),
        ("int8", "planes", {"psnr": 30.1}, True),
        ("int8", "planes", {"psnr": 29.9}, False),
        ("int8", "planes", {"psnr": float("nan")}, False),
    ],
)
def test_what_passes(precision: Any, io: Any, changes: dict[str, float], good: bool) -> None:
    assert (verdict([check(), check(**changes)], precision, io) == "") is good


@pytest.mark.parametrize(("height", "width"), [(16, 24), (17, 23), (1, 1)])
def test_pictures_of_whole_codes(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    rgb = torch.from_numpy(rng.random((2, 3, height, width), np.float32)).round()  # the loudest colours there are
    made = whole_codes(rgb)
    assert made.shape == rgb.shape and made.min() >= 0 and made.max() <= 1
    even = F.pad(made, (0, width % 2, 0, height % 2), mode="replicate")
    for plane in planes_from_rgb(even, *RGB_CODES):
        assert torch.allclose(plane, plane.round(), atol=1e-3)
    assert height * width == 1 or made.std() > 0.1


def test_int8_is_fitted_to_pictures(tmp_path: Path) -> None:
    style, folder = checkpoint(tmp_path, mild_network()), tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, side in enumerate((40, 300)):
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        write_image(folder / f"{number}.png", coarse.repeat(side // 8, 0).repeat(side // 8, 1))
    shapes = [tuple(picture.shape) for picture in calibration_pictures(folder)]
    assert shapes == [(1, 3, 40, 40), (1, 3, 256, 256)]
    fitted = export_onnx(style, tmp_path / "a.onnx", ExportOptions(precision="int8", calibration=folder))
    generated = export_onnx(style, tmp_path / "b.onnx", ExportOptions(precision="int8"))
    assert (fitted.calibration, generated.calibration) == (str(folder), "generated pictures")
    assert (tmp_path / "a.onnx").read_bytes() != (tmp_path / "b.onnx").read_bytes()
    for wrong in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=str(wrong)):
            export_onnx(style, tmp_path / "c.onnx", ExportOptions(precision="int8", calibration=wrong))


def test_a_large_folder_is_thinned_out(tmp_path: Path) -> None:
    for number in range(100):
        write_image(tmp_path / f"{number:03}.png", np.full((8, 8, 3), number, np.uint8))
    seen = [round(float(p.mean()) * 255) for p in calibration_pictures(tmp_path)]
    assert len(seen) <= MAX_CALIBRATION_PICTURES
    assert seen[0] == 0 and seen[-1] > 90


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"input": "yuv"}, "not one of rgb, planes"),
        ({"precision": "int4"}, "not one of fp32, fp16, int8"),
        ({"uint8": True}, "--input rgb"),
        ({"calibration": "folder"}, "is for precision int8, not fp32"),
        ({"opset": 12}, "13 to"),
        ({"opset": 999}, "13 to"),
        ({"static": (0, 8)}, "neither"),
        ({"static": 8}, "WxH"),
        ({"output": "out.pt"}, r"\.onnx"),
        ({"output": "nowhere/out.onnx"}, "no such folder"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], wanted: str) -> None:
    output = tmp_path / options.pop("output", "out.onnx")
    with pytest.raises(InputError, match=wanted):
        export_onnx(checkpoint(tmp_path), output, ExportOptions(**options))


def test_an_output_is_replaced_only_when_asked(tmp_path: Path) -> None:
    style, path = checkpoint(tmp_path), tmp_path / "out.onnx"
    export_onnx(style, path)
    with pytest.raises(InputError, match="--overwrite"):
        export_onnx(style, path)
    export_onnx(style, path, ExportOptions(input="rgb", overwrite=True))
    with pytest.raises(StyleError, match="none"):
        export_onnx(tmp_path / "none.safetensors", path, ExportOptions(overwrite=True))
    with pytest.raises(InputError, match=r"out\.onnx: is an exported network already"):
        export_onnx(path, tmp_path / "again.onnx")


def test_without_onnx_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="pip install onnx"):
        export_onnx(checkpoint(tmp_path), tmp_path / "out.onnx")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    style, path = checkpoint(tmp_path), tmp_path / "out.onnx"
    assert main(["export", str(style), str(path), "--input", "rgb", "--static", "40x24", "--json"]) == 0
    written = capsys.readouterr()
    out = json.loads(written.out.splitlines()[-1])
    assert (out["output"], out["input"], out["static"], out["opset"]) == (str(path), "rgb", [40, 24], 13)
    assert out["max_difference"] < 1
    assert out["checks"][0]["width"] == 40
    assert "opset 13, 40x24 only, fp32" in written.err
    assert "compared with PyTorch, 40x24 x 1: at most" in written.err
    assert main(["export", str(style), str(path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", str(style), str(path), "--static", "40"]) == 2
    assert "640x360" in capsys.readouterr().err
    assert (
        main(["export", str(style), str(path), "--precision", "int8", "--input", "rgb", "--uint8", "--overwrite"]) == 0
    )
    assert "int8, fitted to generated pictures" in capsys.readouterr().err
    assert main(["export", str(style), str(path), "--uint8", "--overwrite"]) == 2
    assert "--uint8: is for --input rgb" in capsys.readouterr().err
