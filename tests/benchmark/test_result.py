"""From measurements to the result, and from the result to tables, Markdown and a chart."""

from __future__ import annotations

import io
import json
import sys

import pytest
from rich.console import Console

from realtime.benchmark import chart as chart_module
from realtime.benchmark.chart import chart
from realtime.benchmark.measure import Round, Timing
from realtime.benchmark.report import COSTS, SPEEDS, bound_text, comparison_texts, markdown, rows, show, three_digits
from realtime.benchmark.result import CallTimes, Spread, case_result, compare, load_warnings, rounded, spread_warnings
from realtime.errors import InputError
from tests.helpers.readings import ROOF, known_case, known_result

# The figures


def test_a_case_comes_to_what_was_measured() -> None:
    json.dumps(known_result().to_json(), allow_nan=False)
    case = known_result().to_json()["cases"][0]
    assert case["decode"] == {"fps": {"median": 1000, "low": 1000, "high": 1000}, "ms": 1, "cpu_ms": 2}
    assert case["network"]["fps"]["median"] == 100
    assert case["network"]["call_ms"] == {"median": 10, "p95": 10}
    assert case["network"]["device_ms"] is None
    assert case["latency"]["call_ms"] == {"median": 20, "p95": 20}
    assert case["whole"]["fps"]["median"] == pytest.approx(1 / 0.015, rel=1e-3)
    assert case["whole"]["busy"]["infer"] == pytest.approx(10 / 15, rel=1e-3)
    assert case["bound"]["by"] == "cores"
    assert case["bound"]["fps"]["median"] == pytest.approx(1 / 0.012, rel=1e-3)
    assert case["bound"]["reached"]["median"] == 0.8
    assert case["bound"]["shares"] == {"decode": 0.08333, "network": 0.75, "encode": 0.1667}
    # 0.5 GMAC at 100 a second are 5 ms; the network takes 10.
    assert case["roofline"] | {"bytes": 0} == {
        "macs": 0.5e9, "bytes": 0, "ms": 5, "by": "compute", "reached": 0.5, "device_reached": None,
    }  # fmt: skip
    assert case["memory_mib"] == {"process": 600, "device": None}
    assert case["first_frame_s"] == {"median": 2.5, "low": 2, "high": 3}


def test_an_engine_that_keeps_planes_on_its_device() -> None:
    case = known_case()
    case.on_device = [0.004, 0.006] * 3
    case.device_memory = 3 * 2**20
    found = case_result(case, 2, ROOF)
    assert found.network.device_ms == CallTimes(5, 6)
    assert found.roofline is not None
    assert found.roofline.device_reached == 1
    assert found.memory_mib["device"] == 3


def test_a_precision_without_a_roof() -> None:
    found = case_result(known_case(), 2, None)
    assert found.roofline is None
    assert "| – | 600 MiB (process) |" in markdown({**known_result().to_json(), "cases": [found.to_json()]})


def test_a_ratio_is_taken_within_a_round() -> None:
    # A machine that becomes three times as slow on the way: the ratios do not change.
    drift = [1, 2, 3]
    (entry,) = compare([known_case(drift=drift), known_case(rival=True, slower=30, whole=0.3, drift=drift)])
    assert (entry.network, entry.whole) == (Spread(30, 30, 30), Spread(20, 20, 20))
    # The fps do, and the result says so.
    warnings = spread_warnings([known_case(drift=drift)])
    assert [text.rpartition("fps of the ")[2] for text in warnings] == [
        "network differ by 133%",
        "whole differ by 133%",
    ]
    assert spread_warnings([known_case()]) == []


def test_a_case_is_compared_with_the_rival_on_its_own_device_only() -> None:
    ours, rival = known_case(), known_case(rival=True)
    rival.subject.engine.device = "cuda:0"
    assert compare([ours, rival]) == []


@pytest.mark.parametrize(("load", "cores", "said"), [(0.1, 2, 0), (0.9, 2, 1), (0.9, 16, 0), (9, 16, 1)])
def test_a_busy_machine_gives_a_warning(load: float, cores: int, said: int) -> None:
    assert len(load_warnings(load, cores)) == said


