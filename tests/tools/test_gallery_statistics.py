"""The command that stores the statistics of the gallery's paintings."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from realtime.errors import StyleError
from realtime.transnet.gallery import any_painting_files, style_names
from realtime.transnet.hypernetwork import load_any_painting, save_any_painting
from tests.helpers.pictures import paint
from tools.gallery_statistics import add_statistics, main, paintings


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A copy of the network that takes any painting."""
    return Path(shutil.copy(any_painting_files()[0], tmp_path / "any.safetensors"))


def test_each_style_that_is_no_variant_has_a_picture(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "c.jpg"):
        paint(tmp_path / name, 1)
    found = paintings(tmp_path, ["a", "a-quality", "b"])
    assert {name: path.name for name, path in found.items()} == {"a": "a.jpg", "b": "b.png"}


def test_statistics_are_stored_beside_the_weights(tmp_path: Path, network: Path) -> None:
    before = load_any_painting(network)[0].state_dict()
    add_statistics(network, any_painting_files()[1], {"a": paint(tmp_path / "a.png", 1)})
    after, card = load_any_painting(network)
    assert all(torch.equal(value, before[name]) for name, value in after.state_dict().items())
    assert list(card.gallery) == ["a"] and card.gallery["a"].dtype == torch.float32


def test_a_missing_picture_is_named(tmp_path: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = network.read_bytes()
    for name in style_names()[1:]:
        paint(tmp_path / f"{name}.png", 1)
    assert main([str(tmp_path), "--network", str(network)]) == 2
    assert style_names()[0] in capsys.readouterr().err
    assert network.read_bytes() == before


@pytest.mark.parametrize("values", [torch.zeros(3), torch.full((2240,), float("nan"))], ids=["short", "nan"])
def test_wrong_statistics_are_refused(network: Path, values: torch.Tensor) -> None:
    weights, card = load_any_painting(network)
    save_any_painting(network, weights, replace(card, gallery={"a": values}))
    with pytest.raises(StyleError, match=r"any\.safetensors: "):
        load_any_painting(network)


def test_a_network_without_statistics(network: Path) -> None:
    weights, card = load_any_painting(network)
    save_any_painting(network, weights, replace(card, gallery={}))
    assert load_any_painting(network)[1].gallery == {}
