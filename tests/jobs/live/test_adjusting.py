"""Networks made beside the painting: the newest wish, one exchange between two frames, no engine left open."""

from __future__ import annotations

import threading

import pytest

from realtime.engines.torch.engine import TorchEngine
from realtime.errors import RestyleError
from realtime.frames import Frame
from realtime.jobs.live.adjusting import Adjuster, ExchangeableEngine, Refine
from realtime.options import PaintOptions
from realtime.transnet.network import TransNet, identity_network
from tests.helpers.planes import flat, same
from tests.helpers.transnets import GRAY, gray_network
from tests.helpers.waiting import wait_for

FRAME = flat(48, 64, 90)


def engine(network: TransNet) -> TorchEngine:
    return TorchEngine(network, device="cpu", precision="fp32", threads=1)


class Style:
    """Counts what is made of it. `work` is done in the adjuster's thread."""

    def __init__(self) -> None:
        self.notice = ""
        self.made: list[Frame] = []
        self.refined = threading.Event()
        self.gate = threading.Event()
        self.began = threading.Event()
        self.error: Exception | None = None
        self.refines = False

    def remake(self, sample: Frame) -> Refine | None:
        self.began.set()
        assert self.gate.wait(20)
        self.made.append(sample)
        if self.error is not None:
            raise self.error
        return self.refined.set if self.refines else None


def test_the_newest_of_several_wishes_is_made() -> None:
    style, frames = Style(), [flat(8, 8, level) for level in range(5)]
    adjuster = Adjuster()
    adjuster.wish(style, frames[0])
    assert style.began.wait(20)
    for frame in frames[1:]:
        adjuster.wish(style, frame)
    assert adjuster.busy
    style.gate.set()
    wait_for(lambda: not adjuster.busy, "networks")
    assert style.made == [frames[0], frames[4]]
    adjuster.close()
    adjuster.close()


def test_wishes_of_two_styles_are_both_made() -> None:
    styles = [Style(), Style()]
    adjuster = Adjuster()
    for style in styles:
        style.gate.set()
        adjuster.wish(style, FRAME)
    wait_for(lambda: all(style.made for style in styles), "networks")
    adjuster.close()


def test_an_engine_is_made_better_when_no_wish_came_for_a_while() -> None:
    style = Style()
    style.refines = True
    style.gate.set()
    adjuster = Adjuster(rest=0.01)
    adjuster.wish(style, FRAME)
    assert style.refined.wait(20)
    adjuster.close()


def test_a_network_that_cannot_be_made_is_a_notice_and_the_next_one_ends_it() -> None:
    style = Style()
    style.gate.set()
    style.error = RestyleError("the picture\nis gone")
    adjuster = Adjuster()
    adjuster.wish(style, FRAME)
    wait_for(lambda: style.notice == "the picture is gone", "notice")
    style.error = None
    adjuster.wish(style, FRAME)
    wait_for(lambda: style.notice == "", "no notice")
    adjuster.close()


def test_a_fault_is_raised_with_the_next_wish() -> None:
    style = Style()
    style.gate.set()
    style.error = ZeroDivisionError()
    adjuster = Adjuster()
    adjuster.wish(style, FRAME)
    wait_for(lambda: not adjuster.busy, "fault")
    with pytest.raises(ZeroDivisionError):
        adjuster.wish(style, FRAME)
    adjuster.close()


def test_nothing_is_begun_after_closing() -> None:
    adjuster, before = Adjuster(), threading.active_count()
    adjuster.close()
    adjuster.wish(Style(), FRAME)
    assert threading.active_count() == before


def test_an_engine_is_exchanged_between_two_frames() -> None:
    before = threading.active_count()
    engines = ExchangeableEngine(engine(identity_network()))
    assert same(engines.paint(FRAME, PaintOptions()), FRAME)
    engines.exchange(engine(gray_network()))
    assert engines.paint(FRAME, PaintOptions()).y[0, 0] == pytest.approx(GRAY, abs=1)
    engines.close()
    assert threading.active_count() == before


class Slow(TorchEngine):
    """Waits inside a frame."""

    def __init__(self) -> None:
        super().__init__(identity_network(), device="cpu", precision="fp32", threads=1)
        self.inside, self.go, self.closed = threading.Event(), threading.Event(), False

    def stylize(self, frames: object, paint: PaintOptions = PaintOptions()) -> list[Frame]:
        self.inside.set()
        assert self.go.wait(20) and not self.closed
        return super().stylize(frames, paint)  # type: ignore[arg-type]

    def close(self) -> None:
        self.closed = True
        super().close()


def test_the_old_engine_is_closed_after_its_last_frame() -> None:
    slow = Slow()
    engines = ExchangeableEngine(slow)
    painted: list[Frame] = []
    painting = threading.Thread(target=lambda: painted.append(engines.paint(FRAME, PaintOptions())))
    painting.start()
    assert slow.inside.wait(20)
    exchange = threading.Thread(target=engines.exchange, args=(engine(gray_network()),))
    exchange.start()
    wait_for(lambda: engines.engine is not slow, "the new engine")
    # the next frame does not wait for the old engine
    assert engines.paint(FRAME, PaintOptions()).y[0, 0] == pytest.approx(GRAY, abs=1)
    assert not slow.closed
    slow.go.set()
    painting.join()
    exchange.join()
    assert slow.closed and same(painted[0], FRAME)
    engines.close()
