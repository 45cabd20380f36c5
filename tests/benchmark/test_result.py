"""From readings to the result, and from the result to tables, Markdown, a chart and a README."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from realtime.benchmark import chart as chart_module
from realtime.benchmark.bounds import Cost
from realtime.benchmark.cases import Case
from realtime.benchmark.chart import chart
from realtime.benchmark.fresh import Fresh
from realtime.benchmark.measure import Effort, Round, Timing, Whole, measure_round, prepare
from realtime.benchmark.report import SCHEMA, bound_text, comparisons, costs, fps, markdown, show, speeds
from realtime.benchmark.result import case_entry, load_warnings, number, roof_entry, spread_warnings
from realtime.benchmark.result import comparisons as compare
from realtime.benchmark.roofline import Roof, Work
from realtime.errors import InputError
from tests.helpers.fakes import HandClock, spending_subject
from tools import benchmark_readme

ROOF = Roof(matrix=100e9, convolution=50e9, copy=10e9)
COSTS = {"decode": Cost(0.001, 0.002), "network": Cost(0.010, 0.018), "encode": Cost(0.002, 0.004)}
"""24 ms of processor time: 12 ms a frame on two cores."""


def measured(
    *, rival: bool = False, slower: float = 1.0, whole: float = 0.015, drift: Sequence[float] = (1, 1, 1)
) -> Case:
    """A case whose every reading is known; in round n all of it takes drift[n] times as long."""
    rounds = []
    for factor in drift:
        clock = HandClock()
        costs = {name: Cost(cost.wall * factor, cost.cpu * factor) for name, cost in COSTS.items()}
        costs["network"] = Cost(costs["network"].wall * slower, costs["network"].cpu * slower)
        subject = spending_subject(clock, costs, whole=Cost(whole * factor, 0.024), batch=2, alone=Cost(0.02, 0.03))
        effort = Effort(rounds=1, seconds=1, frames=48)
        rounds.append(measure_round(subject, prepare(subject, effort, clock), effort, clock))
    work = Work(macs=0.5e9, values=1e6)
    case = Case("johnson" if rival else "starry-night", rival, (640, 360), subject, work, None, rounds)
    if not rival:
        case.runs = [Fresh(2.5, 600 * 2**20), Fresh(2.0, 500 * 2**20), Fresh(3.0, None)]
    return case


def result_of(*cases: Case) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": "restyle bench --against johnson",
        "date": "2026-01-02T03:04+00:00",
        "machine": {
            "processor": "Test 9000", "cores": 2, "capability": "AVX512", "gpus": [], "python": "3.11.7",
            "restyle": "0.1.0", "packages": {"torch": "2.11.0", "numpy": "2.0"},
        },
        "clip": "generated",
        "roofs": [roof_entry("cpu", "fp32", ROOF)],
        "effort": {"rounds": 3, "seconds": 1, "frames": 48},
        "cases": [case_entry(case, 2, ROOF) for case in cases],
        "against": compare(cases),
        "skipped": [],
        "warnings": [],
    }  # fmt: skip


@pytest.fixture
def result() -> dict[str, Any]:
    return result_of(measured(), measured(rival=True, slower=30, whole=0.301))


# The figures


def test_a_case_comes_to_what_was_read(result: dict[str, Any]) -> None:
    case = result["cases"][0]
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
    json.dumps(result, allow_nan=False)


def test_a_device_with_a_clock_of_its_own() -> None:
    case = measured()
    case.rounds = [Round(r.decode, r.network, r.latency, r.encode, r.whole, (0.004, 0.006)) for r in case.rounds]
    case.device_memory = 3 * 2**20
    entry = case_entry(case, 2, ROOF)
    assert entry["network"]["device_ms"] == {"median": 5, "p95": 6}
    assert entry["roofline"]["device_reached"] == 1
    assert entry["memory_mib"]["device"] == 3


def test_a_number_format_without_a_roof(result: dict[str, Any]) -> None:
    result["cases"][0] = case_entry(measured(), 2, None)
    assert result["cases"][0]["roofline"] is None
    assert "| – | 600 MiB (process) |" in markdown(result)


def test_a_ratio_is_taken_within_a_round() -> None:
    # A machine that becomes three times as slow on the way: the ratios do not know.
    drift = [1, 2, 3]
    (entry,) = compare([measured(drift=drift), measured(rival=True, slower=30, whole=0.3, drift=drift)])
    assert entry["network"] == {"median": 30, "low": 30, "high": 30}
    assert entry["whole"] == {"median": 20, "low": 20, "high": 20}
    # The fps do, and the result says so.
    case = measured(drift=drift)
    warnings = spread_warnings([case])
    assert [text.rpartition("fps of the ")[2] for text in warnings] == [
        "network differ by 133%",
        "whole differ by 133%",
    ]
    assert spread_warnings([measured()]) == []


def test_rivals_are_compared_with_on_their_own_device_only() -> None:
    ours, rival = measured(), measured(rival=True)
    rival.subject.engine.device = "cuda:0"
    assert compare([ours, rival]) == []


@pytest.mark.parametrize(("load", "cores", "said"), [(None, 2, 0), (0.1, 2, 0), (0.9, 2, 1), (0.9, 16, 0), (9, 16, 1)])
def test_a_busy_machine_is_remarked_on(load: float | None, cores: int, said: int) -> None:
    assert len(load_warnings(load, cores)) == said


def test_the_median_round_names_the_bound() -> None:
    def readings(network: float) -> Round:
        stages = [Timing(10, 10 * wall, 0.0, (wall,)) for wall in (0.005, network, network, 0.005)]
        return Round(*stages, Whole(Timing(10, 1.0, 0.1), {"infer": 0.5}))

    case = measured()
    case.rounds = [readings(wall) for wall in (0.001, 0.02, 0.03)]
    assert case_entry(case, 2, ROOF)["bound"]["by"] == "network"


def test_four_digits() -> None:
    assert [number(x) for x in (123456.0, 0.000123456, 0.0)] == [123500, 0.0001235, 0]


# Tables


def test_the_table_of_speeds(result: dict[str, Any]) -> None:
    ours, rival = speeds(result).rows
    assert ours == [
        "640x360", "starry-night: fake, cpu, fp32, batch 2", "1000", "100", "500", "66.7", "80 %",
        "2 cores: network 75 %, encode 17 %, decode 8 %",
    ]  # fmt: skip
    assert rival[1].startswith("Johnson et al. 2016: ")
    assert rival[3] == "3.33"
    assert rival[-1] == "network"


def test_the_table_of_costs(result: dict[str, Any]) -> None:
    ours, rival = costs(result).rows
    assert ours[2:] == ["10.0, 10.0 ms", "20.0, 20.0 ms", "50 % (compute)", "600 MiB (process)", "2.5 s"]
    assert rival[-2:] == ["–", "–"]
    result["cases"][0]["network"]["device_ms"] = {"median": 1.5, "p95": 2.0}
    result["cases"][0]["memory_mib"]["device"] = 80
    ours, _ = costs(result).rows
    assert ours[2] == "10.0, 10.0 ms (device 1.50, 2.00 ms)"
    assert ours[5] == "600 MiB (process), 80 MiB (device)"


def test_the_comparison_is_a_sentence_with_its_range(result: dict[str, Any]) -> None:
    (text,) = comparisons(result)
    assert "30.0 (30.0 to 30.0) times as fast as Johnson et al. 2016 (PyTorch, fp32) alone" in text
    assert "20.1 (20.1 to 20.1) times in the same pipeline" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (9.99, "9.99"), (10, "10.0"), (99.4, "99.4"), (1234, "1234")]
)
def test_three_digits_for_people(value: float, text: str) -> None:
    assert fps(value) == text


def test_markdown(result: dict[str, Any]) -> None:
    result["skipped"] = [{"reason": "device 'cuda': no GPU"}]
    result["warnings"] = ["other work ran"]
    text = markdown(result)
    assert "Measured on Test 9000, 2 cores (AVX512), torch 2.11.0, Python 3.11.7, restyle 0.1.0, 2026-01-02" in text
    assert "`restyle bench --against johnson`" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == 2 * (2 + 2)
    assert len({line.count("|") for line in tables[:4]}) == len({line.count("|") for line in tables[4:]}) == 1
    assert "the median of 3 rounds on a generated clip" in text
    assert "cpu, fp32: 100 GMAC/s, copies 10.0 GB/s" in text
    assert "* Not measured: device 'cuda': no GPU" in text
    assert "* Warning: other work ran" in text


def test_the_terminal_shows_both_tables(result: dict[str, Any]) -> None:
    console = Console(file=io.StringIO(), width=160)
    show(result, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    for word in ("bound by", "roofline", "600 MiB", "2.5 s", "66.7", "20.1 (20.1 to 20.1) times"):
        assert word in said
    assert bound_text(result["cases"][0]) in said


# A picture


def test_the_chart_is_a_picture(result: dict[str, Any]) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    data = chart(result)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert width > 800
    taller = int.from_bytes(chart(result_of(*[measured()] * 4))[20:24], "big")
    assert taller > height > 200


def test_without_matplotlib_the_error_says_how_to_get_it(
    result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r'pip install "restyle\[bench\]"'):
        chart_module.check_matplotlib()
    with pytest.raises(InputError, match="matplotlib"):
        chart(result)


# A README


PAGE = f"# Title\n\nBefore.\n\n{benchmark_readme.BEGIN}\nold figures\n{benchmark_readme.END}\n\nAfter.\n"


@pytest.fixture
def files(result: dict[str, Any], tmp_path: Path) -> tuple[Path, Path]:
    source, page = tmp_path / "benchmark.json", tmp_path / "README.md"
    source.write_text(json.dumps(result), encoding="utf-8")
    page.write_text(PAGE, encoding="utf-8")
    return source, page


def test_the_figures_are_put_between_the_marks(files: tuple[Path, Path], result: dict[str, Any]) -> None:
    source, page = map(str, files)
    assert benchmark_readme.main([source, page, "--check"]) == 1
    assert files[1].read_text(encoding="utf-8") == PAGE  # looked at, not written
    assert benchmark_readme.main([source, page]) == 0
    text = files[1].read_text(encoding="utf-8")
    assert text.startswith(f"# Title\n\nBefore.\n\n{benchmark_readme.BEGIN}\n")
    assert text.endswith(f"{benchmark_readme.END}\n\nAfter.\n")
    assert markdown(result) in text
    assert "old figures" not in text
    assert benchmark_readme.main([source, page, "--check"]) == 0
    assert benchmark_readme.main([source, page]) == 0
    assert files[1].read_text(encoding="utf-8") == text  # the same again
    assert benchmark_readme.main([source, source, page]) == 0
    assert files[1].read_text(encoding="utf-8").count("Measured on") == 2


@pytest.mark.parametrize(
    "text",
    ["no mark", f"{benchmark_readme.BEGIN}\n", f"{benchmark_readme.END}\n{benchmark_readme.BEGIN}\n", PAGE + PAGE],
    ids="none half turned two".split(),
)
def test_a_readme_without_its_marks(files: tuple[Path, Path], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    files[1].write_text(text, encoding="utf-8")
    assert benchmark_readme.main([str(path) for path in files]) == 2
    error = capsys.readouterr().err
    assert "README.md" in error
    assert benchmark_readme.BEGIN in error
    assert files[1].read_text(encoding="utf-8") == text


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}', None])
def test_what_is_no_result(files: tuple[Path, Path], content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    source, page = files
    if content is None:
        source.unlink()
    else:
        source.write_text(content, encoding="utf-8")
    assert benchmark_readme.main([str(source), str(page)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {source}: ")
    assert page.read_text(encoding="utf-8") == PAGE
