"""Networks for pictures: of every kind of picture, and by the amounts of paint and the size of the strokes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from realtime.options import StyleOptions
from realtime.style import cache, emitted
from realtime.style.emitted import amounts, emit, gallery_statistics, picture_statistics
from realtime.transnet.checkpoint import StyleCard, load_checkpoint, save_checkpoint
from realtime.transnet.gallery import style_names
from realtime.transnet.hypernetwork import PAINT, STROKE, STROKES, statistics_count
from realtime.transnet.network import TransNet

pytestmark = pytest.mark.usefixtures("cache_home")


def painted(network: TransNet) -> torch.Tensor:
    """What a network makes of some planes."""
    planes = torch.rand(1, network.architecture.inputs, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        return network(planes)


def test_statistics_are_measured_once(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = picture_statistics(picture)
    assert first.shape == (statistics_count(),) and bool(torch.isfinite(first).all())
    monkeypatch.setattr(emitted, "measure_statistics", lambda *_: pytest.fail("measured again"))
    copy = tmp_path / "another-name.png"
    copy.write_bytes(picture.read_bytes())
    assert torch.equal(picture_statistics(copy), first)


@pytest.mark.parametrize("content", [b"", b"no statistics", None])
def test_damaged_statistics_are_measured_again(picture: Path, content: bytes | None) -> None:
    first = picture_statistics(picture)
    path = cache.folder() / cache.statistics_file(picture)
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    assert torch.equal(picture_statistics(picture), first)


def test_pictures_with_next_to_nothing_in_them(tmp_path: Path) -> None:
    """The network of one colour, and of black, paints finite values."""
    for value in (0, 255, (200, 30, 40)):
        path = tmp_path / "a.png"
        Image.fromarray(np.full((40, 40, 3), value, np.uint8)).save(path)
        assert bool(torch.isfinite(painted(emit(picture_statistics(path)))).all())


def test_a_network_paints_the_same_after_it_is_stored(picture: Path, tmp_path: Path) -> None:
    network = emit(picture_statistics(picture))
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, network, StyleCard("a", architecture=network.architecture))
    stored = load_checkpoint(path)[0].state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, stored[name]), name


def test_paint_and_stroke_change_the_network(picture: Path) -> None:
    assert amounts(StyleOptions()) == (PAINT, STROKE)
    statistics = picture_statistics(picture)
    usual = painted(emit(statistics))
    assert torch.equal(painted(emit(statistics, StyleOptions(paint=PAINT, stroke=STROKE))), usual)
    for options in (StyleOptions(paint=0), StyleOptions(paint=1), StyleOptions(stroke=0.5), StyleOptions(stroke=2)):
        assert not torch.equal(painted(emit(statistics, options)), usual)


def test_the_options_say_the_networks_own_defaults_and_ranges() -> None:
    declared = {field.name: field.info for field in StyleOptions.fields()}
    assert float(declared["paint"].shown_default or "") == PAINT
    assert float(declared["stroke"].shown_default or "") == STROKE
    assert (declared["stroke"].minimum, declared["stroke"].maximum) == STROKES


@pytest.mark.parametrize("name", style_names())
def test_the_painting_of_every_gallery_style_is_known(name: str) -> None:
    """`python -m tools.gallery_statistics` stores them; new weights need it again."""
    statistics = gallery_statistics(name)
    of_its_style = gallery_statistics(name.removesuffix("-quality"))
    assert statistics is not None and of_its_style is not None and torch.equal(statistics, of_its_style)


def test_only_the_gallerys_paintings_are_known() -> None:
    assert gallery_statistics("great-wav") is None and gallery_statistics("the") is None
