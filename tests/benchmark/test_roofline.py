"""Work is counted as on paper, and peaks are measured in the right units."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from realtime.benchmark.cases import johnson_work, transnet_work
from realtime.benchmark.measure import Clock
from realtime.benchmark.roofline import Roof, Sizes, Work, count_work, fastest_call, has_roof, measure_roof
from realtime.transnet.network import Architecture
from tests.helpers.fakes import Cost, HandClock
from tests.helpers.textured import TEXTURED


def test_a_convolution_is_counted_as_on_paper() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4))
    work = count_work(net, torch.zeros(1, 3, 10, 20))
    assert work.macs == 10 * 20 * 8 * 3 * 9 + 5 * 10 * 8 * 2 * 9
    assert work.values == (3 + 8) * 10 * 20 + 8 * 10 * 20 + 8 * 5 * 10
    assert not net[0]._forward_hooks  # none is left behind


@pytest.mark.parametrize(
    "architecture",
    [Architecture(), Architecture(contours=()), Architecture(width=8, body=16, dilations=(1,)), TEXTURED],
)
def test_a_transnet_has_the_work_that_its_architecture_says(architecture: Architecture) -> None:
    work = transnet_work(architecture, 640, 360)
    assert work.macs == pytest.approx(architecture.macs_per_pixel * 640 * 360)
    assert work.times(2).macs == 2 * work.macs


def test_the_classic_network_is_as_large_as_published() -> None:
    assert johnson_work(640, 360).macs / (640 * 360) == pytest.approx(153.8e3, rel=1e-3)


def test_traffic_depends_on_the_precision() -> None:
    work = Work(macs=0, values=1000)
    planes = 2 * 16 * 8 * 1.5
    assert work.traffic("fp32", 16, 8) == 4000 + planes
    assert work.traffic("bf16", 16, 8) == work.traffic("fp16", 16, 8) == 2000 + planes


def test_the_lower_peak_limits() -> None:
    roof = Roof(matrix=50, convolution=100, copy=10)
    assert roof.limit(200, 10) == (2, "compute")
    assert roof.limit(200, 30) == (3, "memory")
    assert roof.higher(Roof(70, 80, 20)) == Roof(70, 100, 20)


@pytest.mark.parametrize(
    ("device", "precision", "there"),
    [
        ("cpu", "bf16", True),
        ("cuda:1", "fp16", True),
        ("mps", "fp32", True),
        ("cpu", "int8", False),
        ("npu", "fp32", False),
    ],
)
def test_what_has_a_roof(device: str, precision: str, there: bool) -> None:
    assert has_roof(device, precision) == there


def test_the_fastest_call_counts() -> None:
    clock = HandClock()
    times = iter([0.5, 3.0, 1.0, 2.0])  # the first call warms up
    assert fastest_call(lambda: clock.spend(Cost(next(times), 0)), torch.device("cpu"), clock, 0) == 1


def test_calls_go_on_for_the_time_given() -> None:
    clock, calls = HandClock(), []

    def call() -> None:
        calls.append(1)
        clock.spend(Cost(1, 1))

    fastest_call(call, torch.device("cpu"), clock, 10)
    assert len(calls) == 11


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_roof_is_measured(precision: str) -> None:
    before = torch.get_num_threads()
    roof = measure_roof("cpu", precision, Clock(), threads=1, seconds=0.01, sizes=Sizes(64, 8, 16, 2**16))
    assert torch.get_num_threads() == before
    # Any machine of this century, and none of the next: units, not speed.
    assert 1e6 < roof.macs < 1e15
    assert 1e6 < roof.copy < 1e14
    assert roof.macs == max(roof.matrix, roof.convolution)
