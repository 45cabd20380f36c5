"""`restyle video --timeline`, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime.media.synthetic.demo import write_demo_clip
from tests.helpers.clips import decoded
from tests.helpers.processes import python

ENGINE = ("--backend", "torch", "--device", "cpu", "--json")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_demo_clip(path, seconds=0.5, size=(96, 64))
    return path


def grays(path: Path) -> list[bool]:
    return [frame.to_ndarray()[: frame.height].std() < 8 for frame in decoded(path)]


def test_a_file_and_a_text(restyle: Any, clip: Path, identity: Path, gray: Path, tmp_path: Path) -> None:
    text = f"0:00 {identity}\n0.2 {gray}  # the end\n"
    file = tmp_path / "changes.txt"
    file.write_text(text)
    for number, given in enumerate((file, text)):
        output = tmp_path / f"{number}.mp4"
        done = restyle("video", clip, output, "--timeline", given, *ENGINE)
        assert done.code == 0, done.err
        assert done.json["style"] == "identity, gray"
        assert f"{identity}, {gray}: torch on cpu" in done.err
        assert grays(output) == [False] * 6 + [True] * 9


def test_several_films_and_several_devices(
    restyle: Any, clip: Path, identity: Path, gray: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    for name, device in (("one", "cpu"), ("two", "cpu,cpu")):
        command = ("video", clip, other, tmp_path / name, "--timeline", f"0 {identity}, 0.2 {gray}")
        done = restyle(*command, "--backend", "torch", "--device", device, "--json")
        assert done.code == 0, done.err
        assert (done.json["done"], done.json["style"]) == (2, "identity, gray")
        assert grays(tmp_path / name / "other.mp4") == [False] * 6 + [True] * 9


def test_a_timeline_is_refused_before_torch_is_imported(clip: Path, tmp_path: Path) -> None:
    for text in ("0 udnie, 0:12 the-scream", "0 udnie, 0.2 nothing-like-it", "0 udnie, 0.2"):
        script = (
            "import sys; from realtime.cli.app import run;"
            f"code = run(['video', {str(clip)!r}, {str(tmp_path / 'b.mp4')!r}, '--timeline', {text!r}]);"
            "print(code, 'torch' in sys.modules)"
        )
        done = python(script)
        assert done.stdout == "2 False\n", done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--timeline", "0 udnie, 0.2 the-scream", "--style", "udnie"), ["--timeline", "leave --style out"]),
        ((), ["--style", "--timeline"]),
        (("--timeline", "0 udnie, 0.2 nothing-like-it"), ["nothing-like-it", "unknown style"]),
        (("--timeline", "0 udnie, 0:12 the-scream, morph 2"), ["the-scream at 0:12", "ends at 0:00.5"]),
        (("--timeline", "0 udnie, 0.3 the-scream, 0.2 udnie"), ["times must grow"]),
        (("--timeline", "nowhere.txt"), ["nowhere.txt", "no such timeline file"]),
        (("--timeline", ""), ["holds no style"]),
    ],
)
def test_what_is_refused(restyle: Any, clip: Path, tmp_path: Path, options: tuple[str, ...], words: list[str]) -> None:
    done = restyle("video", clip, tmp_path / "out.mp4", *options, *ENGINE, "--quiet")
    assert done.code == 2
    assert all(word in done.error for word in words), done.error
    assert not list(tmp_path.iterdir())
