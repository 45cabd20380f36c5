"""Tiles: the same numbers as the whole frame, for any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.engines.base import Closing
from realtime.engines.tiling import frozen_engine, sample, spans, stylize_in_tiles
from realtime.engines.torch.device import cpu_has_bf16
from realtime.engines.torch.engine import TorchEngine
from realtime.frames import Frame, chroma_shape
from realtime.media.synthetic.natural import natural_frames
from realtime.options import PaintOptions
from realtime.transnet.checkpoint import load_checkpoint
from realtime.transnet.gallery import find_style
from realtime.transnet.network import Architecture, TransNet
from tests.helpers.planes import flat
from tests.helpers.textured import LOCAL, textured_network
from tests.helpers.transnets import random_network

ARCHITECTURES = [
    Architecture(width=8, body=16, dilations=(1, 2), contours=(4, 8)),
    Architecture(width=8, body=16, dilations=(2,), contours=(4,), cell=4),
    replace(LOCAL, dilations=(1,), fine=(1,)),
]

INSTANCE = Architecture(width=8, body=16, dilations=(1, 2), norm="instance", cell=4, contours=(8,))


def noise(height: int, width: int, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    rows, columns = chroma_shape(height, width)
    y, u, v = (rng.integers(0, 256, shape, np.uint8) for shape in ((height, width), (rows, columns), (rows, columns)))
    return Frame(y, u, v, pts=7, origin=(-5.5, 1000.0 + seed))


@settings(max_examples=60)
@given(length=st.integers(1, 5000), side=st.integers(1, 40).map(lambda n: 16 * n), reach=st.integers(0, 200))
def test_spans_cover_everything_once(length: int, side: int, reach: int) -> None:
    found = spans(length, side, reach)
    assert [s.first for s in found] == [0, *(s.last for s in found[:-1])]
    assert found[-1].last == length
    for span in found:
        assert span.begin % 16 == span.first % 16 == 0
        assert span.begin == 0 or span.first - span.begin >= reach
        assert span.end == length or span.end - span.last >= reach


def pair(
    architecture: Architecture, precision: str, height: int, width: int, side: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Planes of a frame that went through the network as a whole, and in tiles."""
    if precision == "bf16" and not cpu_has_bf16():
        pytest.skip("this processor has no bf16")
    frame, paint = noise(height, width), PaintOptions(strength=0.9)
    with TorchEngine(random_network(architecture), device="cpu", precision=precision, threads=1) as engine:  # type: ignore[arg-type]
        [whole] = engine.stylize([frame], paint)
        tiled = stylize_in_tiles(engine, frame, paint, reach=architecture.reach, side=side)
    assert (tiled.pts, tiled.origin) == (7, frame.origin)
    return [(whole.y, tiled.y), (whole.u, tiled.u), (whole.v, tiled.v)]


@pytest.mark.parametrize(("height", "width"), [(1040, 1300), (1023, 1537)])
def test_the_same_as_the_whole(height: int, width: int) -> None:
    for whole, tiled in pair(Architecture(), "fp32", height, width, 512):
        np.testing.assert_array_equal(whole, tiled)


