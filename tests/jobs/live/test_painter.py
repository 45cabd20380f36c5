"""From a captured picture to the shown one: with styles that are arithmetic, on a clock that the test turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from realtime.frames import Frame
from realtime.jobs.live.painter import BLEND_SECONDS, LivePainter, Look
from realtime.jobs.live.resolution_controller import ResolutionController, ladder
from realtime.media.convert.planes import mirror
from realtime.media.live.camera import Shot
from realtime.options import PaintOptions, StyleOptions
from tests.helpers.live import PlainStyle
from tests.helpers.pans import Scene, pan
from tests.helpers.planes import flat, noise

PERIOD = 1 / 30
SOURCE = PaintOptions(strength=0)


class Flat(PlainStyle):
    """Paints everything in one brightness; takes its time on the test's clock."""

    def __init__(self, name: str, level: int, cost: float = 0.0) -> None:
        super().__init__(name)
        self.level, self.cost, self.calls = level, cost, 0
        self.sizes: list[tuple[int, int]] = []

    def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
        NOW[0] += self.cost
        self.calls += 1
        self.sizes.append((frame.width, frame.height))
        self.last = (frame, paint)
        return frame.with_planes(np.full_like(frame.y, self.level), frame.u, frame.v)


NOW = [0.0]
BESIDE: list[Callable[[], None]] = []


def painter(*styles: Flat, size: tuple[int, int] = (64, 48), adapt: bool = False) -> LivePainter:
    NOW[0] = 100.0
    BESIDE.clear()
    controller = ResolutionController(ladder(*size) if adapt else (size,))
    return LivePainter(styles, controller, clock=lambda: NOW[0], beside=BESIDE.append)


def shots(frame: Frame, count: int = 10_000):  # type: ignore[no-untyped-def]
    for number in range(count):
        NOW[0] += PERIOD
        yield Shot(frame, number, NOW[0])


def level(frame: Frame) -> int:
    assert frame.y.min() == frame.y.max()
    return int(frame.y[0, 0])


def test_a_picture_keeps_its_size_and_tells_its_look_and_working_size() -> None:
    paint = painter(Flat("a", 50))
    shot = next(shots(noise(48, 64)))
    picture = paint.paint(shot, Look(), PERIOD)
    assert level(picture.frame) == 50 and picture.frame.y.shape == (48, 64)
    assert (picture.shot, picture.look, picture.size) == (shot, Look(), (64, 48))


@pytest.mark.parametrize(("cost", "both"), [(0.005, True), (0.025, False)])
def test_a_new_style_is_visible_in_one_frame_and_blends_over_a_third_of_a_second(cost: float, both: bool) -> None:
    a, b = Flat("a", 50, cost), Flat("b", 200, cost)
    paint, source = painter(a, b), shots(noise(48, 64))
    for _ in range(5):
        paint.paint(next(source), Look(), PERIOD)
    before = a.calls
    levels, begin = [], NOW[0]
    while NOW[0] < begin + 2 * BLEND_SECONDS:
        levels.append(level(paint.paint(next(source), Look(style=1), PERIOD).frame))
    assert 50 < levels[0] < 100  # visible at once, and no jump
    assert levels == sorted(levels)
    spent = PERIOD + cost * (2 if both else 1)
    blended = [number for number in levels if number < 200]
    assert abs(len(blended) - BLEND_SECONDS / spent) <= 2
    assert (a.calls > before) == both  # the old style goes on only where there is time for two


def test_changing_the_style_back_during_a_blend_makes_no_jump() -> None:
    paint, source = painter(Flat("a", 50), Flat("b", 200)), shots(noise(48, 64))
    levels = [
        level(paint.paint(next(source), Look(style=style), PERIOD).frame) for style in [0, 0, 1, 1, 1, 0, 0, 0, 1]
    ]
    assert max(abs(x - y) for x, y in itertools.pairwise(levels)) < 60


def test_strength_0_does_not_run_the_network() -> None:
    a, frame = Flat("a", 50), noise(48, 64)
    picture = painter(a).paint(next(shots(frame)), Look(paint=SOURCE), PERIOD)
    assert a.calls == 0 and np.array_equal(picture.frame.y, frame.y)


def test_strength_and_colour_reach_the_network() -> None:
    a = Flat("a", 50)
    painter(a).paint(next(shots(noise(48, 64))), Look(paint=PaintOptions(strength=0.4, keep_color=True)), PERIOD)
    assert a.last[1] == PaintOptions(strength=0.4, keep_color=True)


def test_the_network_is_asked_for_other_amounts_and_its_making_is_no_cost_of_the_pictures() -> None:
    """While a network is made, pictures take longer, which is no reason to paint smaller ones."""
    a = Flat("a", 50, cost=0.02)
    paint, source = painter(a, size=(640, 480), adapt=True), shots(noise(480, 640))
    for _ in range(12):
        paint.paint(next(source), Look(), PERIOD)
    a.adjusting, a.cost = True, 0.05
    for _ in range(30):
        paint.paint(next(source), Look(style_options=StyleOptions(paint=0.3)), PERIOD)
    assert a.wishes == [StyleOptions(), StyleOptions(paint=0.3)]
    assert paint.controller.wanted is None and paint.controller.size == (640, 480)
    a.adjusting = False
    for _ in range(12):
        paint.paint(next(source), Look(), PERIOD)
    assert paint.controller.wanted is not None  # it stays slow: that is a reason


