from __future__ import annotations

import pytest
import torch
from torch import nn

from realtime.benchmark.events import ForwardEvents

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


class Mark:
    """An event of a device whose clock ticks with each mark: 1, 3, 6, 10 ms."""

    made = 0
    waited_for = 0

    def __init__(self) -> None:
        self.time: float | None = None

    def record(self) -> None:
        Mark.made += 1
        self.time = Mark.made * (Mark.made + 1) / 2

    def synchronize(self) -> None:
        Mark.waited_for = Mark.made

    def elapsed_time(self, later: Mark) -> float:
        assert self.time is not None
        assert later.time is not None
        assert Mark.waited_for == Mark.made  # a mark can be read once the device has come to it
        return later.time - self.time


@pytest.fixture(autouse=True)
def _from_the_start() -> None:
    Mark.made = Mark.waited_for = 0


def test_only_the_outermost_pass_counts() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1)))
    x = torch.zeros(1, 1, 2, 2)
    with ForwardEvents("cpu", Mark) as events:
        assert events.take() is None
        net(x)
        assert Mark.made == 2
        assert events.take() == pytest.approx(0.002)  # 3 - 1 ms
        net(x)
        net(x)
        assert events.take() == pytest.approx((10 - 6 + 21 - 15) / 1000)
        assert events.take() is None
    net(x)
    assert Mark.made == 6  # the hooks are gone


def test_passes_on_other_devices_do_not_count() -> None:
    with ForwardEvents("cuda", Mark) as events:
        nn.ReLU()(torch.zeros(1))
        assert events.take() is None


def test_a_pass_that_fails_leaves_nothing_behind() -> None:
    net = nn.Conv2d(1, 1, 1)
    with ForwardEvents("cpu", Mark) as events:
        with pytest.raises(RuntimeError):
            net(torch.zeros(1, 2, 2, 2))
        assert events.take() is None
    with ForwardEvents("cpu", Mark) as events:
        net(torch.zeros(1, 1, 2, 2))
        assert events.take() is not None


@pytest.mark.gpu
@needs_cuda
def test_a_real_device() -> None:
    net = nn.Conv2d(64, 64, 3).cuda()
    x = torch.zeros(1, 64, 512, 512, device="cuda")
    with ForwardEvents() as events:
        net(x)
        seconds = events.take()
    assert seconds is not None
    assert 0 < seconds < 10
