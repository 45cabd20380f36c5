"""A style that is ready to paint: whole frames, tiles of very large ones, and what is said of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from export.onnx_export import export_onnx
from realtime.engines.painter import FramePainter
from realtime.errors import InputError, RestyleError, StyleError
from realtime.media.synthetic.natural import natural_frames
from realtime.options import EngineOptions, PaintOptions
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.frames import difference, frame
from tests.helpers.networks import codes, mean_difference, rgb_network
from tests.helpers.planes import same
from tests.helpers.textured import LOCAL, TEXTURED, textured_network
from tests.helpers.transnets import CPU, random_network

ONNX = CPU.replace(backend="onnx")


def test_frames_are_painted_at_once_or_begun(random_style: Path) -> None:
    frames = [frame(40, 56, seed) for seed in range(3)]
    paint = PaintOptions(strength=0.5, keep_color=True)
    with FramePainter(random_style, CPU) as painter:
        assert (painter.path, painter.style.name, painter.foreign) == (random_style, "random", False)
        wait = painter.begin(frames, paint)
        for given, a, b in zip(frames, painter.paint(frames, paint), wait(), strict=True):
            assert difference(a, b) <= 1
            assert np.array_equal(a.u, given.u) and not np.array_equal(a.y, given.y)
            assert (a.pts, a.time_base, a.color) == (given.pts, given.time_base, given.color)


def test_a_name_from_the_gallery_and_closing() -> None:
    before = threading.active_count()
    painter = FramePainter("starry-night", CPU)
    assert painter.path.name == "starry-night.safetensors"
    painter.close()
    painter.close()
    assert threading.active_count() == before


def test_a_closed_painter_does_not_paint(random_style: Path) -> None:
    painter = FramePainter(random_style, CPU)
    painter.close()
    painter.close()
    for use in (painter.paint, painter.begin):
        with pytest.raises(RestyleError, match="random was closed"):
            use([frame(16, 16, 0)])


def test_errors_when_opening(tmp_path: Path, identity: Path) -> None:
    with pytest.raises(StyleError, match="gallery"):
        FramePainter("no-such-style")
    with pytest.raises(StyleError, match="none.onnx"):
        FramePainter(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="cuda:99"):
        FramePainter(identity, EngineOptions(device="cuda:99"))


# Very large frames: here those of more than 1000 pixels


@pytest.mark.parametrize("options", [CPU, ONNX], ids=["torch", "onnx"])
@pytest.mark.parametrize("size", [(90, 160), (33, 47), (100, 36)], ids=str)
def test_tiles_equal_the_whole_frame(random_style: Path, options: EngineOptions, size: tuple[int, int]) -> None:
    source, paint = frame(*size), PaintOptions(strength=0.7)
    with FramePainter(random_style, options) as painter:
        assert painter.size_note(size[1], size[0]) is None
        [whole] = painter.paint([source], paint)
    with FramePainter(random_style, options, most_pixels=1000, tile_side=32) as painter:
        assert painter.is_large(size[1], size[0]) and not painter.is_large(40, 25)
        assert painter.size_note(size[1], size[0]) == f"{size[1]}x{size[0]}: painted in tiles, which changes nothing"
        [tiled] = painter.paint([source], paint)
        assert same(painter.begin([source], paint)()[0], tiled)
    assert difference(whole, tiled) <= 1
    assert (tiled.pts, tiled.color) == (source.pts, source.color)


@pytest.fixture(scope="module")
def instance_norm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that looks at the whole picture."""
    network = random_network(Architecture(width=8, body=16, dilations=(1,), norm="instance", cell=4))
    with torch.no_grad():
        network.out.weight.mul_(0.2)
    path = tmp_path_factory.mktemp("styles") / "normed.safetensors"
    save_checkpoint(path, network, StyleCard("normed", architecture=network.architecture))
    return path


def test_instance_norm_is_frozen_for_tiles(instance_norm: Path) -> None:
    """Its statistics come from a sample of the frame: nearly the picture of the whole frame."""
    source = next(natural_frames(1, size=(160, 96)))
    with FramePainter(instance_norm, CPU) as painter:
        [whole] = painter.paint([source])
    with FramePainter(instance_norm, CPU, most_pixels=1000, tile_side=32) as painter:
        assert painter.size_note(160, 96) == "160x96: painted in tiles, normalised by a sample of each frame"
        before = threading.active_count()
        [tiled] = painter.paint([source])
        assert threading.active_count() == before  # the engine of the frozen network is closed
    assert mean_difference(whole, tiled) < 1.5


