"""`restyle learn`: its messages, its JSON, and what a signal or a crash leaves behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from realtime.training.state import State
from realtime.transnet.checkpoint import load_checkpoint
from tests.helpers.commands import Restyle
from tests.helpers.pictures import paint
from tests.helpers.processes import python, restyle_process
from tests.helpers.waiting import WAIT, wait_for


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return paint(tmp_path / "painting.png", 7, (120, 100))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    (tmp_path / "photographs").mkdir()
    for n in range(2):
        paint(tmp_path / "photographs" / f"{n}.png", n)
    return tmp_path / "photographs"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("none.jpg", "a.safetensors"), "none.jpg: cannot be read"),
        (("painting.png",), "OUTPUT"),
        (("painting.png", "a.pt"), "a.pt: a checkpoint's name ends in .safetensors"),
        (("painting.png", "none/a.safetensors"), "none: no such folder"),
        (("painting.png", "a.safetensors", "--minutes", "-1"), "--minutes: -1.0 is not 0 or more"),
        (("painting.png", "a.safetensors", "--paint", "2"), "--paint"),
        (("painting.png", "a.safetensors", "--on", "none"), "--on none: no such file or folder"),
        (("painting.png", "a.safetensors", "--content", "painting.png"), "--content painting.png: no such folder"),
        (("painting.png", "a.safetensors", "--resume"), "there is no polish of a.safetensors to continue"),
        (("painting.png", "there.safetensors"), "there.safetensors: exists; choose another output, or add --overwrite"),
    ],
)
def test_the_command_says_what_is_wrong(
    restyle: Restyle, painting: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(painting.parent)
    Path("there.safetensors").touch()
    done = restyle("learn", *words)
    assert done.code == 2
    assert reason in done.error
    assert sorted(path.name for path in Path().iterdir()) == ["painting.png", "there.safetensors"]


def test_bad_input_is_said_before_torch_is_imported(painting: Path) -> None:
    words = ["learn", str(painting), str(painting.parent / "none" / "a.safetensors")]
    done = python(
        f"import sys; from realtime.cli import main; code = main({words!r})\n"
        "print('torch' in sys.modules); sys.exit(code)"
    )
    assert (done.returncode, done.stdout) == (2, "False\n")


def test_json(restyle: Restyle, painting: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.safetensors"
    done = restyle("learn", painting, output, "--minutes", "0", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert {"painting", "output", "seconds", "steps", "device"} <= set(found)
    assert (found["painting"], found["output"], found["steps"]) == (str(painting), str(output), 0)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_a_signal_leaves_the_target_as_it_was_and_the_polish_resumes(
    restyle: Restyle, painting: Path, photographs: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / "a.safetensors"
    output.write_text("as it was")
    command = ("learn", painting, output, "--on", photographs, "--threads", "1", "--device", "cpu")
    with restyle_process(*command, "--minutes", "60", "--overwrite") as process:
        assert process.stderr is not None
        assert any(line.startswith("step ") for line in process.stderr)  # the polish is on
        process.send_signal(getattr(signal, name))
        rest = process.stderr.read()
        assert process.wait(timeout=WAIT) == (130 if name == "SIGINT" else -signal.SIGKILL)
    assert output.read_text() == "as it was"
    assert not output.with_suffix(".md").exists()
    steps = State.read(output).step
    if name == "SIGINT":
        assert "continue with --resume" in rest and steps > 0
    # What is left of an hour is more than a test has; the time may change.
    done = restyle(*command, "--minutes", "0.0001", "--resume", "--overwrite", "--json")
    assert done.code == 0, done.err
    assert done.json["finished"] and done.json["steps"] >= max(1, steps)
    assert load_checkpoint(output)[1].recipe["content_kind"] == "pictures"
    assert list(tmp_path.glob("*.state.*")) == []
    wait_for(lambda: output.with_suffix(".md").is_file(), "the card")
