"""A benchmark's result for people: tables in the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
"""Of the result; a newer one may name its values otherwise."""

Result = Mapping[str, Any]
"""What `realtime.benchmark.run.run_benchmark` returns, or what `json.load` makes of it."""

_NAMES = {"johnson": "Johnson et al. 2016"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a heading for each column."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def speeds(result: Result) -> Table:
    """Frames per second of each stage alone and of the whole, and what bounds it."""
    columns = ("size", "network", "decode", "network alone", "encode", "whole", "of possible", "bound by")
    return Table(columns, [_speeds_row(case) for case in result["cases"]])


def _speeds_row(case: Mapping[str, Any]) -> list[str]:
    alone = [fps(case[stage]["fps"]["median"]) for stage in ("decode", "network", "encode")]
    reached = percent(case["bound"]["reached"]["median"])
    return [_size(case), engine_name(case), *alone, fps(case["whole"]["fps"]["median"]), reached, bound_text(case)]


def costs(result: Result) -> Table:
    """Times of a frame in the network, the share of the roofline, memory, and the time to the first frame."""
    columns = ("size", "network", "frame in batches", "frame alone", "of the roofline", "memory", "first frame after")
    return Table(columns, [_costs_row(case) for case in result["cases"]])


def _costs_row(case: Mapping[str, Any]) -> list[str]:
    network, roofline, first = case["network"], case["roofline"], case["first_frame_s"]
    batched = _median_and_p95(network["call_ms"])
    if network["device_ms"]:
        batched += f" (device {_median_and_p95(network['device_ms'])})"
    memory = [f"{size} MiB ({where})" for where, size in case["memory_mib"].items() if size is not None]
    return [
        _size(case),
        engine_name(case),
        batched,
        _median_and_p95(case["latency"]["call_ms"]),
        f"{percent(roofline['reached'])} ({roofline['by']})" if roofline else "–",
        ", ".join(memory) or "–",
        f"{first['median']:.1f} s" if first else "–",
    ]


def _median_and_p95(spread: Mapping[str, float]) -> str:
    return f"{fps(spread['median'])}, {fps(spread['p95'])} ms"


def roofs_text(result: Result) -> str:
    """What the machine itself reached, in a line."""
    return "; ".join(
        f"{roof['device']}, {roof['precision']}: {fps(max(roof['matrix_gmacs'], roof['convolution_gmacs']))} GMAC/s,"
        f" copies {fps(roof['copy_gbytes'])} GB/s"
        for roof in result["roofs"]
    )


def comparisons(result: Result) -> list[str]:
    """How many times as fast as a rival, a sentence each."""
    rounds = result["effort"]["rounds"]
    return [
        f"{_size(entry)}, {engine_name(entry)}: {times(entry['network'])} as fast as {_NAMES[entry['rival']]}"
        f" (PyTorch, fp32) alone, {times(entry['whole'])} in the same pipeline"
        f" (median and range of {rounds} rounds that took turns)."
        for entry in result["against"]
    ]


def machine_text(result: Result) -> str:
    """The machine and the versions, in a line."""
    machine = result["machine"]
    parts = [f"{machine['processor']}, {machine['cores']} cores ({machine['capability']})", *machine["gpus"]]
    parts += [f"{name} {number}" for name, number in machine["packages"].items() if name in ("torch", "onnxruntime")]
    return ", ".join([*parts, f"Python {machine['python']}", f"restyle {machine['restyle']}", result["date"][:10]])


def engine_name(case: Mapping[str, Any]) -> str:
    """A network and what runs it, in a few words."""
    name = _NAMES["johnson"] if case.get("rival") is True else case["style"]
    return f"{name}: {case['backend']}, {case['device']}, {case['precision']}, batch {case['batch']}"


def bound_text(case: Mapping[str, Any]) -> str:
    """What keeps the whole from being faster."""
    bound = case["bound"]
    if bound["by"] != "cores":
        return str(bound["by"])
    shares = sorted(bound["shares"].items(), key=lambda item: -item[1])
    return f"{bound['cores']} cores: " + ", ".join(f"{name} {percent(share)}" for name, share in shares)


def fps(value: float) -> str:
    """Three digits are enough: 1240, 71.3, 2.16."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def percent(share: float) -> str:
    """A share of 1."""
    return f"{100 * share:.0f} %"


def times(spread: Mapping[str, float]) -> str:
    """A ratio with its range: "36.2 (35.0 to 37.1) times"."""
    return f"{fps(spread['median'])} ({fps(spread['low'])} to {fps(spread['high'])}) times"


def _size(case: Mapping[str, Any]) -> str:
    return f"{case['size'][0]}x{case['size'][1]}"


EXPLANATION = (
    "Frames per second, the median of {rounds} rounds on {clip}. *Decode*, *network alone* and *encode* have the"
    " machine to themselves: the decoder, the network fed as the pipeline feeds it (planes in, planes out), the encoder"
    " on painted frames. *Whole* is the command, from opening the input to the finished file. *Of possible*: against"
    " what the stages allow when they run at the same time, which is the slowest of them, or their processor time added"
    " up over the cores. *Frame in batches* and *alone*: time of a frame in the network, median and 95th percentile, as"
    " the pipeline feeds it and one at a time. *Of the roofline*: the network against the multiplications or the memory"
    " traffic that this machine reached in a large product, convolution or copy of the same precision. Memory and the"
    " first frame are those of a new process."
)


def markdown(result: Result) -> str:
    """The result as Markdown: machine, both tables, the comparison, and what the words mean."""
    clip = "a generated clip" if result["clip"] == "generated" else f"`{result['clip']}`"
    lines = [f"Measured on {machine_text(result)}, by `{result['command']}`:", ""]
    lines += [*_markdown_table(speeds(result)), "", *_markdown_table(costs(result)), ""]
    lines += [f"* {text}" for text in comparisons(result)]
    lines += [""] * bool(result["against"])
    lines += [f"The machine's own bests (the roofline): {roofs_text(result)}.", ""] if result["roofs"] else []
    lines += [EXPLANATION.format(rounds=result["effort"]["rounds"], clip=clip)]
    lines += ["", *(f"* Not measured: {entry['reason']}" for entry in result["skipped"])] if result["skipped"] else []
    lines += ["", *(f"* Warning: {text}" for text in result["warnings"])] if result["warnings"] else []
    return "\n".join(lines) + "\n"


def _markdown_table(table: Table) -> list[str]:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def show(result: Result, console: Console) -> None:
    """Draws both tables and the comparison."""
    from rich.table import Table as Grid

    console.print(machine_text(result), highlight=False)
    if result["roofs"]:
        console.print(f"at best {roofs_text(result)}", highlight=False)
    for table in (speeds(result), costs(result)):
        grid = Grid(box=None, pad_edge=False, header_style="bold")
        for heading in table.columns:
            grid.add_column(heading)
        for row in table.rows:
            grid.add_row(*row)
        console.print()
        console.print(grid, highlight=False)
    for text in comparisons(result):
        console.print()
        console.print(text, highlight=False)
