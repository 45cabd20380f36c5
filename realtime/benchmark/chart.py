"""A benchmark's result as a chart. Needs matplotlib, which is in the extra `bench`."""

from __future__ import annotations

import io

from realtime.benchmark.report import Result, bound_text, engine_name, machine_text, size_text, three_digits
from realtime.errors import InputError

# Distinguishable for the colour-blind (Okabe and Ito 2008), and by brightness in print.
_COLORS = {"decode": "#56b4e9", "network": "#e69f00", "encode": "#009e73", "whole": "#222222"}
_BAR = 0.2


def check_matplotlib() -> None:
    """Find out whether a chart can be drawn.

    Raises:
        InputError: matplotlib is missing; the message says how to get it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise InputError('a chart needs matplotlib: pip install "restyle[bench]"') from None


def chart(result: Result) -> bytes:
    """Bars of each stage alone and of the whole, for each case, as a PNG file.

    Raises:
        InputError: matplotlib is missing.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    cases = result["cases"]
    figure = Figure(figsize=(9, 1.6 + 1.15 * len(cases)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for place, (stage, color) in enumerate(_COLORS.items()):
        values = [case[stage]["fps"]["median"] for case in cases]
        positions = [number + (place - 1.5) * _BAR for number in range(len(cases))]
        label = stage if stage == "whole" else f"{stage} alone"
        bars = axes.barh(positions, values, _BAR * 0.9, color=color, label=label)
        axes.bar_label(bars, [three_digits(value) for value in values], padding=3, fontsize=8)
    labels = [
        "\n".join([size_text(case), *engine_name(case).split(": "), f"bound by {bound_text(case).partition(':')[0]}"])
        for case in cases
    ]
    axes.set_yticks(range(len(cases)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("frames per second (logarithmic)")
    axes.margins(x=0.15)
    axes.grid(axis="x", which="major", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    machine = machine_text(result["machine"], result["date"])
    figure.text(0.5, 0.0, machine, ha="center", va="top", fontsize=7, wrap=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight")
    return drawn.getvalue()
