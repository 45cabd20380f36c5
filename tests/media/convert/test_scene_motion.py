"""Frames on the texture plane: it goes with the camera, by sums that are exact, and begins anew at cuts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.frames import ColorTags, Frame
from realtime.media.convert.planes import scale
from realtime.media.convert.scene_motion import UNITS, SceneMotion, Travel, luma_sums
from tests.helpers.pans import Scene, luma_frame, pan
from tests.helpers.planes import noise

TRAVELS = st.builds(Travel, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.booleans())


def origins(frames: Sequence[Frame], motion: SceneMotion | None = None) -> list[tuple[float, float]]:
    motion = motion or SceneMotion()
    return [motion(frame).origin for frame in frames]


@settings(max_examples=10)
@given(st.integers(0, 1000), st.floats(-7, 7), st.floats(-7, 7))
def test_a_long_pan_by_fractions_of_a_pixel(seed: int, down: float, right: float) -> None:
    """The place of the upper left pixel is that of the camera, to a pixel after 30 frames."""
    places = [(down * number, right * number) for number in range(30)]
    found = origins(list(pan(Scene(seed), places)))
    assert found[0] == (0, 0)
    assert np.abs(np.array(found) - places).max() < 1


@pytest.mark.parametrize("size", [(720, 1280), (98, 170), (170, 98), (480, 201)])
def test_the_plane_goes_with_the_content(size: tuple[int, int]) -> None:
    """Content that moves right takes the plane with it: the frame's corner is then further left on it."""
    wide = luma_frame(120 + Scene(4, size=(800, 1500)).view(0, 0, size[0], size[1] + 8)).y
    first, second = (Frame(y := wide[:, x : x + size[1]], y[::2, ::2], y[::2, ::2]) for x in (8, 0))
    _, (down, right) = origins([first, second])
    assert right == pytest.approx(-8, abs=0.3)
    assert down == pytest.approx(0, abs=0.3)


def test_a_camera_that_stands_still_in_spite_of_its_noise() -> None:
    rng = np.random.default_rng(0)
    still = 120 + Scene(5).view(0, 0, 180, 320)
    frames = [luma_frame(still + rng.normal(0, sigma, still.shape)) for sigma in (1, 2, 4, 8) for _ in range(10)]
    assert set(origins(frames)) == {(0, 0)}


def test_a_pan_over_an_almost_plain_sky() -> None:
    """A faint gradient, clouds of two codes, and noise as strong."""
    rng, clouds = np.random.default_rng(0), Scene(3, periods=(40, 400), contrast=2, size=(480, 800))
    gradient = np.linspace(190, 170, 360)[:, None]
    places = [(0.0, 2.5 * number) for number in range(20)]
    frames = [luma_frame(gradient + clouds.view(*at, 360, 640) + rng.normal(0, 2, (360, 640))) for at in places]
    down, right = origins(frames)[-1]
    assert right == pytest.approx(places[-1][1], rel=0.06)
    assert abs(down) < 2


def test_a_cut_and_what_follows_it() -> None:
    places = [(0.0, 3.0 * number) for number in range(6)]
    frames = [*pan(Scene(1), places), *pan(Scene(2), places)]
    found = origins(frames)
    assert found[5][1] == pytest.approx(15, abs=0.3)
    assert found[6] == (0, 0)
    assert found[6:] == origins(frames[6:])


def test_another_size_or_meaning_of_colours_begins_anew() -> None:
    first, second = pan(Scene(1), [(0, 0), (0, 9)])
    motion = SceneMotion()
    assert origins([first, second], motion)[1] != (0, 0)
    assert motion(scale(second, 160, 90)).origin == (0, 0)
    assert origins([first, second], motion)[1] != (0, 0)
    full = Frame(second.y, second.u, second.v, color=ColorTags(range="full"))
    assert motion(full).origin == (0, 0)


def test_very_small_frames_lie_at_the_beginning() -> None:
    motion = SceneMotion(Travel(640, 640))
    assert origins([noise(16, 200, seed) for seed in range(3)], motion) == [(0, 0)] * 3


@settings(max_examples=10)
@given(st.data())
def test_parts_add_up_to_the_whole(data: st.DataObject) -> None:
    """Each part is looked at by itself, from the last frame of the one before, in any order."""
    seed = data.draw(st.integers(0, 1000))
    film = [frame for s in (seed, seed + 1) for frame in pan(Scene(s), [(0.7 * n, -1.3 * n) for n in range(6)])]
    whole = origins(film)
    borders = [0, *sorted(data.draw(st.sets(st.integers(1, 11), max_size=3))), 12]
    travel = Travel()
    for begin, stop in pairwise(borders):
        before = film[max(0, begin - 1) : begin]
        follower = SceneMotion(travel)
        assert origins([*before, *film[begin:stop]], follower)[len(before) :] == whole[begin:stop]
        alone = SceneMotion()
        origins([*before, *film[begin:stop]], alone)
        travel = travel.then(alone.travel)
        assert travel == follower.travel


@given(TRAVELS, TRAVELS, TRAVELS)
def test_travels_add_up_in_any_order(a: Travel, b: Travel, c: Travel) -> None:
    assert a.then(b).then(c) == a.then(b.then(c))
    assert a.then(Travel()) == Travel().then(a) == a


def test_origins_are_exact() -> None:
    assert Travel(-1, 10**9 * UNITS + 1).origin == (-1 / UNITS, 10**9 + 1 / UNITS)


@given(st.integers(1, 9), st.integers(0, 30), st.integers(0, 30))
def test_sums_of_luma(side: int, more_rows: int, more_columns: int) -> None:
    frame = noise(side + more_rows, side + more_columns)
    h, w = frame.height // side, frame.width // side
    squares = frame.y[: h * side, : w * side].astype(int).reshape(h, side, w, side)
    assert np.array_equal(luma_sums(frame, side), squares.sum((1, 3)))


def test_the_brightest_large_squares_do_not_overflow() -> None:
    frame = luma_frame(np.full((256, 256), 255))
    assert luma_sums(frame, 256) == 255 * 256**2


def test_scaling_scales_the_place() -> None:
    assert scale(noise(48, 64).at((6.0, -8.0)), 32, 24).origin == (3.0, -4.0)
