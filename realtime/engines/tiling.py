"""Frames too large for the memory, in tiles.

A tile is cut with a margin of at least the network's reach around the part that is kept, and begins at a multiple of
the network's cells, counted from the frame's own origin. At the frame's border there is no margin, and the network pads
there as it does for a whole frame. So every pixel is computed from the same numbers in the same way. (A library may add
them up in another order for another width, as oneDNN does on processors with AMX: in bf16 that changes a few of a
thousand pixels by one code.)

A network with instance norm looks at the whole picture. Its statistics are frozen first, from a sample of the frame:
see `frozen_engine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from realtime.engines.base import DEFAULT_PAINT, Engine, texture_amount
from realtime.engines.plane_packing import centered, pack
from realtime.engines.torch.engine import TorchEngine
from realtime.frames import Frame
from realtime.options import PaintOptions
from realtime.transnet.freeze_statistics import freeze_statistics
from realtime.transnet.network import TransNet

MOST_PIXELS = 4096 * 2304
"""Frames with more pixels are painted in tiles."""

SIDE = 1536
"""Pixels of a tile's side, without its margins."""

SAMPLES, SAMPLE_SIDE = 5, 384
"""Rows and columns of the crops that are taken as a sample of a frame, and their side in pixels."""

_CELL = 16
"""Tiles begin at multiples of this: of the network's 8 pixels, and an even number of chroma samples."""


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one side of a frame: pixels `begin` to `end` are cut, and `first` to `last` of them are kept."""

    begin: int
    end: int
    first: int
    last: int


def spans(length: int, side: int, reach: int) -> list[Span]:
    """The tiles along one side of a frame.

    Args:
        length: of the frame's side, in pixels.
        side: pixels that are kept of a tile, a multiple of 16.
        reach: pixels that a pixel of the output can depend on, in each direction.
    """
    margin = -(-reach // _CELL) * _CELL
    return [
        Span(max(0, first - margin), min(length, first + side + margin), first, min(length, first + side))
        for first in range(0, length, side)
    ]


def sample(frame: Frame, *, count: int = SAMPLES, side: int = SAMPLE_SIDE) -> list[Frame]:
    """`count` rows of `count` crops, evenly spread over a frame and all of one size.

    Args:
        frame: of any size.
        count: of crops in a row and in a column.
        side: pixels of a crop's sides, a multiple of 16; at most the frame's own.
    """

    def along(length: int) -> list[Span]:
        last = max(0, length - side)
        firsts = [last * n // max(1, count - 1) // _CELL * _CELL for n in range(count)]
        return [Span(first, min(length, first + side), first, min(length, first + side)) for first in firsts]

    return [_cut(frame, down, across) for down in along(frame.height) for across in along(frame.width)]


def frozen_engine(
    network: TransNet, frame: Frame, paint: PaintOptions = DEFAULT_PAINT, *, device: str, threads: int | None
) -> TorchEngine:
    """An engine for the tiles of one frame, where the network has instance norm. The caller closes it.

    Args:
        network: of norm "instance" or "blocks", in its training form.
        frame: of any size.
        paint: how it will be painted.
        device, threads: see `TorchEngine`.
    """
    packed = pack(sample(frame), texture_amount(network.architecture, paint))
    cells = centered(packed).permute(0, 3, 1, 2).float()
    frozen = freeze_statistics(network, cells, frame.color.matrix, frame.color.range)
    return TorchEngine(frozen, device=device, threads=threads)


def stylize_in_tiles(
    engine: Engine, frame: Frame, paint: PaintOptions = DEFAULT_PAINT, *, reach: int, side: int = SIDE
) -> Frame:
    """What `engine.stylize` gives for a frame, by tiles.

    Args:
        engine: runs the network.
        frame: of any size.
        paint: how it is painted.
        reach: of the network, in pixels (`Architecture.reach`).
        side: pixels of a tile's side, a multiple of 16.

    Returns:
        a frame with planes of its own.
    """
    out = frame.with_planes(np.empty_like(frame.y), np.empty_like(frame.u), np.empty_like(frame.v))
    places = [(down, across) for down in spans(frame.height, side, reach) for across in spans(frame.width, side, reach)]
    for group in _of_one_size(places, engine.batch):
        styled = engine.stylize([_cut(frame, down, across) for down, across in group], paint)
        for (down, across), tile in zip(group, styled, strict=True):
            _keep(out, tile, down, across)
    return out


def _of_one_size(places: Sequence[tuple[Span, Span]], most: int) -> Iterator[list[tuple[Span, Span]]]:
    """Groups of at most `most` tiles of one size."""

    def size(place: tuple[Span, Span]) -> tuple[int, int]:
        down, across = place
        return down.end - down.begin, across.end - across.begin

    for _, alike in groupby(sorted(places, key=size), size):
        group = list(alike)
        yield from (group[i : i + most] for i in range(0, len(group), most))


def _cut(frame: Frame, down: Span, across: Span) -> Frame:
    half = slice(down.begin // 2, -(-down.end // 2)), slice(across.begin // 2, -(-across.end // 2))
    part = frame.with_planes(frame.y[down.begin : down.end, across.begin : across.end], frame.u[half], frame.v[half])
    top, left = frame.origin
    return part.at((top + down.begin, left + across.begin))


def _keep(out: Frame, tile: Frame, down: Span, across: Span) -> None:
    """Copy what is kept of a tile to its place."""
    y, x = down.first - down.begin, across.first - across.begin
    height, width = down.last - down.first, across.last - across.first
    out.y[down.first : down.last, across.first : across.last] = tile.y[y : y + height, x : x + width]
    rows, columns = slice(y // 2, -(-(y + height) // 2)), slice(x // 2, -(-(x + width) // 2))
    half = slice(down.first // 2, -(-down.last // 2)), slice(across.first // 2, -(-across.last // 2))
    out.u[half], out.v[half] = tile.u[rows, columns], tile.v[rows, columns]
