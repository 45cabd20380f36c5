"""Import circles: found wherever the import stands, and not where it is for type checking only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_cycles import main


def package(folder: Path, **files: str) -> str:
    """A package "box" of the given modules; "sub_x" is in a package of its own."""
    box = folder / "box"
    (box / "sub").mkdir(parents=True)
    for name in ("__init__", "sub/__init__", *files):
        path = box / f"{name.replace('sub_', 'sub/')}.py"
        path.write_text(files.get(name, ""))
    return str(box)


def test_this_project_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a": "import box.b", "b": "from box import a"}, {"box.a", "box.b"}),
        ({"a": "from box.b import thing", "b": "def f():\n    from box.a import x"}, {"box.a", "box.b"}),
        ({"a": "from . import b", "b": "from .sub.c import x", "sub_c": "from ..a import x"},
         {"box.a", "box.b", "box.sub.c"}),
        ({"a": "if TYPE_CHECKING:\n    pass\nelse:\n    import box.b", "b": "import box.a"}, {"box.a", "box.b"}),
        ({"__init__": "from box.a import x", "a": "from box import __version__"}, {"box", "box.a"}),
    ],
)  # fmt: skip
def test_circles_are_named(
    tmp_path: Path, files: dict[str, str], circle: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([package(tmp_path, **files)]) == 1
    line = capsys.readouterr().out.splitlines()[0].removeprefix("import circle: ").split(" -> ")
    assert line[0] == line[-1] and set(line) == circle


@pytest.mark.parametrize(
    "files",
    [
        {"a": "import box.b", "b": "import os", "sub_c": "from box import a, b"},
        {"a": "import box.b", "b": "if TYPE_CHECKING:\n    import box.a"},
        {"a": "import box.b", "b": "import typing\nif typing.TYPE_CHECKING:\n    from box.a import x"},
    ],
)
def test_none_where_there_is_none(tmp_path: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([package(tmp_path, **files)]) == 0
    assert "no circles" in capsys.readouterr().out


def test_two_circles_are_both_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"a": "import box.b", "b": "import box.a", "c": "import box.d", "d": "import box.c"}
    assert main([package(tmp_path, **files)]) == 1
    assert "2 circles" in capsys.readouterr().out
