"""The page on ONNX: its Python example runs with onnxruntime and numpy alone, and paints what the program paints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from export.onnx_export import export_onnx
from realtime.cli import main
from realtime.engines.onnx.generated_pictures import generated_pictures
from realtime.media.files.stills import read_image, write_image
from realtime.options import ExportOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "onnx.md"

ALONE = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "cv2", "onnx", "realtime", "export", "PIL", "safetensors"}:
            raise ImportError(f"{name} is not to be used here")

sys.meta_path.insert(0, Nothing())
"""


def example() -> str:
    (block,) = re.findall(r"(?s)<!-- python example -->\n```python\n(.*?)```", PAGE.read_text())
    return str(block)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Soft, hard, and full of shapes; of an odd size."""
    made = generated_pictures(3, 121, 187, seed=7)[:3]
    return [(p[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy() for p in made]


@pytest.mark.parametrize("options", [{}, {"precision": "fp16"}], ids=str)
def test_the_example_paints_what_the_program_paints(
    tmp_path: Path, pictures: list[np.ndarray], options: dict[str, str]
) -> None:
    export_onnx(
        "starry-night", tmp_path / "starry-night.onnx", ExportOptions(input="rgb", **options), checks=[(64, 64, 1)]
    )  # type: ignore[arg-type]
    (tmp_path / "example.py").write_text(ALONE + example())
    for number, picture in enumerate(pictures):
        np.save(tmp_path / "picture.npy", picture)
        done = subprocess.run(
            [sys.executable, "-I", "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        painted = np.load(tmp_path / "painted.npy")
        source, target = tmp_path / f"{number}.png", tmp_path / f"{number}-painted.png"
        write_image(source, picture)
        assert main(["image", str(source), str(target), "--style", "starry-night", "--device", "cpu", "-q"]) == 0
        want = read_image(target)
        assert painted.shape == want.shape and painted.dtype == np.uint8
        assert np.abs(painted.astype(float) - want).mean() < 1
        assert np.abs(painted.astype(float) - picture).mean() > 10  # and that is not the source


def test_the_page_names_what_there_is() -> None:
    """Options and names in the page are those of the program."""
    from realtime.engines.choice import INT8_PSNR
    from realtime.engines.onnx.graph import MIN_OPSET
    from realtime.option_fields import PROVIDERS

    page = " ".join(PAGE.read_text().split())
    for word in re.findall(r"\w+", PROVIDERS.partition("also ")[2]):
        assert f"`{word}`" in page
    assert f"default {MIN_OPSET} (ONNX 1.8" in page
    assert f"{INT8_PSNR:g} dB or more" in page
    for mark in ("checks", "speed"):
        assert page.count(f"<!-- {mark} table -->") == page.count(f"<!-- end of {mark} table -->") == 1
