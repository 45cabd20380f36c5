"""What a text names: gallery styles, files by their content, and blends."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from realtime.errors import InputError, StyleError
from realtime.options import StyleOptions
from realtime.style.reference import parse_style
from realtime.transnet.gallery import find_style, style_names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Path, random_style: Path) -> Path:
    """The working directory, with some files."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b+c.png", "d:0.5", "great-wave:0.3+e.png", "starry-night"):
        shutil.copy(picture, name)
    shutil.copy(random_style, "own.safetensors")
    Path("net.onnx").write_bytes(b"\x08\x07\x12\x07restyle")
    return tmp_path


def shares(text: str) -> dict[str, float]:
    """The files' names of a blend's terms with their weights."""
    return {term.path.name: pytest.approx(term.weight) for term in parse_style(text).terms}


def test_the_gallery(folder: Path) -> None:
    for text in ("great-wave", "great-wave:quality", "great-wave-quality", Path("great-wave")):
        (term,) = parse_style(text).terms
        assert (term.kind, term.path, term.weight) == ("gallery", find_style(text), 1)
    # A file that has the name of a gallery style does not stand in its way.
    assert parse_style("starry-night").terms[0].kind == "gallery"
    assert parse_style("./starry-night").terms[0].kind == "picture"


def test_files_are_told_by_their_content(folder: Path, picture: Path, random_style: Path) -> None:
    for name in ("x.png", "x.safetensors", "x.onnx", "x.mp4", "x"):
        shutil.copy(picture, name)
        assert parse_style(name).terms[0].kind == "picture", name
        shutil.copy(random_style, name)
        if name != "x.onnx":
            assert parse_style(name).terms[0].kind == "checkpoint", name
    assert parse_style("net.onnx").terms[0].kind == "onnx"
    assert parse_style(folder / "own.safetensors").terms[0].path == folder / "own.safetensors"


def test_weights_are_normalised(folder: Path) -> None:
    assert shares("great-wave:0.6+a.png:0.4") == {"great-wave.safetensors": 0.6, "a.png": 0.4}
    assert shares("great-wave:3+a.png") == {"great-wave.safetensors": 0.75, "a.png": 0.25}
    assert shares("great-wave:quality:1+a.png:1e0") == {"great-wave-quality.safetensors": 0.5, "a.png": 0.5}
    assert shares("a.png:1e308+great-wave:1e308") == {"great-wave.safetensors": 0.5, "a.png": 0.5}
    assert shares("a.png+a.png:.5+great-wave")["a.png"] == 0.2
    assert parse_style("great-wave:0.6+a.png:0.4").name == "great-wave:0.6+a:0.4"
    assert parse_style(f"great-wave:2+{folder / 'a.png'}:4").text == "great-wave:0.333+a.png:0.667"


def test_a_term_of_weight_zero_drops_out(folder: Path) -> None:
    assert shares("great-wave+a.png:0+udnie") == {"great-wave.safetensors": 0.5, "udnie.safetensors": 0.5}
    only = parse_style("great-wave:0.3+a.png:0")
    assert not only.is_blend and only.terms[0].kind == "gallery"
    assert parse_style("a.png:0.4").terms[0].weight == 1


def test_signs_in_the_names_of_files(folder: Path) -> None:
    assert shares("b+c.png") == {"b+c.png": 1}
    assert shares("b+c.png:0.5+a.png:0.5") == {"b+c.png": 0.5, "a.png": 0.5}
    assert shares("b+c.png:1e+1+a.png:10") == {"b+c.png": 0.5, "a.png": 0.5}
    assert shares("a.png+b+c.png:3") == {"a.png": 0.25, "b+c.png": 0.75}
    assert shares("d:0.5") == {"d:0.5": 1}
    assert shares("d:0.5:1+a.png:3") == {"d:0.5": 0.25, "a.png": 0.75}
    assert shares("great-wave:0.3+e.png") == {"great-wave:0.3+e.png": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("great-wave:-0.5+a.png", "great-wave:-0.5: the weight -0.5 is not a number of 0 or more"),
        ("great-wave:nan+a.png", "the weight nan"),
        ("great-wave:inf", "the weight inf"),
        ("great-wave:much+a.png", "'much' is no weight .* no variant of great-wave; variants: great-wave:quality"),
        ("a.png:0,5", "a.png:0,5: '0,5' is no weight"),
        ("great-wave:0+a.png:0.0", "all weights are 0"),
        ("great-wav:0.5+a.png", "unknown style 'great-wav': did you mean great-wave"),
        ("great-wave:0.5+nowhere.jpg:0.5", "nowhere.jpg: no such style file"),
        ("great-wave++a.png", "a term of this blend is empty"),
        ("+", "a term of this blend is empty"),
        ("", "no style is named"),
        ("  ", "no style is named"),
        (".", r"\.: is a folder, not a style"),
        ("net.onnx:0.5+a.png:0.5", "net.onnx: is an exported network, whose weights cannot be blended"),
        ("words.jpg", "words.jpg: is neither a network .* nor a picture"),
        ("empty.png", "empty.png: the file is empty"),
        ("x" * 5000 + ".jpg", "no such style"),
        ("nul\0.jpg", "no such style"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, text: str, words: str) -> None:
    Path("words.jpg").write_text("just some words, no picture")
    Path("empty.png").touch()
    with pytest.raises(StyleError, match=words):
        parse_style(text)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(StyleError, match="not a regular file"):
        parse_style(tmp_path / "pipe.jpg")


def test_paint_and_stroke_are_for_networks_that_are_made(folder: Path) -> None:
    options = StyleOptions(paint=0.7)
    for text in ("a.png", "a.png+great-wave", "great-wave+udnie"):
        assert parse_style(text).is_adjustable
        parse_style(text).check(options)
    refused = {
        "great-wave": "great-wave: is a gallery style",
        "own.safetensors": "own: is a checkpoint",
        "net.onnx": "net: is an exported network",
        "great-wave+own.safetensors": "own: is a checkpoint",
    }
    for text, words in refused.items():
        parse_style(text).check(StyleOptions())
        for wrong in (options, StyleOptions(stroke=2)):
            with pytest.raises(InputError, match=f"{words}.* no inputs for paint and stroke"):
                parse_style(text).check(wrong)


def test_names_for_people_have_no_control_characters(folder: Path, picture: Path) -> None:
    for file, name in (("\x1b[31mred\n.png", "[31mred"), ("\u202egnp.png", "gnp"), ("\x07.png", "picture")):
        shutil.copy(picture, file)
        assert parse_style(Path(file)).name == name
    assert len(parse_style(shutil.copy(picture, "n" * 200 + ".png")).name) == 64


WEIGHTS = st.floats(0, 1e6)


@given(st.lists(st.tuples(st.sampled_from(style_names()), WEIGHTS), min_size=1, max_size=6))
@example([("udnie", 5e-324), ("great-wave", 1.0)])
def test_any_weights(terms: list[tuple[str, float]]) -> None:
    assume(any(weight > 0 for _, weight in terms))
    reference = parse_style("+".join(f"{name}:{weight!r}".replace("e+", "e") for name, weight in terms))
    assert sum(term.weight for term in reference.terms) == pytest.approx(1)
    assert all(term.weight > 0 for term in reference.terms)


@given(st.text(alphabet=st.sampled_from("aud+:.0123-great-wave\0/ \n"), max_size=24))
@example("great-wave:1e+5")
def test_any_text_is_a_style_or_a_style_error(text: str) -> None:
    with suppress(StyleError):  # any other error fails
        assert parse_style(text).terms
