"""Puts measured paintings into a page: `python -m tools.painting_table RESULT.json... docs/painting.md`.

Results are the output of `restyle paint --json` or, for networks, of `restyle evaluate --json`, one in each file. The
file's name is that of the row. The text between the two marks of the page is replaced.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime.errors import InputError

BEGIN = "<!-- paintings: begin (python -m tools.painting_table) -->"
END = "<!-- paintings: end -->"

_HEAD = ("", "size", "steps", "seconds", "loss", "content loss", "style loss", "content score", "style score", "local")


def load(path: Path) -> dict[str, Any]:
    """The object in the last line of a file.

    Raises:
        InputError: the file cannot be read, or holds no summary of `paint` or `evaluate`.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8").strip().splitlines()[-1])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: is not JSON ({error})") from None
    if not isinstance(result, dict) or not ("preset" in result or "macs_per_pixel" in result):
        raise InputError(f"{path}: is the output neither of `restyle paint --json` nor of `restyle evaluate --json`")
    return result


def row(name: str, result: Mapping[str, Any]) -> list[str]:
    """The cells of one result: first and last losses, the total weighted and the others not."""
    if "preset" not in result:
        scores = [_number(result[key]) for key in ("content", "style", "local")]
        return [f"{name} (network)", "", "1 pass", "", "", "", "", *scores]
    first, last = result["losses"]["first"], result["losses"]["last"]
    losses = [f"{_number(first[key])} → {_number(last[key])}" for key in ("total", "content", "style")]
    found = result["scores"]
    scores = [_number(found[key]) if found else "" for key in ("content", "style", "local")]
    size = "x".join(str(side) for side in result["size"])
    return [name, size, str(result["steps"]), f"{result['seconds']:.0f}", *losses, *scores]


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """All results as a Markdown table, one row each."""
    rows = [list(_HEAD), ["---"] * len(_HEAD), *(row(name, result) for name, result in results.items())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def insert(text: str, made: str, *, name: str = "the page") -> str:
    """A page's text with another table.

    Raises:
        InputError: a mark is missing, or occurs more than once.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise InputError(f"{name}: must have the line {BEGIN} once, and after it once {END}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def main(args: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns the exit code: 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m tools.painting_table", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT.json")
    parser.add_argument("page", type=Path, metavar="PAGE.md")
    options = parser.parse_args(args)
    try:
        made = table({path.stem: load(path) for path in options.results})
        try:
            old = options.page.read_text(encoding="utf-8")
            options.page.write_text(insert(old, made, name=str(options.page)), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{options.page}: {error.strerror}") from None
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
