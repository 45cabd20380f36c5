"""The texture plane: noise that a network paints strokes with where the picture is plain.

There is next to nothing in a white sky or a plain wall, so a network that sees only the picture leaves it plain,
whatever its loss asks for. The texture plane gives it something to answer: a fourth plane beside Y, U and V, of the
size of U, packed as U is (four more input channels). It is one fixed field of noise, with periods of 6 to 128 luma
pixels and amplitudes that grow with the period. It repeats itself every `FIELD_SIDE` samples.

The plane belongs to the scene and not to the screen. Each frame says with `Frame.origin` where its upper left corner
lies on the field; `realtime.media.convert.scene_motion` finds that from the camera's motion.

The field is a file, so that it is the same on every machine. `python -m tools.texture_field` makes it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FIELD_SIDE = 512
"""Rows and columns of the field."""

TEXTURE_SCALE = 32.0
"""Codes per unit in the network. The field's standard deviation is one unit."""

_STEPS = 4
"""Positions of the origin that are told apart between two samples."""

_FULL = 256
"""Steps of the amount."""


@cache
def texture_field() -> np.ndarray:
    """The field: (512, 512) uint8, 128 + 32 times noise of deviation 1. Read only."""
    field: np.ndarray = np.load(Path(__file__).with_name("texture.npy"), allow_pickle=False)
    field.setflags(write=False)
    return field


def texture_cells(origin: tuple[float, float], h: int, w: int, amount: float = 1.0) -> np.ndarray:
    """A frame's part of the field, packed as a network on codes takes it.

    Args:
        origin: where the frame's upper left pixel lies on the field, (down, right) in luma pixels.
        h, w: size of the frame in cells of 4x4 luma pixels.
        amount: 0 is a plane of 128, without texture; 1 the whole texture.

    Returns:
        (h, w, 4) uint8.
    """
    (y, fy), (x, fx) = (divmod(position, 2 * _STEPS) for position in _position(origin))
    field = _field_in_cells(fy, fx, round(amount * _FULL))
    rows, columns = (np.arange(first, first + length) % len(field) for first, length in ((y, h), (x, w)))
    cells: np.ndarray = field[rows[:, None], columns]
    return cells.view(np.uint8).reshape(h, w, 4)


def wrapped_origin(origin: tuple[float, float]) -> tuple[float, float]:
    """The same place within the field's first repetition, rounded to a position that is told apart: exact in fp32.

    Args:
        origin: (down, right) in luma pixels.
    """
    down, right = _position(origin)
    return down * 2 / _STEPS, right * 2 / _STEPS


def texture_gain(amount: float) -> float:
    """An amount, 0..1, rounded to a step that is told apart."""
    return round(amount * _FULL) / _FULL


def _position(origin: tuple[float, float]) -> tuple[int, int]:
    """(down, right) in steps between samples, within the field's first repetition."""
    down, right = (round(v / 2 * _STEPS) % (FIELD_SIDE * _STEPS) for v in origin)
    return down, right


@lru_cache(4 * _STEPS**2)  # all positions within a cell
def _field_in_cells(down: int, right: int, amount: int) -> np.ndarray:
    """The whole field from a position within the first cell on, in cells: (256, 256) uint32, four codes each."""
    (y, fy), (x, fx) = divmod(down, _STEPS), divmod(right, _STEPS)
    # sums of weights that add up to a power of two: exact in integers
    field = np.roll(texture_field().astype(np.int32) - 128, (-y, -x), (0, 1))
    field = (_STEPS - fy) * field + fy * np.roll(field, -1, 0)
    field = (_STEPS - fx) * field + fx * np.roll(field, -1, 1)
    unit = _FULL * _STEPS**2
    codes = ((field * amount + unit // 2) // unit + 128).astype(np.uint8)
    side = FIELD_SIDE // 2
    cells = np.ascontiguousarray(codes.reshape(side, 2, side, 2).transpose(0, 2, 1, 3))
    return cells.reshape(side, side * 4).view(np.uint32)


def field_tensor(device: torch.device | str = "cpu") -> Tensor:
    """The field in the network's units, (512, 512) fp32, of deviation 1: for `texture_planes`."""
    return field_codes(device) / TEXTURE_SCALE


def field_codes(device: torch.device | str = "cpu") -> Tensor:
    """The field as codes - 128, (512, 512) fp32: for `texture_planes`."""
    return torch.from_numpy(texture_field().copy()).to(device).float() - 128


def texture_planes(field: Tensor, origins: Tensor, h: int, w: int) -> Tensor:
    """Parts of the field on a device, bilinear between its samples; differs from `texture_cells` by rounding only.

    Args:
        field: (n, n) float.
        origins: (N, 2) float, (down, right) in luma pixels.
        h, w: size in cells.

    Returns:
        (N, 4, h, w) of the field's type and unit.
    """
    n = field.shape[-1]
    at = torch.round(origins / 2 * _STEPS) / _STEPS
    lines = []
    for axis, length in ((0, 2 * h), (1, 2 * w)):
        place = torch.arange(length, device=field.device)[None] + at[:, axis : axis + 1]
        first = place.floor()
        lines.append((first.long() % n, (first.long() + 1) % n, (place - first).to(field.dtype)))
    (top, bottom, fy), (left, right, fx) = lines

    def row(y: Tensor) -> Tensor:
        return torch.lerp(field[y[:, :, None], left[:, None]], field[y[:, :, None], right[:, None]], fx[:, None])

    return F.pixel_unshuffle(torch.lerp(row(top), row(bottom), fy[:, :, None])[:, None], 2)
