"""Pictures go from one thread to another, one at a time."""

from __future__ import annotations

import threading

from realtime.jobs.live.handover import Handover
from realtime.jobs.live.painter import Look, Picture
from realtime.media.live.camera import Shot
from tests.helpers.planes import flat

WAIT = 60.0


def picture(number: int) -> Picture:
    frame = flat(16, 16, number)
    return Picture(frame, Shot(frame, number, 0.0), Look(), (16, 16))


def test_give_waits_until_the_picture_was_shown() -> None:
    handover, shown = Handover(), []
    giver = threading.Thread(target=lambda: shown.extend(handover.give(picture(n)) for n in range(3)))
    giver.start()
    for number in range(3):
        taken = handover.next(WAIT)
        assert taken is not None and taken.shot.number == number
        assert len(shown) == number  # it waits
        handover.done(10.0 + number)
    giver.join(WAIT)
    assert shown == [10, 11, 12]


def test_no_picture() -> None:
    assert Handover().next(0.01) is None


def test_closing_ends_the_wait() -> None:
    handover, shown = Handover(), []
    giver = threading.Thread(target=lambda: shown.append(handover.give(picture(0))))
    giver.start()
    assert handover.next(WAIT) is not None
    handover.close()
    giver.join(WAIT)
    assert shown == [None] and handover.give(picture(1)) is None
