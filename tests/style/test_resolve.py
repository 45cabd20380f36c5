"""From a style to its network: names, files, pictures and blends, remembered in the user's cache."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

import pytest
import torch

from export.onnx_export import export_onnx
from realtime.errors import InputError, MediaError, StyleError
from realtime.options import StyleOptions
from realtime.style import cache, emitted, resolve
from realtime.style.emitted import ORIGIN, any_painting
from realtime.style.resolve import resolve_style, style_network
from realtime.transnet.checkpoint import load_checkpoint, read_card
from realtime.transnet.gallery import find_style
from realtime.transnet.hypernetwork import EMITTED, PAINT
from realtime.transnet.network import TransNet


@pytest.fixture(autouse=True)
def _cache(cache_home: Path) -> None:
    cache.temporary_folder.cache_clear()


def equal(a: TransNet, b: TransNet) -> bool:
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_names_checkpoints_and_exported_networks_are_their_files(random_style: Path, tmp_path: Path) -> None:
    assert resolve_style("great-wave:quality") == find_style("great-wave-quality")
    assert resolve_style("great-wave:0.4") == find_style("great-wave")
    assert resolve_style(random_style) == random_style
    export_onnx(random_style, tmp_path / "a.onnx")
    assert resolve_style(tmp_path / "a.onnx") == tmp_path / "a.onnx"
    assert not cache.folder().exists()
    network, card = style_network(random_style)
    assert card.name == "random" and equal(network, load_checkpoint(random_style)[0])
    with pytest.raises(StyleError, match=r"a\.onnx: is an exported network"):
        style_network(tmp_path / "a.onnx")


def test_a_picture_becomes_a_checkpoint(picture: Path, cache_home: Path) -> None:
    path = resolve_style(picture)
    assert path.is_relative_to(cache_home)
    network, card = load_checkpoint(path)
    assert card.name == "flowers" and card.architecture == EMITTED
    assert card.recipe[ORIGIN] == any_painting()[1].version
    assert (card.recipe["paint"], card.recipe["licence"]) == (PAINT, "unknown")
    (known,) = card.recipe["pictures"]
    assert known == {"name": "flowers", "kind": "picture", "weight": 1, "sha256": cache.file_digest(picture)}
    in_memory, its_card = style_network(str(picture))
    assert equal(in_memory, network) and its_card.name == "flowers"


def test_what_was_seen_before_is_not_made_again(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {amount: resolve_style(picture, StyleOptions(paint=amount)) for amount in (None, 0.2, 0.9)}
    assert len(set(paths.values())) == 3
    assert resolve_style(picture, StyleOptions(paint=PAINT)) == paths[None]
    renamed = shutil.copy(picture, tmp_path / "renamed.png")
    assert read_card(resolve_style(renamed)).name == "renamed"
    monkeypatch.setattr(resolve, "_make", lambda *_: pytest.fail("made again"))
    assert {amount: resolve_style(str(picture), StyleOptions(paint=amount)) for amount in paths} == paths
    resolve_style(renamed)


def test_another_amount_of_paint_needs_no_second_look(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_style(picture)
    monkeypatch.setattr(emitted, "load_encoder", lambda *_: pytest.fail("the encoder was loaded"))
    emitted._encoder.cache_clear()
    assert not equal(style_network(picture, StyleOptions(paint=1))[0], style_network(picture)[0])


def test_a_changed_picture_is_another_style(picture: Path, other_picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "a"
    shutil.copy(picture, path)
    first = resolve_style(path)
    shutil.copy(other_picture, path)
    assert resolve_style(path) != first


def test_other_weights_make_another_network(picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve_style(picture)
    files = [Path(shutil.copy(path, tmp_path)) for path in emitted.any_painting_files()]
    network, card = any_painting()
    emitted_before = network.head.bias.detach().clone()
    try:
        with torch.no_grad():
            network.head.bias.add_(0.1)
        from realtime.transnet.hypernetwork import save_any_painting

        save_any_painting(files[0], network, card)
    finally:
        with torch.no_grad():
            network.head.bias.copy_(emitted_before)
    monkeypatch.setattr(emitted, "any_painting_files", lambda: tuple(files))
    monkeypatch.setattr(cache, "any_painting_files", lambda: tuple(files))
    second = resolve_style(picture)
    assert second != first and not equal(load_checkpoint(first)[0], load_checkpoint(second)[0])


def test_a_damaged_file_in_the_cache_is_made_again(picture: Path) -> None:
    path = resolve_style(picture)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"something else"):
        path.write_bytes(content)
        assert resolve_style(picture) == path and path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(picture: Path, cache_home: Path) -> None:
    (cache_home / "restyle").write_text("a file in the way")
    path = resolve_style(picture)
    assert read_card(path).name == "flowers" and not path.is_relative_to(cache_home)
    assert resolve_style(picture) == path


def test_a_blend(picture: Path, other_picture: Path) -> None:
    text = f"{picture}:0.6+{other_picture}:0.4"
    path = resolve_style(text)
    card = read_card(path)
    assert card.name == "flowers:0.6+harbour:0.4"
    assert [known["weight"] for known in card.recipe["pictures"]] == [0.6, 0.4]
    assert resolve_style(f"{picture}:3+{other_picture}:2") == path
    assert resolve_style(f"{picture}:0.5+{other_picture}:0.5") != path
    assert resolve_style(f"{picture}:1+{other_picture}:0") == resolve_style(picture)


def test_wrong_styles(picture: Path, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(picture.read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"truncated\.png"):
        resolve_style(truncated)
    with pytest.raises(MediaError, match=r"truncated\.png"):
        resolve_style(f"{truncated}+great-wave")
    with pytest.raises(StyleError, match="unknown style"):
        resolve_style("grate-wave")
    for function in (resolve_style, style_network):
        with pytest.raises(InputError, match="great-wave: is a gallery style, which has no inputs"):
            function("great-wave", StyleOptions(stroke=0.5))  # type: ignore[operator]
    assert not cache.folder().exists()


def test_several_threads_make_a_network_once(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = resolve._make

    def counted(*given: object) -> object:
        made.append("once")
        return make(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(resolve, "_make", counted)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(resolve_style(picture))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1 and made == ["once"]


def test_slow_work_is_told(picture: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    measure = emitted.measure_statistics

    def slow(*given: object) -> torch.Tensor:
        assert told.wait(60)
        return measure(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(resolve, "SLOW_SECONDS", 0.01)
    monkeypatch.setattr(emitted, "measure_statistics", slow)
    handler = Told()
    logging.getLogger("realtime.style").addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "realtime.style"):
            resolve_style(picture)
    finally:
        logging.getLogger("realtime.style").removeHandler(handler)
    assert caplog.messages[0].startswith("flowers: taking the style")
