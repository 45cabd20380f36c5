"""The styles that come with restyle."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.errors import StyleError
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import any_painting_files, find_style, style_names, styles

NAMES = style_names()


def test_starry_night_is_there() -> None:
    assert "starry-night" in NAMES


def test_the_network_that_takes_any_painting_is_no_style() -> None:
    files = any_painting_files()
    assert all(path.is_file() for path in files)
    assert not {path.stem for path in files} & set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_style_loads_and_says_where_it_is_from(name: str) -> None:
    _, card = load_checkpoint(find_style(name))
    assert card.name == name
    assert card.title and card.artist and card.year
    assert card.recipe["seed"] is not None
    assert card.recipe["steps_done"] > 0
    assert {"content", "style", "layers", "local", "grid"} <= set(card.metrics)
    assert card.path is not None and card.path.stat().st_size < 3_000_000


def test_a_variant_is_named_after_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "udnie-quality.safetensors").touch()
    monkeypatch.setattr("realtime.transnet.gallery.gallery_folder", lambda: tmp_path)
    assert find_style("udnie:quality") == find_style("udnie-quality") == tmp_path / "udnie-quality.safetensors"
    with pytest.raises(StyleError, match="did you mean udnie-quality"):
        find_style("udnie:qualty")


def test_cards_are_sorted() -> None:
    assert [card.name for card in styles()] == NAMES


def test_unknown_style_lists_the_names() -> None:
    with pytest.raises(StyleError, match=r"did you mean starry-night\?.*gallery has .*starry-night"):
        find_style("stary-night")
    with pytest.raises(StyleError, match="no such style file"):
        find_style(Path("nowhere/x.safetensors"))


def test_a_quality_variant_is_a_larger_network_for_the_same_painting() -> None:
    cards = {card.name: card for card in styles()}
    variants = [name for name in cards if name.endswith("-quality")]
    assert len(variants) >= 2
    for name in variants:
        variant, plain = cards[name], cards[name.removesuffix("-quality")]
        assert (variant.title, variant.artist, variant.year) == (plain.title, plain.artist, plain.year)
        assert variant.architecture.macs_per_pixel > 2 * plain.architecture.macs_per_pixel
