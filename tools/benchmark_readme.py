"""Puts committed results into a README: `python -m tools.benchmark_readme docs/benchmark.json README.md`.

The text between the two marks is replaced. With --check nothing is written, and the exit code is 1 where something
would change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from realtime.benchmark.report import Result, markdown
from realtime.benchmark.result import SCHEMA
from realtime.errors import InputError

BEGIN = "<!-- benchmark: begin (python -m tools.benchmark_readme) -->"
END = "<!-- benchmark: end -->"


def load(path: Path) -> Result:
    """Read a result that `restyle bench --output FILE.json` has written.

    Raises:
        InputError: the file cannot be read, or is no such result.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error})") from None
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise InputError(f"{path}: is no result of this version's `restyle bench --output FILE.json`")
    return result


def insert(text: str, results: Sequence[Result], *, name: str = "the text") -> str:
    """Replace the section of results in a README's text.

    Args:
        text: has both marks, each once.
        results: one or more, shown one below the other.
        name: of the file, for the error message.

    Raises:
        InputError: a mark is missing, or there are several.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise InputError(f"{name}: must have the line {BEGIN} once, and after it once {END}")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n" + "\n".join(markdown(result) for result in results) + f"\n{END}{after}"


def main(args: Sequence[str] | None = None) -> int:
    """The command; see the module. Returns the exit code: 0 done, 1 a check failed, 2 bad input."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_readme", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT.json")
    parser.add_argument("readme", type=Path, metavar="README.md")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where something would change")
    options = parser.parse_args(args)
    try:
        try:
            old = options.readme.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{options.readme}: cannot be read ({error.strerror})") from None
        new = insert(old, [load(path) for path in options.results], name=str(options.readme))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.check:
        if new != old:
            print(f"{options.readme}: the figures are not those of {', '.join(map(str, options.results))}",
                  file=sys.stderr)  # fmt: skip
        return int(new != old)
    if new != old:
        options.readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
