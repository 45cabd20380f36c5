"""The working size, against a machine of the test's own on a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.jobs.live.resolution_controller import ResolutionController, ladder

PERIOD = 1 / 30


@given(st.integers(8, 2000).map(lambda n: 2 * n), st.integers(8, 2000).map(lambda n: 2 * n))
def test_sizes_decrease_and_keep_the_aspect_ratio(width: int, height: int) -> None:
    sizes = ladder(width, height)
    assert sizes[0] == (width, height)
    areas = [w * h for w, h in sizes]
    assert areas == sorted(areas, reverse=True) and len(set(sizes)) == len(sizes)
    for w, h in sizes[1:]:
        assert w % 8 == h % 8 == 0 and min(w, h) >= 144
        assert 0.9 < (w / h) / (width / height) < 1.1 or min(width, height) < 200


class Machine:
    """Paints so many pixels a second, plus a millisecond a picture."""

    def __init__(self, controller: ResolutionController, pixels_per_second: float) -> None:
        self.controller, self.speed, self.now = controller, pixels_per_second, 0.0

    def cost(self) -> float:
        width, height = self.controller.size
        return 0.001 + width * height / self.speed

    def run(self, seconds: float) -> list[tuple[int, int]]:
        sizes = []
        end = self.now + seconds
        while self.now < end:
            cost = self.cost()
            self.controller.observe(self.now, cost, PERIOD)
            self.controller.ready()
            self.now += max(PERIOD, cost)
            sizes.append(self.controller.size)
        return sizes


@pytest.mark.parametrize("speed", [8e6, 12e6, 20e6, 27e6])
def test_the_size_decreases_until_the_rate_is_kept_and_then_stays(speed: float) -> None:
    machine = Machine(ResolutionController(ladder(1280, 720)), speed)
    machine.run(1.5)
    assert machine.cost() < PERIOD
    settled = set(machine.run(2))
    assert len(settled) == 1
    machine.run(120)
    assert machine.cost() < PERIOD
    assert machine.controller.changes < 12  # no to and fro


def test_a_fast_machine_keeps_the_full_size() -> None:
    machine = Machine(ResolutionController(ladder(1280, 720)), 60e6)
    assert set(machine.run(30)) == {(1280, 720)} and machine.controller.changes == 0


def test_the_size_grows_again_when_the_machine_becomes_faster() -> None:
    machine = Machine(ResolutionController(ladder(1280, 720)), 10e6)
    machine.run(5)
    small = machine.controller.size
    machine.speed = 60e6
    machine.run(2)
    assert machine.controller.size == small  # not at once
    machine.run(60)
    assert machine.controller.size == (1280, 720)


def test_a_single_slow_picture_changes_nothing() -> None:
    controller = ResolutionController(ladder(1280, 720))
    for number in range(200):
        controller.observe(number * PERIOD, 0.5 if number % 20 == 0 else 0.02, PERIOD)
    assert controller.changes == 0


def test_the_smallest_size_is_used_if_none_is_fast_enough() -> None:
    machine = Machine(ResolutionController(ladder(1280, 720)), 5e5)
    machine.run(60)
    assert machine.controller.size == machine.controller.sizes[-1]


def test_the_size_changes_when_the_networks_are_ready() -> None:
    controller = ResolutionController(ladder(1280, 720))
    for number in range(100):
        controller.observe(number * 0.1, 0.1, PERIOD)
    assert controller.size == (1280, 720) and controller.changes == 0
    wanted = controller.wanted
    assert wanted is not None and wanted != controller.size
    controller.ready()
    assert controller.size == wanted and controller.wanted is None and controller.changes == 1
    controller.ready()
    assert controller.changes == 1


def test_a_fixed_size_stays() -> None:
    machine = Machine(ResolutionController(((1280, 720),)), 1e6)
    assert set(machine.run(20)) == {(1280, 720)}


def test_the_first_size_is_chosen_before_the_first_picture() -> None:
    controller = ResolutionController(ladder(1280, 720))
    controller.calibrate(0.02, PERIOD)
    assert controller.size == (1280, 720)
    controller.calibrate(0.05, PERIOD)
    width, height = controller.size
    assert 0.05 * width * height / (1280 * 720) <= 0.85 * PERIOD
    assert controller.changes == 0