@pytest.mark.slow
@pytest.mark.skipif(not cpu_has_bf16(), reason="this processor has no bf16")
@pytest.mark.parametrize(("height", "width"), [(1040, 1300), (1023, 1537)])
def test_the_same_as_the_whole_in_bf16(height: int, width: int) -> None:
    """Except for the order in which AMX adds up the right end of a row, which changes single codes of a trained style.

    A random network amplifies any difference.
    """
    network, _ = load_checkpoint(find_style("starry-night"))
    engine = TorchEngine(network, device="cpu", precision="bf16", threads=1)
    frame = next(natural_frames(1, size=(width // 2 * 2, height // 2 * 2)))
    [whole] = engine.stylize([frame])
    tiled = stylize_in_tiles(engine, frame, reach=network.architecture.reach, side=512)
    for a, b in ((whole.y, tiled.y), (whole.u, tiled.u), (whole.v, tiled.v)):
        assert np.abs(a.astype(int) - b).max() <= 1
        assert (a != b).mean() < 0.01


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("height", "width"), [(256, 320), (201, 333), (64, 500), (16, 16), (130, 66)])
def test_small_tiles(architecture: Architecture, precision: str, height: int, width: int) -> None:
    """For a few cells a library uses other kernels, which add up in another order: single codes differ."""
    for whole, tiled in pair(architecture, precision, height, width, 64):
        assert np.abs(whole.astype(int) - tiled).max() <= 1
        assert (whole != tiled).mean() < 0.02


def test_a_margin_that_is_too_small_shows() -> None:
    """The test above can fail."""
    architecture = ARCHITECTURES[0]
    engine = TorchEngine(random_network(architecture), device="cpu", precision="fp32", threads=1)
    frame = noise(256, 320)
    [whole] = engine.stylize([frame])
    assert not np.array_equal(whole.y, stylize_in_tiles(engine, frame, reach=8, side=64).y)


def test_each_tile_has_its_own_place_on_the_texture_plane() -> None:
    """With the frame's own place in every tile, the strokes of a wall would begin anew in each."""
    architecture = ARCHITECTURES[-1]
    wall = flat(160, 224, 120).at((13.0, -40.0))
    with TorchEngine(textured_network(architecture), device="cpu", precision="fp32", threads=1) as engine:
        [whole] = engine.stylize([wall])
        tiled = stylize_in_tiles(engine, wall, reach=architecture.reach, side=48)
        assert np.abs(whole.y.astype(int) - tiled.y).max() <= 1
        wrong = stylize_in_tiles(_OnePlace(engine), wall, reach=architecture.reach, side=48)  # type: ignore[arg-type]
    assert np.abs(whole.y.astype(int) - wrong.y).mean() > 1


class _OnePlace(Closing):
    """An engine that forgets where its frames lie."""

    def __init__(self, engine: TorchEngine) -> None:
        self.engine, self.batch = engine, engine.batch

    def stylize(self, frames: Sequence[Frame], paint: PaintOptions = PaintOptions()) -> list[Frame]:
        return self.engine.stylize([frame.at((13.0, -40.0)) for frame in frames], paint)


@pytest.mark.parametrize(("height", "width"), [(2000, 3000), (385, 400), (384, 384), (90, 33)])
def test_a_sample_is_spread_over_the_frame(height: int, width: int) -> None:
    frame = noise(height, width)
    crops = sample(frame)
    assert len({(crop.height, crop.width) for crop in crops}) == 1
    assert np.array_equal(crops[0].y, frame.y[:384, :384])
    last = crops[-1].y
    down, across = ((side - len_) // 16 * 16 for side, len_ in zip((height, width), last.shape, strict=True))
    assert np.array_equal(last, frame.y[down : down + last.shape[0], across : across + last.shape[1]])
    assert crops[0].origin == frame.origin
    assert crops[-1].origin == (frame.origin[0] + down, frame.origin[1] + across)


@pytest.mark.parametrize("network", [random_network(INSTANCE), textured_network()], ids=["instance", "textured"])
@pytest.mark.parametrize("paint", [PaintOptions(), PaintOptions(texture=0.2)], ids=["whole texture", "some"])
def test_instance_norm_is_frozen_by_the_sample(network: TransNet, paint: PaintOptions) -> None:
    """Where the sample is the whole frame, the frozen network paints what the network paints, also in tiles."""
    frame, reach = noise(200, 296), network.architecture.reach
    with TorchEngine(network, device="cpu", precision="fp32", threads=1) as engine:
        [whole] = engine.stylize([frame], paint)
    with frozen_engine(network, frame, paint, device="cpu", threads=1) as frozen:
        assert frozen.network.architecture.norm == "batch"
    with TorchEngine(frozen.network, device="cpu", precision="fp32", threads=1) as engine:
        tiled = stylize_in_tiles(engine, frame, paint, reach=reach, side=64)
    for a, b in ((whole.y, tiled.y), (whole.u, tiled.u), (whole.v, tiled.v)):
        assert np.abs(a.astype(int) - b).max() <= 1
