"""The command that writes the tables of the page on ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.onnx_check import Check
from realtime.errors import InputError
from tests.helpers.networks import checkpoint
from tools import onnx_tables


@pytest.fixture
def style(tmp_path: Path) -> Path:
    return checkpoint(tmp_path)


def page(folder: Path) -> Path:
    path = folder / "page.md"
    marks = "".join(f"before\n<!-- {m} table -->\nold\n<!-- end of {m} table -->\nafter\n" for m in ("speed", "checks"))
    path.write_text(marks)
    return path


def test_speed(style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = page(tmp_path)
    args = ["speed", "--style", str(style), "--size", "64x48", "--rounds", "1", "--threads", "1", "--write", str(path)]
    assert onnx_tables.main(args) == 0
    table = capsys.readouterr().out
    assert "| torch fp32 |" in table and "| onnx int8 |" in table
    assert "exact |" in table
    assert table.strip() in path.read_text()
    assert path.read_text().count("old") == 1  # the other table stays


def test_checks(
    style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_tables, "SIZES", ((64, 64, 1), (70, 45, 2)))
    path = page(tmp_path)
    assert onnx_tables.main(["checks", "--style", str(style), "--write", str(path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| style |")]
    assert len(lines) == 1 + 9  # the head, and three kinds of input in three precisions
    assert path.read_text().count("old") == 1


def test_the_worst_of_all_sizes_is_shown() -> None:
    checks = [Check(8, 8, 1, 0.5, 0.1, 0.0, 60.0), Check(9, 9, 1, 3.0, 0.05, 0.0, 40.0)]
    assert onnx_tables.checks_table([("a", "planes, int8", checks)]).splitlines()[-1] == (
        "| a | planes, int8 | 3 | 0.1 | 40 dB |"
    )


def test_a_page_without_marks_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.md"
    path.write_text("nothing")
    with pytest.raises(InputError, match=r"page\.md: must have one place"):
        onnx_tables.write_between(path, "speed table", "text")
    assert path.read_text() == "nothing"
    assert onnx_tables.main(["checks", "--style", "no-such-style"]) == 2
    assert "no-such-style" in capsys.readouterr().err
