"""Finds circles of imports between modules, those inside functions included.

    python tools/check_cycles.py [FOLDER_OF_A_PACKAGE ...]

checks realtime/ and export/, prints each circle, and exits with 1 where there is one. Imports for type checking only do
not count. The source is read, not run: imports by a computed name are not seen.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules(package: Path) -> dict[str, Path]:
    """The modules of a package by their dotted names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements below a node, without those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test).rpartition(".")[2] == "TYPE_CHECKING":
            for other in child.orelse:
                yield from statements(ast.Module([other], []))
        else:
            yield from statements(child)


def imported(name: str, path: Path, known: set[str]) -> set[str]:
    """The known modules that a module imports, itself excepted."""
    found = set()
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for statement in statements(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        parents = package[: len(package) - statement.level + 1] if statement.level else []
        source = ".".join([*parents, *([statement.module] if statement.module else [])])
        for alias in statement.names:
            inside = f"{source}.{alias.name}"
            found.add(inside if inside in known else source)
    return (found & known) - {name}


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Circles in a graph of imports, each with its first module repeated at its end, until none is left.

    After each, one of its imports is left out, so that every tangle is reported, but not every way through it.
    """
    graph = {name: set(others) for name, others in graph.items()}
    while True:
        try:
            TopologicalSorter(graph).prepare()
            return
        except CycleError as error:
            circle: list[str] = error.args[1][::-1]  # from each module to one that it imports
            graph[circle[0]].discard(circle[1])
            yield circle


def main(arguments: Sequence[str]) -> int:
    """Check the packages in some folders."""
    found: dict[str, Path] = {}
    for folder in arguments or (ROOT / "realtime", ROOT / "export"):
        found |= modules(Path(folder))
    graph = {name: imported(name, path, set(found)) for name, path in found.items()}
    bad = 0
    for circle in circles(graph):
        bad += 1
        print("import circle: " + " -> ".join(circle))
    print(f"{len(graph)} modules, {sum(map(len, graph.values()))} imports, {bad or 'no'} circles")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
