"""The motion between two pictures: found where the camera moves, and nothing where anything else changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.media.convert.translation import MIN_SIDE, Picture, Translation, translation
from tests.helpers.pans import Scene

SIZE = (120, 200)
STILL = Translation()


def between(a: np.ndarray, b: np.ndarray) -> Translation:
    return translation(Picture(a.astype(np.float32)), Picture(b.astype(np.float32)))


def seen(seed: int, down: float = 0.0, right: float = 0.0) -> np.ndarray:
    return 120 + Scene(seed, periods=(6, 200), size=(240, 320)).view(down, right, *SIZE)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(-20, 20), st.floats(-40, 40))
def test_a_camera_that_moves(seed: int, down: float, right: float) -> None:
    """The content moves the other way, by the same distance to a small part of a pixel."""
    moved = between(seen(seed), seen(seed, down, right))
    assert not moved.is_cut
    assert moved.down == pytest.approx(-down, abs=0.1)
    assert moved.right == pytest.approx(-right, abs=0.1)


SIZES = [SIZE, (MIN_SIDE, MIN_SIDE), (MIN_SIDE, 96), (200, 100)]


@settings(max_examples=60)
@given(st.integers(0, 1000), st.sampled_from(SIZES), st.sampled_from([0.0, 2.0, 40.0]), st.floats(0.1, 8))
def test_noise(seed: int, size: tuple[int, int], contrast: float, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    still = 120 + (Scene(seed, periods=(6, 200), contrast=contrast).view(0, 0, *size) if contrast else 0)
    a, b = (still + rng.normal(0, sigma, size) for _ in range(2))
    assert between(a, b) == STILL


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(-12, 12), st.integers(-12, 12), st.sampled_from([0.0, 1.0, 30.0]))
def test_an_object_that_moves(seed: int, down: int, right: int, contrast: float) -> None:
    """Before a textured, a plain and an almost plain background, at the centre, over more than a third of the width."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    background = 150 + (Scene(seed, contrast=contrast).view(0, 0, *SIZE) if contrast else 0)
    thing = Scene(seed + 1, periods=(6, 60)).view(0, 0, *SIZE) + 80

    def picture(dy: int, dx: int) -> np.ndarray:
        inside = (y - 60 - dy) ** 2 + (x - 100 - dx) ** 2 < 36**2
        return np.where(inside, np.roll(thing, (dy, dx), (0, 1)), background)

    assert between(picture(0, 0), picture(down, right)) == STILL


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.2, 1.6), st.floats(-60, 60))
def test_brightness(seed: int, gain: float, offset: float) -> None:
    a = seen(seed)
    assert between(a, a * gain + offset) == STILL


@pytest.mark.parametrize("level", [0, 255])
def test_a_fade(level: float) -> None:
    pictures = [share * level + (1 - share) * seen(3) for share in np.linspace(0, 1, 9)]
    pictures = [np.rint(np.clip(picture, 0, 255)) for picture in pictures]
    assert [between(a, b) for a, b in pairwise(pictures)] == [STILL] * 8


def test_flat_pictures() -> None:
    a, b = (np.full(SIZE, level) for level in (20, 200))
    assert between(a, a) == between(a, b) == STILL


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_another_scene(seed: int) -> None:
    assert between(seen(seed), seen(seed + 1)) == Translation(is_cut=True)


def test_a_camera_that_moves_while_it_gets_brighter() -> None:
    moved = between(seen(1), 1.2 * seen(1, 0, 5) + 9)
    assert (moved.down, moved.right) == pytest.approx((0, -5), abs=0.1)


def test_a_camera_that_follows_an_object() -> None:
    """The scene moves, and a thing in the middle does not."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    inside = (y - 60) ** 2 + (x - 100) ** 2 < 30**2
    thing = seen(8)
    a, b = (np.where(inside, thing, seen(2, 0, right)) for right in (0, 3.3))
    moved = between(a, b)
    assert (moved.down, moved.right) == pytest.approx((0, -3.3), abs=0.1)


def test_small_and_narrow_pictures() -> None:
    for shape in ((MIN_SIDE, MIN_SIDE), (MIN_SIDE, 300), (257, MIN_SIDE)):
        a, b = (120 + Scene(1, periods=(6, 60), size=(300, 400)).view(0, right, *shape) for right in (0, 1))
        assert between(a, b).right == pytest.approx(-1, abs=0.1)
        assert between(a, a) == STILL
