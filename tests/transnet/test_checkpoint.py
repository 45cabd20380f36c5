"""Checkpoints: what goes in comes out; whatever is not one says so."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from realtime.errors import RestyleError, StyleError
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, read_card, save_checkpoint
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.transnets import SMALL, random_network

CARD = StyleCard("waves", "The Wave", "A. Painter", 1850, SMALL, {"seed": 3}, {"style": 0.1})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "waves.safetensors"
    save_checkpoint(path, random_network(SMALL), CARD)
    return path


def test_round_trip(checkpoint: Path) -> None:
    network, card = load_checkpoint(checkpoint)
    assert (card.name, card.title, card.artist, card.year) == ("waves", "The Wave", "A. Painter", 1850)
    assert (card.architecture, card.recipe, card.metrics) == (SMALL, {"seed": 3}, {"style": 0.1})
    assert card.label == "The Wave, A. Painter, 1850"
    planes = torch.randn(1, 24, 4, 4)
    with torch.no_grad():
        a, b = random_network(SMALL)(planes), network(planes)
    assert torch.allclose(a, b, atol=2e-2)  # matrices are kept in fp16
    assert read_card(checkpoint) == card


def rewritten(path: Path, *, metadata: dict[str, str] | None = None, tensors: dict | None = None) -> Path:
    with safe_open(path, "pt") as file:
        old, values = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}
    save_file(values | (tensors or {}), path, old | (metadata or {}))
    return path


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"format": "other"}, "not a checkpoint"),
        ({"version": "99"}, "newer restyle"),
        ({"version": "x"}, "damaged metadata"),
        ({"architecture": "{"}, "damaged metadata"),
        ({"architecture": json.dumps({"wings": 2})}, "damaged metadata"),
        ({"architecture": json.dumps(Architecture(width=9).to_dict())}, "do not fit"),
    ],
)
def test_wrong_metadata(checkpoint: Path, metadata: dict[str, str], reason: str) -> None:
    with pytest.raises(StyleError, match=f"waves.*{reason}"):
        load_checkpoint(rewritten(checkpoint, metadata=metadata))


def test_wrong_weights(checkpoint: Path) -> None:
    bad = {"stem.weight": torch.full((8, 24, 3, 3), float("nan"), dtype=torch.half)}
    with pytest.raises(StyleError, match="not finite"):
        load_checkpoint(rewritten(checkpoint, tensors=bad))
    with pytest.raises(StyleError, match="do not fit"):
        load_checkpoint(rewritten(checkpoint, tensors={"extra": torch.zeros(1)}))


@pytest.mark.parametrize("keep", [0, 4, 100, 2000])
def test_damaged_file(checkpoint: Path, keep: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(StyleError, match="not a checkpoint, or damaged"):
        load_checkpoint(checkpoint)
    with pytest.raises(StyleError, match="not a checkpoint, or damaged"):
        read_card(checkpoint)


class Trap:
    """Would leave a mark if anything unpickled it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.safetensors", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(StyleError, match="evil"):
        load_checkpoint(path)
    assert not mark.exists()


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="no such style file"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(StyleError, match="folder"):
        load_checkpoint(tmp_path)


def test_a_failed_write_leaves_the_old_file(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkpoint.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RestyleError, match=r"waves.*No space left"):
        save_checkpoint(checkpoint, TransNet(SMALL), CARD)
    assert checkpoint.read_bytes() == before
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