def test_the_median_round_names_the_bound() -> None:
    def measured(network: float) -> Round:
        stages = [Timing(10, 10 * wall, 0.0, (wall,)) for wall in (0.005, network, network, 0.005)]
        return Round(*stages, Timing(10, 1.0, 0.1), {"infer": 0.5})

    case = known_case()
    case.rounds = [measured(wall) for wall in (0.001, 0.02, 0.03)]
    assert case_result(case, 2, ROOF).bound.by == "network"


def test_statistics_of_calls() -> None:
    assert CallTimes.of([0.004, 0.001, 0.003, 0.002]) == CallTimes(2.5, 3.85)
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3)
    assert [rounded(x) for x in (123456.0, 0.000123456, 0.0)] == [123500, 0.0001235, 0]


# Tables


def test_the_table_of_speeds() -> None:
    ours, rival = rows(SPEEDS, known_result().to_json())
    assert ours == [
        "640x360", "starry-night: fake, cpu, fp32, batch 2", "1000", "100", "500", "66.7", "80 %",
        "2 cores: network 75 %, encode 17 %, decode 8 %",
    ]  # fmt: skip
    assert rival[1].startswith("Johnson et al. 2016: ")
    assert rival[3] == "3.33"
    assert rival[-1] == "network"


def test_the_table_of_costs() -> None:
    result = known_result().to_json()
    ours, rival = rows(COSTS, result)
    assert ours[2:] == ["10.0, 10.0 ms", "20.0, 20.0 ms", "50 % (compute)", "600 MiB (process)", "2.5 s"]
    assert rival[-2:] == ["–", "–"]
    result["cases"][0]["network"]["device_ms"] = {"median": 1.5, "p95": 2.0}
    result["cases"][0]["memory_mib"]["device"] = 80
    ours, _ = rows(COSTS, result)
    assert ours[2] == "10.0, 10.0 ms (device 1.50, 2.00 ms)"
    assert ours[5] == "600 MiB (process), 80 MiB (device)"


def test_the_comparison_is_a_sentence_with_its_range() -> None:
    (text,) = comparison_texts(known_result().to_json())
    assert "30.0 (30.0 to 30.0) times as fast as Johnson et al. 2016 (PyTorch, fp32) alone" in text
    assert "20.1 (20.1 to 20.1) times in the same pipeline" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (9.99, "9.99"), (10, "10.0"), (99.4, "99.4"), (1234, "1234")]
)
def test_three_digits_for_people(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_markdown() -> None:
    text = markdown(known_result(skipped=["device 'cuda': no GPU"], warnings=["other work ran"]).to_json())
    assert "Measured on Test 9000, 2 cores (AVX512), torch 2.11.0, Python 3.11.7, restyle 0.1.0, 2026-01-02" in text
    assert "`restyle bench --against johnson`" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == 2 * (2 + 2)
    assert len({line.count("|") for line in tables[:4]}) == len({line.count("|") for line in tables[4:]}) == 1
    assert "the median of 3 rounds on a generated clip" in text
    assert "cpu, fp32: 100 GMAC/s, copies 10.0 GB/s" in text
    assert "* Not measured: device 'cuda': no GPU" in text
    assert "* Warning: other work ran" in text


def test_the_terminal_shows_both_tables() -> None:
    console = Console(file=io.StringIO(), width=160)
    result = known_result().to_json()
    show(result, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    for word in ("bound by", "roofline", "600 MiB", "2.5 s", "66.7", "20.1 (20.1 to 20.1) times"):
        assert word in said
    assert bound_text(result["cases"][0]) in said


# A chart


def test_the_chart_is_a_picture() -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    data = chart(known_result().to_json())
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert width > 800
    taller = int.from_bytes(chart(known_result(*[known_case()] * 4).to_json())[20:24], "big")
    assert taller > height > 200


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r'pip install "restyle\[bench\]"'):
        chart_module.check_matplotlib()
    with pytest.raises(InputError, match="matplotlib"):
        chart(known_result().to_json())