def test_split_mirror_and_freeze() -> None:
    frame, other = noise(48, 64), noise(48, 64, seed=9)
    paint = painter(Flat("a", 50))
    split = paint.paint(next(shots(frame)), Look(split=True), PERIOD).frame
    assert np.array_equal(split.y[:, :28], frame.y[:, :28]) and (split.y[:, 36:] == 50).all()
    look = Look(paint=SOURCE, mirror=True)
    assert np.array_equal(paint.paint(next(shots(frame)), look, PERIOD).frame.y, mirror(frame).y)
    look = Look(paint=SOURCE, freeze=True)
    assert np.array_equal(paint.paint(next(shots(frame)), look, PERIOD).frame.y, frame.y)
    assert np.array_equal(paint.paint(next(shots(other)), look, PERIOD).frame.y, frame.y)
    thawed = paint.paint(next(shots(other)), replace(look, freeze=False), PERIOD)
    assert np.array_equal(thawed.frame.y, other.y)


def test_hold_removes_noise_from_still_areas() -> None:
    a, rng = Flat("a", 50), np.random.default_rng(0)
    paint, seen = painter(a), []
    for number in range(5):
        grain = flat(48, 64, 100)
        grain.y[:] = 100 + rng.integers(-2, 3, grain.y.shape)
        paint.paint(next(shots(grain)), Look(hold=6), PERIOD)
        seen.append(a.last[0].y.copy())
        assert np.array_equal(seen[0], seen[number])
    paint.paint(next(shots(flat(48, 64, 103))), Look(hold=0), PERIOD)
    assert (a.last[0].y == 103).all()  # off: the picture as it is


def test_a_slow_network_works_at_a_smaller_size_but_the_picture_keeps_its_size() -> None:
    a = Flat("a", 50)
    paint, source = painter(a, size=(1280, 720), adapt=True), shots(noise(720, 1280))
    for _ in range(40):
        width, height = paint.controller.size
        a.cost = width * height / 16e6
        picture = paint.paint(next(source), Look(), PERIOD)
        assert picture.frame.y.shape == (720, 1280)
        while BESIDE:
            BESIDE.pop()()
    width, height = picture.size
    assert width * height / 16e6 < PERIOD and a.sizes[-1] == (width, height)
    assert paint.controller.changes == 1


def test_a_new_working_size_is_prepared_in_the_background() -> None:
    a, b = Flat("a", 50, cost=0.1), Flat("b", 60)
    paint, source = painter(a, b, size=(1280, 720), adapt=True), shots(flat(720, 1280, 100))
    for _ in range(30):
        assert paint.paint(next(source), Look(), PERIOD).size == (1280, 720)
    (work,) = BESIDE  # begun once
    work()
    size = paint.paint(next(source), Look(), PERIOD).size
    assert size != (1280, 720) and b.sizes == [size]


def test_an_error_in_the_background_is_raised_with_the_next_picture() -> None:
    class Broken(Flat):
        def paint(self, frame: Frame, paint: PaintOptions) -> Frame:
            if frame.width < 1280:
                raise ZeroDivisionError("no such size")
            return super().paint(frame, paint)

    paint, source = painter(Broken("a", 50, cost=0.1), size=(1280, 720), adapt=True), shots(flat(720, 1280, 100))
    while not BESIDE:
        paint.paint(next(source), Look(), PERIOD)
    BESIDE.pop()()
    with pytest.raises(ZeroDivisionError):
        paint.paint(next(source), Look(), PERIOD)


def test_warm_up_runs_every_style_at_the_size_that_will_be_used() -> None:
    a, b = Flat("a", 50, cost=0.1), Flat("b", 60, cost=0.1)
    paint = painter(a, b, size=(1280, 720), adapt=True)
    paint.warm_up(flat(720, 1280, 100), PERIOD)
    assert paint.controller.size != (1280, 720)
    assert a.sizes[-1] == b.sizes[-1] == paint.controller.size


# The texture plane


def panned(count: int) -> list[Frame]:
    """A camera that goes right by 6 pixels a frame."""
    return list(pan(Scene(1), [(0, 6 * number) for number in range(count)], (120, 160)))


def test_the_texture_goes_with_the_camera_at_the_working_size() -> None:
    style = Flat("a", 50)
    paint = painter(style, size=(80, 60))
    for take, known in ((False, 0), (True, 0)):
        style.takes_texture = take
        for number, frame in enumerate(panned(3)):
            paint.paint(next(shots(frame)), Look(), PERIOD)
            assert style.last[0].origin == pytest.approx((0, known + 3 * number * take), abs=0.2)


def test_the_texture_stands_still_while_the_picture_is_frozen() -> None:
    style = Flat("a", 50)
    style.takes_texture = True
    paint = painter(style, size=(160, 120))
    for frame in panned(4):
        paint.paint(next(shots(frame)), Look(freeze=True), PERIOD)
        assert style.last[0].origin == (0, 0)


def test_another_working_size_scales_the_place_of_the_texture() -> None:
    """So that it stays where it was in the scene."""
    style = Flat("a", 50)
    style.takes_texture = True
    paint = painter(style, size=(160, 120))
    places = []
    for number, frame in enumerate(panned(4)):
        if number == 2:
            paint.controller = ResolutionController(((80, 60),))
        paint.paint(next(shots(frame)), Look(), PERIOD)
        places.append(style.last[0].origin[1])
    assert places == pytest.approx([0, 6, 6, 9], abs=0.2)
