"""Rates and times of live sources, with times given by the test."""

from __future__ import annotations

import pytest

from realtime.media.live.clocks import Backlog, Pace, RateMeter, Timeline


def test_the_rate_is_measured() -> None:
    meter = RateMeter()
    for number in range(9):
        meter.count(number / 12.5)
        assert meter.rate is None  # too few to tell
    for number in range(9, 200):
        meter.count(number / 12.5)
    assert meter.rate == pytest.approx(12.5)
    meter.restart()
    assert meter.rate is None


def test_pace_holds_to_the_times() -> None:
    pace = Pace()
    assert pace.due(5.0, 100.0) == 100.0
    assert pace.due(5.5, 100.01) == 100.5
    assert pace.due(6.0, 101.2) == 101.0  # late; the next one is not delayed
    assert pace.due(6.5, 101.3) == 101.5


def test_pace_does_not_wait_for_a_clock_that_jumps() -> None:
    pace = Pace()
    pace.due(5.0, 100.0)
    assert pace.due(5000.0, 100.04) == pytest.approx(100.04)
    assert pace.due(5000.04, 100.05) == pytest.approx(100.08)
    assert pace.due(1.0, 100.2) == pytest.approx(100.2)


def test_pace_does_not_race_after_a_sleep() -> None:
    pace = Pace()
    pace.due(0.0, 100.0)
    assert pace.due(0.04, 4000.0) == 4000.0
    assert pace.due(0.08, 4000.0) == pytest.approx(4000.04)


def test_timeline_is_smooth_and_follows_a_jump() -> None:
    timeline = Timeline()
    for number in range(200):
        timeline.picture(number / 30, 50 + number / 30 + (0.02 if number % 2 else 0.0))
    assert timeline.offset == pytest.approx(50.01, abs=0.002)
    timeline.picture(1000.0, 60.0)
    assert timeline.offset == -940.0


def test_timeline_ignores_pictures_that_waited() -> None:
    timeline = Timeline()
    for number in range(100):  # all of them waited in a buffer, and come at once
        timeline.picture(number / 30, 60.0)
    assert timeline.offset == pytest.approx(60 - 99 / 30, abs=0.1)


def test_backlog_skips_more_until_the_reader_waits_again() -> None:
    backlog = Backlog()
    said = [backlog.packet(0.0, number * 0.01) for number in range(320)]
    assert said[50] == "DEFAULT" and said[150] == "NONREF" and said[-1] == "NONKEY"
    said = [backlog.packet(0.03, 3.2 + number * 0.033) for number in range(90)]
    assert said[-1] == "DEFAULT"
    assert set(said) == {"NONKEY", "DEFAULT"}


def test_a_reader_that_keeps_up_skips_nothing() -> None:
    backlog = Backlog()
    assert {backlog.packet(0.02, number * 0.033) for number in range(300)} == {"DEFAULT"}
