"""Every style of the gallery can be exported in every precision, for all sizes in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from export.onnx_export import export_onnx
from realtime.options import ExportOptions, ExportPrecision
from realtime.transnet.gallery import styles
from tests.helpers.marks import slow

QUICK = "starry-night"
NAMES = [card.name if card.name == QUICK else slow(card.name) for card in styles()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_style_in_every_precision(tmp_path: Path, name: str, precision: ExportPrecision) -> None:
    summary = export_onnx(
        name,
        tmp_path / "style.onnx",
        ExportOptions(precision=precision),
        checks=[(64, 64, 4), (427, 241, 1), (64, 64, 1)],
    )
    # a file that is written has passed the check; trained styles are far from its limits
    assert summary.psnr > {"fp32": 70, "fp16": 50, "int8": 33}[precision]


@pytest.mark.parametrize(("input", "uint8"), [("rgb", False), ("rgb", True)])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_style_in_every_flavour(tmp_path: Path, input: Any, uint8: bool, precision: ExportPrecision) -> None:
    export_onnx(
        QUICK,
        tmp_path / "style.onnx",
        ExportOptions(input=input, uint8=uint8, precision=precision),
        checks=[(64, 64, 4), (427, 241, 1)],
    )


def test_large_pictures(tmp_path: Path) -> None:
    summary = export_onnx(QUICK, tmp_path / "style.onnx", checks=[(1280, 720, 1)])
    assert summary.psnr > 70
