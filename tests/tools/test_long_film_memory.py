"""The check of a long film's memory sees what a process takes, and runs the real command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from realtime.errors import RestyleError
from realtime.transnet.checkpoint import StyleCard, save_checkpoint
from realtime.transnet.network import Architecture
from tests.helpers.transnets import random_network
from tools import long_film_memory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="this system does not tell a process's peak")

GREEDY = """
import json, sys
from pathlib import Path
block = bytearray(20 * Path(sys.argv[2]).stat().st_size)
print(json.dumps({"frames": 1}))
"""


def test_memory_that_grows_with_the_film_is_measured() -> None:
    short, longer = long_film_memory.measure(
        [], lengths=(10, 200), size=(64, 36), command=[sys.executable, "-c", GREEDY]
    )
    assert longer.peak - short.peak > 10 * 2**20


@pytest.mark.slow
def test_the_real_command_is_run_on_both(tmp_path: Path) -> None:
    architecture = Architecture(width=8, body=8, dilations=(), contours=())
    style = tmp_path / "tiny.safetensors"
    save_checkpoint(style, random_network(architecture), StyleCard("tiny", architecture=architecture))
    options = ["--style", str(style), "--size", "36", "--threads", "1", "--backend", "torch"]
    runs = long_film_memory.measure(options, lengths=(2, 20), size=(64, 36))
    assert [run.frames for run in runs] == [150, 300]
    assert all(run.peak > 50 * 2**20 for run in runs)


@pytest.mark.parametrize(("peak", "code"), [(50 * 2**20, 0), (51 * 2**20, 1)])
def test_memory_that_grew_too_much_gives_exit_code_1(peak: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    short, longer = long_film_memory.Run(60, 900, 1, 0), long_film_memory.Run(3600, 1, 1, peak)
    assert long_film_memory.report(short, longer) == code
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["growth_mib"] == peak / 2**20


def test_other_options_are_passed_on() -> None:
    assert long_film_memory.parse(["--size", "128", "--hours", "0.5"]) == (0.5, ["--size", "128"])
    assert long_film_memory.parse([]) == (2.0, [])
    with pytest.raises(SystemExit):
        long_film_memory.parse(["--hours", "two"])


def test_a_run_that_fails_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('error: no', file=sys.stderr); sys.exit(3)"]
    with pytest.raises(RestyleError, match="film.mp4: ended with code 3: error: no"):
        long_film_memory.watch(tmp_path / "film.mp4", tmp_path / "out.mp4", 1, [], command=command)
