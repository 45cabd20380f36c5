"""`restyle train`: its messages; tests/training has runs of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.commands import Restyle


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "--content: a new run needs it; --resume FILE continues an old one"),
        (("--content", "photographs", "--output", "x.safetensors"), "STYLE_IMAGE is missing"),
        (("a.jpg", "--output", "x.safetensors"), "--content: a new run needs it"),
        (("a.jpg", "--content", "photographs"), "--output: a new run needs it"),
        (("--resume", "x.safetensors", "--output", "y.safetensors"), "--output: cannot be given with --resume"),
        (("--resume", "x.safetensors"), "x.state.safetensors: no such file"),
        (("--resume", "x.safetensors", "--layer-weights", "a"), "--layer-weights: 'a': numbers with commas"),
        (("--resume", "x.safetensors", "--size", "100"), "--size: 100 is not a multiple of 8"),
        (("a.jpg", "--norm", "layer"), "--norm"),
    ],
)
def test_the_command_says_what_is_wrong(
    restyle: Restyle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = restyle("train", *words)
    assert done.code == 2
    assert reason in done.error
