"""Measured paintings in a page: the figures are those of the files, and the rest of the page is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.painting_table import BEGIN, END, main

PAINTED = {
    "preset": "guide",
    "size": [683, 512],
    "steps": 40,
    "seconds": 81.6,
    "losses": {
        "first": {"content": 0.0, "style": 0.25, "total": 2500.0},
        "last": {"content": 0.125, "style": 0.0312, "total": 313.0},
    },
    "scores": {"content": 0.5, "style": 0.0421, "local": 0.3},
}
NETWORK = {"macs_per_pixel": 1.0, "content": 0.85, "style": 0.106, "local": 0.47}


def test_figures_go_into_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    (tmp_path / "guide.json").write_text("words\n" + json.dumps(PAINTED) + "\n")
    (tmp_path / "udnie.json").write_text(json.dumps(NETWORK))
    light = PAINTED | {"scores": None}
    (tmp_path / "light.json").write_text(json.dumps(light))
    assert main([str(tmp_path / n) for n in ("guide.json", "udnie.json", "light.json", "page.md")]) == 0
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| ") and text.endswith(f" |\n\n{END}\nafter\n")
    assert "old" not in text
    assert "| guide | 683x512 | 40 | 82 | 2.5e+03 → 313 | 0 → 0.125 | 0.25 → 0.0312 | 0.5 | 0.0421 | 0.3 |" in text
    assert "| udnie (network) |  | 1 pass |  |  |  |  | 0.85 | 0.106 | 0.47 |" in text
    assert text.count("0.0421") == 1  # without scores the cells are empty


@pytest.mark.parametrize(
    ("content", "page", "words"),
    [
        ("{", f"{BEGIN}{END}", "is not JSON"),
        ("", f"{BEGIN}{END}", "is not JSON"),
        ("{}", f"{BEGIN}{END}", "is the output neither of"),
        (json.dumps(NETWORK), END + BEGIN, "must have the line"),
        (None, f"{BEGIN}{END}", "cannot be read"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, page: str, words: str
) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    (tmp_path / "page.md").write_text(page)
    assert main([str(tmp_path / "a.json"), str(tmp_path / "page.md")]) == 2
    assert words in capsys.readouterr().err
    assert (tmp_path / "page.md").read_text() == page
