"""Every style of the gallery exports in every precision, and takes every size through one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.onnx_export import Input, Precision, export_onnx
from realtime.transnet.gallery import styles

NAMES = [card.name for card in styles()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_style_in_every_precision(tmp_path: Path, name: str, precision: Precision) -> None:
    summary = export_onnx(
        name, tmp_path / "style.onnx", precision=precision, checks=[(64, 64, 4), (427, 241, 1), (64, 64, 1)]
    )
    # that it was written says that it passed; a trained style has room to spare
    assert summary.psnr > {"fp32": 70, "fp16": 50, "int8": 33}[precision]


@pytest.mark.parametrize(("input", "uint8"), [("rgb", False), ("rgb", True)])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_style_in_every_flavour(tmp_path: Path, input: Input, uint8: bool, precision: Precision) -> None:
    export_onnx(
        NAMES[0],
        tmp_path / "style.onnx",
        input=input,
        uint8=uint8,
        precision=precision,
        checks=[(64, 64, 4), (427, 241, 1)],
    )


def test_large_pictures(tmp_path: Path) -> None:
    summary = export_onnx(NAMES[0], tmp_path / "style.onnx", checks=[(1280, 720, 1)])
    assert summary.psnr > 70
