"""Frames changed plane by plane: size, direction, blending, packing, and holding still areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.frames import ColorTags, Frame, chroma_shape
from realtime.media.convert import planes
from tests.helpers.planes import flat, noise, same

sides = st.integers(2, 70)


@settings(max_examples=40)
@given(sides, sides, sides, sides)
def test_scaled_planes_have_the_size(height: int, width: int, tall: int, broad: int) -> None:
    out = planes.scale(noise(height, width), broad, tall)
    assert (out.height, out.width) == (tall, broad)
    assert out.u.shape == out.v.shape == chroma_shape(tall, broad)
    assert same(planes.scale(flat(height, width, 90, 100, 160), broad, tall), flat(tall, broad, 90, 100, 160))


def test_scaling_to_the_same_size_returns_the_frame() -> None:
    frame = noise(20, 30)
    assert planes.scale(frame, 30, 20) is frame


def test_mirror_and_turn() -> None:
    frame = noise(20, 30)
    assert np.array_equal(planes.mirror(frame).y, frame.y[:, ::-1])
    assert same(planes.mirror(planes.mirror(frame)), frame)
    left = planes.turn(frame, 90)
    assert (left.height, left.width) == (30, 20)
    assert np.array_equal(left.y[-1], frame.y[:, 0])  # counter-clockwise: the left edge comes to the bottom
    assert same(planes.turn(left, 270), frame)
    assert planes.turn(frame, 360) is frame


def test_blend() -> None:
    a, b = flat(16, 16, 40, 60, 80), flat(16, 16, 140, 160, 180)
    assert same(planes.blend(a, b, 0.25), flat(16, 16, 65, 85, 105))
    assert same(planes.blend(a, b, 0), a) and same(planes.blend(a, b, 1), b)
    with pytest.raises(ValueError, match="differ"):
        planes.blend(a, flat(16, 18, 0), 0.5)
    with pytest.raises(ValueError, match="differ"):
        planes.blend(a, Frame(b.y, b.u, b.v, color=ColorTags(range="full")), 0.5)


@pytest.mark.parametrize("interleaved", [False, True])
def test_packed(interleaved: bool) -> None:
    frame = noise(20, 30)
    out = planes.packed(frame, interleaved=interleaved)
    assert out.size == 20 * 30 * 3 // 2
    assert np.array_equal(out[:600].reshape(20, 30), frame.y)
    u, v = (out[600::2], out[601::2]) if interleaved else (out[600:750], out[750:])
    assert np.array_equal(u.reshape(10, 15), frame.u) and np.array_equal(v.reshape(10, 15), frame.v)
    with pytest.raises(ValueError, match="even"):
        planes.packed(noise(21, 30), interleaved=interleaved)


def test_hold_keeps_still_areas_and_passes_motion() -> None:
    rng = np.random.default_rng(1)
    hold, shown = planes.Hold(), []
    for number in range(6):
        frame = noise(96, 128)  # the same picture each time
        grain = rng.normal(0, 2, frame.y.shape)
        y = np.clip(frame.y + grain, 0, 255).astype(np.uint8)
        y[40:60, 10 * number : 10 * number + 20] = 235
        frame.u[:8, :8] = 16 if number < 3 else 240  # a change of colour alone
        shown.append(hold(frame.with_planes(y, frame.u, frame.v), 6))
    assert all(np.array_equal(picture.y[:30], shown[0].y[:30]) for picture in shown)
    assert (shown[5].y[42:58, 52:68] == 235).all()
    assert (shown[5].u[2:6, 2:6] == 240).all()
    assert shown[5].y[42:58, :10].mean() < 200  # it has left its old place


def test_hold_restarts_with_another_size() -> None:
    hold = planes.Hold()
    hold(flat(32, 32, 100), 8)
    other = flat(32, 48, 101)
    assert hold(other, 8) is other
    assert same(hold(flat(32, 48, 103), 8), other)
