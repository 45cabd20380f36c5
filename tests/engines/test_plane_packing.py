"""Packing frames into the network's channels: the same on the CPU and on a device, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realtime.engines.plane_packing import (
    TEXTURE,
    DevicePacking,
    FrameLayout,
    centered,
    pack,
    rounded_codes,
    unpack,
)
from realtime.frames import Frame
from realtime.transnet.network import pack_planes
from realtime.transnet.texture import texture_cells, texture_gain, wrapped_origin

CPU = torch.device("cpu")
TYPES = [torch.float16, torch.bfloat16, torch.float32]
VALUES = [-200.0, -128.5, -128.0, -0.5, 0.5, 1.5, 126.5, 127.4, 128.0, 1e6]
ROUNDED = [-128, -128, -128, 0, 0, 2, 126, 127, 127, 127]


def frames_of(flat: torch.Tensor, layout: FrameLayout) -> list[Frame]:
    return [Frame(*(plane.numpy() for plane in layout.planes(one))) for one in flat]


def noise(layout: FrameLayout, count: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, layout.bytes), dtype=np.uint8))


def all_codes(frame: Frame) -> list[int]:
    return [int(code) for plane in (frame.y, frame.u, frame.v) for code in plane.ravel()]


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_pack_and_unpack(height: int, width: int, keep_color: bool) -> None:
    layout = FrameLayout(height, width)
    frames = frames_of(noise(layout, 2), layout)
    packed = pack(frames)
    assert packed.shape == (2, *layout.cells, 24) and packed.shape[1] % 2 == packed.shape[2] % 2 == 0
    back = unpack(packed, frames, keep_color=keep_color)
    assert [all_codes(frame) for frame in back] == [all_codes(frame) for frame in frames]
    assert (back[0].u is frames[0].u) == keep_color


def test_the_channels_are_those_that_networks_are_trained_with() -> None:
    layout = FrameLayout(16, 24)
    [frame] = frames_of(noise(layout, 1), layout)
    y, u, v = (torch.from_numpy(plane).float() for plane in (frame.y, frame.u, frame.v))
    trained = pack_planes(y[None, None], torch.stack([u, v])[None])
    assert torch.equal(centered(pack([frame])).permute(0, 3, 1, 2) / 64, trained)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(TYPES))
def test_a_device_packs_as_the_cpu_does(height: int, width: int, dtype: torch.dtype) -> None:
    layout = FrameLayout(height, width)
    flat = noise(layout, 2)
    cells = torch.empty(2, *layout.cells, 24, dtype=dtype)
    packing = DevicePacking(layout, CPU, dtype)
    packing.pack(flat, cells)
    assert torch.equal(cells, centered(pack(frames_of(flat, layout))).to(dtype))
    back = torch.empty_like(flat)
    packing.unpack(cells, back)
    assert torch.equal(back, flat)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(TYPES), st.floats(0, 1))
def test_the_texture_plane_stands_behind_the_others(height: int, width: int, dtype: torch.dtype, amount: float) -> None:
    """At each frame's own place; on a device to the last bit as on the CPU."""
    layout = FrameLayout(height, width)
    flat = noise(layout, 2)
    origins = [(-7.5, 300.0), (40_000.0, 3.25)]
    frames = [frame.at(origin) for frame, origin in zip(frames_of(flat, layout), origins, strict=True)]
    packed = pack(frames, amount)
    assert packed.shape == (2, *layout.cells, 28) and packed.is_contiguous()
    assert torch.equal(packed[..., :24], pack(frames))
    for origin, cells in zip(origins, packed, strict=True):
        assert np.array_equal(cells[..., TEXTURE].numpy(), texture_cells(origin, *layout.cells, amount))
    cells = torch.empty(2, *layout.cells, 28, dtype=dtype)
    packing = DevicePacking(layout, CPU, dtype, texture=True)
    packing.pack(flat, cells)
    places = torch.tensor([wrapped_origin(origin) for origin in origins])
    packing.add_texture(places, torch.tensor(texture_gain(amount)), cells)
    assert torch.equal(cells, centered(packed).to(dtype))


def test_rounding_and_limits() -> None:
    cells = torch.zeros(1, 2, 2, 24)
    cells.flatten()[: len(VALUES)] = torch.tensor(VALUES)
    layout = FrameLayout(8, 8)
    flat = torch.empty(1, layout.bytes, dtype=torch.uint8)
    DevicePacking(layout, CPU, torch.float32).unpack(cells.clone(), flat)
    codes = rounded_codes(cells)
    assert (codes.flatten()[: len(VALUES)].int() - 128).tolist() == ROUNDED
    assert torch.equal(pack(frames_of(flat, layout)), codes)


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_planes_of_a_decoders_buffer(shift: int) -> None:
    """Lines that are longer than the picture, and begin anywhere."""
    wide = np.random.default_rng(0).integers(0, 256, (16, 50), dtype=np.uint8)
    strided = Frame(wide[:, shift : shift + 16], wide[:8, shift : shift + 8], wide[8:, shift : shift + 8])
    whole = Frame(strided.y.copy(), strided.u.copy(), strided.v.copy())
    assert torch.equal(pack([strided]), pack([whole]))
