"""A benchmark's result for people: tables for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

Result = Mapping[str, Any]
"""`realtime.benchmark.result.BenchResult.to_json()`, or what was read from such a file. So are its parts."""

Table = Mapping[str, Callable[[Result], str]]
"""Headings of a table's columns, each with the function that makes a case's cell."""

_NAMES = {"johnson": "Johnson et al. 2016"}


# Words and numbers


def three_digits(value: float) -> str:
    """1240, 71.3, 2.16."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def percent(share: float) -> str:
    """A share of 1."""
    return f"{100 * share:.0f} %"


def times(spread: Result) -> str:
    """A ratio with its range: "36.2 (35.0 to 37.1) times"."""
    median, low, high = (three_digits(spread[name]) for name in ("median", "low", "high"))
    return f"{median} ({low} to {high}) times"


def size_text(case: Result) -> str:
    """640x360."""
    return f"{case['size'][0]}x{case['size'][1]}"


def engine_name(case: Result) -> str:
    """A network and what runs it."""
    name = _NAMES["johnson"] if case.get("rival") is True else case["style"]
    return f"{name}: {case['backend']}, {case['device']}, {case['precision']}, batch {case['batch']}"


def bound_text(case: Result) -> str:
    """What keeps the whole from being faster."""
    bound = case["bound"]
    if bound["by"] != "cores":
        return str(bound["by"])
    shares = sorted(bound["shares"].items(), key=lambda item: -item[1])
    return f"{bound['cores']} cores: " + ", ".join(f"{name} {percent(share)}" for name, share in shares)


def machine_text(machine: Result, date: str) -> str:
    """The machine, the versions and the day in one line."""
    parts = [f"{machine['processor']}, {machine['cores']} cores ({machine['capability']})", *machine["gpus"]]
    parts += [f"{name} {number}" for name, number in machine["packages"].items() if name in ("torch", "onnxruntime")]
    return ", ".join([*parts, f"Python {machine['python']}", f"restyle {machine['restyle']}", date[:10]])


def roofs_text(result: Result) -> str:
    """The machine's measured peaks in one line."""
    return "; ".join(
        f"{roof['device']}, {roof['precision']}: "
        f"{three_digits(max(roof['matrix_gmacs'], roof['convolution_gmacs']))} GMAC/s,"
        f" copies {three_digits(roof['copy_gbytes'])} GB/s"
        for roof in result["roofs"]
    )


def comparison_texts(result: Result) -> list[str]:
    """A sentence for each comparison with a rival."""
    return [
        f"{size_text(entry)}, {engine_name(entry)}: {times(entry['network'])} as fast as {_NAMES[entry['rival']]}"
        f" (PyTorch, fp32) alone, {times(entry['whole'])} in the same pipeline"
        f" (median and range of {result['effort']['rounds']} rounds that took turns)."
        for entry in result["against"]
    ]


# Tables


def _fps(stage: str) -> Callable[[Result], str]:
    return lambda case: three_digits(case[stage]["fps"]["median"])


def _call_times(spread: Result) -> str:
    return f"{three_digits(spread['median'])}, {three_digits(spread['p95'])} ms"


def _batched(case: Result) -> str:
    network = case["network"]
    device = f" (device {_call_times(network['device_ms'])})" if network["device_ms"] else ""
    return _call_times(network["call_ms"]) + device


def _roofline(case: Result) -> str:
    roofline = case["roofline"]
    return f"{percent(roofline['reached'])} ({roofline['by']})" if roofline else "–"


def _memory(case: Result) -> str:
    return ", ".join(f"{size} MiB ({where})" for where, size in case["memory_mib"].items() if size is not None) or "–"


def _first_frame(case: Result) -> str:
    return f"{case['first_frame_s']['median']:.1f} s" if case["first_frame_s"] else "–"


SPEEDS: Table = {
    "size": size_text,
    "network": engine_name,
    "decode": _fps("decode"),
    "network alone": _fps("network"),
    "encode": _fps("encode"),
    "whole": _fps("whole"),
    "of possible": lambda case: percent(case["bound"]["reached"]["median"]),
    "bound by": bound_text,
}
COSTS: Table = {
    "size": size_text,
    "network": engine_name,
    "frame in batches": _batched,
    "frame alone": lambda case: _call_times(case["latency"]["call_ms"]),
    "of the roofline": _roofline,
    "memory": _memory,
    "first frame after": _first_frame,
}

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


def rows(table: Table, result: Result) -> list[list[str]]:
    """A table's cells, one row for each case."""
    return [[cell(case) for cell in table.values()] for case in result["cases"]]


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def markdown(result: Result) -> str:
    """The result as Markdown: machine, both tables, the comparison, and what the words mean."""
    clip = "a generated clip" if result["clip"] == "generated" else f"`{result['clip']}`"
    blocks = [
        [f"Measured on {machine_text(result['machine'], result['date'])}, by `{result['command']}`:"],
        markdown_table(list(SPEEDS), rows(SPEEDS, result)),
        markdown_table(list(COSTS), rows(COSTS, result)),
        [f"* {text}" for text in comparison_texts(result)],
        [f"The machine's own bests (the roofline): {roofs_text(result)}."] if result["roofs"] else [],
        [EXPLANATION.format(rounds=result["effort"]["rounds"], clip=clip)],
        [f"* Not measured: {entry['reason']}" for entry in result["skipped"]],
        [f"* Warning: {text}" for text in result["warnings"]],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def show(result: Result, console: Console) -> None:
    """Print both tables and the comparison."""
    from rich.table import Table as Grid

    console.print(machine_text(result["machine"], result["date"]), highlight=False)
    if result["roofs"]:
        console.print(f"at best {roofs_text(result)}", highlight=False)
    for table in (SPEEDS, COSTS):
        grid = Grid(*table, box=None, pad_edge=False, header_style="bold")
        for row in rows(table, result):
            grid.add_row(*row)
        console.print("", grid, sep="\n", highlight=False)
    for text in comparison_texts(result):
        console.print(f"\n{text}", highlight=False)
