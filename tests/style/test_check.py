"""Styles are checked before anything heavy is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.errors import MediaError
from realtime.style import check
from realtime.style.check import check_style
from realtime.style.resolve import resolve_style

pytestmark = pytest.mark.usefixtures("cache_home")


def test_a_damaged_picture_is_found(picture: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(picture.read_bytes()[:2000])
    for text in (str(damaged), f"great-wave+{damaged}:0.2"):
        with pytest.raises(MediaError, match=r"damaged\.png"):
            check_style(text)


def test_a_picture_that_was_seen_before_is_not_read(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_style(picture).name == "flowers"
    resolve_style(picture)
    monkeypatch.setattr(check, "read_painting", lambda path: pytest.fail("read again"))
    check_style(picture)


@pytest.mark.parametrize("style", ["nothing-of-the-kind", "great-wave:-1+udnie", "words.png", "halved.png"])
def test_torch_is_not_imported_for_a_wrong_style(picture: Path, tmp_path: Path, style: str) -> None:
    (tmp_path / "words.png").write_text("words")
    (tmp_path / "halved.png").write_bytes(picture.read_bytes()[:2000])
    program = (
        "import sys\n"
        "from realtime.cli import main\n"
        "code = main()\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
        "sys.exit(code)\n"
    )
    arguments = ["image", str(picture), str(tmp_path / "out.png"), "--style", style]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