def test_an_exported_network_with_instance_norm_gets_whole_frames(instance_norm: Path, tmp_path: Path) -> None:
    """Its statistics cannot be frozen."""
    path = tmp_path / "normed.onnx"
    export_onnx(instance_norm, path, checks=[(96, 64, 1)])
    source = next(natural_frames(1, size=(160, 96)))
    with FramePainter(instance_norm, CPU) as painter:
        [whole] = painter.paint([source])
    with FramePainter(path, EngineOptions(device="cpu"), most_pixels=1000, tile_side=32) as painter:
        assert not painter.can_tile
        assert painter.size_note(160, 96) == "160x96: painted whole, which takes much memory"
        [exported] = painter.paint([source])
    assert mean_difference(whole, exported) < 1


def test_an_exported_network_without_it_is_painted_in_tiles(random_style: Path, tmp_path: Path) -> None:
    path = tmp_path / "random.onnx"
    export_onnx(random_style, path, checks=[(96, 64, 1)])
    source = frame(96, 160)
    with FramePainter(path, EngineOptions(device="cpu", threads=1)) as painter:
        [whole] = painter.paint([source])
    with FramePainter(path, EngineOptions(device="cpu", threads=1), most_pixels=1000, tile_side=32) as painter:
        assert painter.can_tile
        assert difference(whole, painter.paint([source])[0]) <= 1


@pytest.fixture(scope="module")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a texture plane."""
    path = tmp_path_factory.mktemp("styles") / "textured.safetensors"
    save_checkpoint(path, textured_network(), StyleCard("textured", architecture=TEXTURED))
    return path


def test_texture_is_for_networks_with_a_texture_plane(textured: Path) -> None:
    source = frame(40, 56)
    with FramePainter(textured, CPU) as painter:
        assert painter.takes_texture
        some, whole = (painter.paint([source], PaintOptions(texture=t))[0] for t in (0.5, 1.0))
        assert mean_difference(some, whole) > 0.5


@pytest.mark.parametrize("kind", ["checkpoint", "exported", "foreign"])
def test_others_refuse_any_but_the_default_and_say_why(
    textured: Path, random_style: Path, tmp_path: Path, kind: str
) -> None:
    path = {"checkpoint": random_style, "foreign": tmp_path / "negative.onnx", "exported": tmp_path / "a.onnx"}[kind]
    reason = {"checkpoint": "has no texture plane; take a picture", "exported": "holds its texture plane fixed"}
    if kind == "foreign":
        rgb_network(path)
    elif kind == "exported":
        export_onnx(textured, path, checks=[(96, 64, 1)])
    options = CPU if kind == "checkpoint" else EngineOptions(device="cpu", threads=1)
    with FramePainter(path, options) as painter:
        assert not painter.takes_texture
        painter.paint([frame(40, 56)], PaintOptions(strength=0.5))
        for use in (painter.paint, painter.begin):
            with pytest.raises(InputError, match=reason.get(kind, "restyle has not made")):
                use([frame(40, 56)], PaintOptions(texture=0.5))


def test_a_textured_network_in_tiles(textured: Path) -> None:
    """Normalised by a sample, as others with instance norm; the strokes go on from tile to tile."""
    source, paint = next(natural_frames(1, size=(160, 96))).at((77.0, -3.0)), PaintOptions(texture=0.7)
    with FramePainter(textured, CPU) as painter:
        [whole] = painter.paint([source], paint)
    with FramePainter(textured, CPU, most_pixels=1000, tile_side=32) as painter:
        [tiled] = painter.paint([source], paint)
    assert mean_difference(whole, tiled) < 1


@pytest.mark.parametrize("architecture", [TEXTURED, LOCAL], ids=["norm", "no norm"])
def test_an_exported_network_with_a_texture_plane_gets_whole_frames(tmp_path: Path, architecture: Architecture) -> None:
    """It holds the plane fixed: each tile would begin at the plane's corner."""
    style, path = tmp_path / "textured.safetensors", tmp_path / "textured.onnx"
    save_checkpoint(style, textured_network(architecture), StyleCard("textured", architecture=architecture))
    export_onnx(style, path, checks=[(96, 64, 1)])
    source = next(natural_frames(1, size=(160, 96)))
    with FramePainter(style, CPU) as painter:
        [whole] = painter.paint([source])
    with FramePainter(path, EngineOptions(device="cpu"), most_pixels=1000, tile_side=32) as painter:
        assert not painter.can_tile
        [exported] = painter.paint([source.at((500.0, 3.0))])
    assert mean_difference(whole, exported) < 0.1  # at the plane's corner, wherever the camera is


def test_a_foreign_network_gets_whole_frames(tmp_path: Path) -> None:
    """It is not known how far it looks: tiles might differ at their borders."""
    with FramePainter(
        rgb_network(tmp_path / "negative.onnx"), EngineOptions(device="cpu"), most_pixels=1000
    ) as painter:
        assert painter.foreign and not painter.can_tile
        assert painter.size_note(160, 90) == "160x90: painted whole, which takes much memory"
        [painted] = painter.paint([frame(90, 160)])
    assert codes(painted).shape == codes(frame(90, 160)).shape
