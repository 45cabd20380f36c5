"""The figures of a live run."""

from __future__ import annotations

from realtime.jobs.live.outcome import Outcome, percentile


def test_percentile() -> None:
    values = [float(n) for n in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([], 0.5)) == (50, 99, 0)


def test_rate_and_dropped_pictures() -> None:
    outcome = Outcome(frames_in=40, frames_out=31, seconds=1.5)
    assert (outcome.dropped, outcome.fps) == (9, 20)
    assert Outcome(frames_in=1, frames_out=1).fps == 0
