"""Results are put between the marks of a README."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime.benchmark.report import markdown
from tests.helpers.readings import known_result
from tools import benchmark_readme

PAGE = f"# Title\n\nBefore.\n\n{benchmark_readme.BEGIN}\nold figures\n{benchmark_readme.END}\n\nAfter.\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    source, page = tmp_path / "benchmark.json", tmp_path / "README.md"
    source.write_text(json.dumps(known_result().to_json()), encoding="utf-8")
    page.write_text(PAGE, encoding="utf-8")
    return source, page


def test_the_figures_are_put_between_the_marks(files: tuple[Path, Path]) -> None:
    source, page = map(str, files)
    assert benchmark_readme.main([source, page, "--check"]) == 1
    assert files[1].read_text(encoding="utf-8") == PAGE  # read, not written
    assert benchmark_readme.main([source, page]) == 0
    text = files[1].read_text(encoding="utf-8")
    assert text.startswith(f"# Title\n\nBefore.\n\n{benchmark_readme.BEGIN}\n")
    assert text.endswith(f"{benchmark_readme.END}\n\nAfter.\n")
    assert markdown(known_result().to_json()) in text
    assert "old figures" not in text
    assert benchmark_readme.main([source, page, "--check"]) == 0
    assert benchmark_readme.main([source, page]) == 0
    assert files[1].read_text(encoding="utf-8") == text  # the same again
    assert benchmark_readme.main([source, source, page]) == 0
    assert files[1].read_text(encoding="utf-8").count("Measured on") == 2


@pytest.mark.parametrize(
    "text",
    ["no mark", f"{benchmark_readme.BEGIN}\n", f"{benchmark_readme.END}\n{benchmark_readme.BEGIN}\n", PAGE + PAGE],
    ids="none half turned two".split(),
)
def test_a_readme_without_its_marks(files: tuple[Path, Path], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    files[1].write_text(text, encoding="utf-8")
    assert benchmark_readme.main([str(path) for path in files]) == 2
    error = capsys.readouterr().err
    assert "README.md" in error
    assert benchmark_readme.BEGIN in error
    assert files[1].read_text(encoding="utf-8") == text


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}', None])
def test_what_is_no_result(files: tuple[Path, Path], content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    source, page = files
    if content is None:
        source.unlink()
    else:
        source.write_text(content, encoding="utf-8")
    assert benchmark_readme.main([str(source), str(page)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {source}: ")
    assert page.read_text(encoding="utf-8") == PAGE
