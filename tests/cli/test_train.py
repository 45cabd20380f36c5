"""`restyle train`: its messages; tests/training has runs of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.training.any_painting import pools
from tests.helpers.commands import Restyle
from tests.helpers.pictures import paint

NEW = ("--content", "photographs", "--output", "x.safetensors")
"""What a new run needs beside its paintings."""


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
        (("a.jpg", "--any", "paintings", *NEW), "--any: cannot be given with STYLE_IMAGE"),
        (("--any", "paintings", "--resume", "x.safetensors"), "--any: cannot be given with --resume"),
        (("--any", "paintings"), "--content: a new run needs it"),
        (("--any", "paintings", *NEW, "--norm", "batch"), "--norm: is for training on one painting"),
        (("--any", "paintings", *NEW, "--mix", "2"), "--mix: 2.0 is not between 0 and 1"),
        (("--any", "paintings", *NEW, "--shares", "1,2"), "shares: 2 shares for 1 folders of paintings"),
        (("--any", "paintings", *NEW, "--size", "64"), "size 64: the grid's loss needs 80 pixels"),
        (("--any", "paintings", *NEW), "photographs: no such folder of pictures"),
        (("--any", "paintings", *NEW, "--hold-out", "styles"), "styles: no such folder of pictures"),
        (("a.jpg", *NEW, "--mix", "0.5"), "--mix: is for --any"),
        (("a.jpg", *NEW, "--hold-out", "styles"), "--hold-out: is for --any"),
    ],
)
def test_the_command_says_what_is_wrong(
    restyle: Restyle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = restyle("train", *words)
    assert done.code == 2
    assert reason in done.error


def test_training_for_any_painting_and_resuming(
    restyle: Restyle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pools, "target_sides", lambda: [64])  # small strokes: looking at a painting is quick
    for folder, count in (("paintings", 3), ("more", 1), ("photographs", 2)):
        (tmp_path / folder).mkdir()
        for seed in range(count):
            paint(tmp_path / folder / f"{seed}.png", seed)
    small = "--width 8 --body 8 --dilations 1 --size 80 --paintings 1 --contents 1 --reuse 1 --threads 1 --device cpu"
    words = ["--any", "paintings", "--any", "more", *NEW, *small.split(), "--precision", "fp32", "--seed", 3]
    first = restyle("train", *words, "--steps", 1, "--hold-out", "more", "--shares", "1,0.5", "--overwrite", "--json")
    assert first.code == 2 and "more: none of its pictures can be used" in first.err
    first = restyle("train", *words, "--steps", 1, "--json")
    assert first.code == 0, first.err
    assert first.json["steps"] == 1 and first.json["finished"]
    assert "4 paintings, 2 photographs" in first.err and "x.safetensors: step 1 after" in first.err
    again = restyle("train", "--resume", "x.safetensors", "--steps", 2, "--json", "--quiet")
    assert again.code == 0 and again.err == ""
    assert again.json["steps"] == 2
    for name in ("x.md", "x.preview.jpg", "x.state.safetensors"):
        assert (tmp_path / name).is_file()
    assert "--size" in restyle("train", "--resume", "x.safetensors", "--size", 88).error
