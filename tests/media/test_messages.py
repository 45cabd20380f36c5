"""Messages of FFmpeg: captured where they are wanted, and the log is off again afterwards."""

from __future__ import annotations

import av.logging
import pytest

from realtime.media.messages import captured_log, problem_of


def fail() -> None:
    raise ValueError("no\nsuch thing")


def test_a_problem_in_one_line() -> None:
    assert problem_of(lambda: None) == ""
    assert problem_of(fail) == "no such thing"
    assert av.logging.get_level() is None


def test_captures_that_overlap_restore_the_level_at_the_end() -> None:
    """As two threads do: the first to begin is the first to end. A log that stays on can block decoders."""
    first, second = captured_log(), captured_log()
    first.__enter__()
    second.__enter__()
    assert av.logging.get_level() == av.logging.ERROR
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert av.logging.get_level() is None


def test_the_level_is_restored_after_an_error() -> None:
    with pytest.raises(ValueError, match="such"), captured_log():
        fail()
    assert av.logging.get_level() is None
