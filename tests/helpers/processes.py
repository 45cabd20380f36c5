"""The command line in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.waiting import WAIT

ROOT = Path(__file__).parents[2]

# Where pytest runs in the background, SIGINT is ignored, and child processes inherit that.
_MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from realtime.cli import main
sys.exit(main())
"""


def python(code: str, *args: object, flags: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Runs Python code from the project's folder. Its exit code is not checked.

    Args:
        code: what to run.
        args: in its `sys.argv`, from 1 on.
        flags: of the interpreter.
    """
    command = [sys.executable, *flags, "-c", code, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=False)


@contextmanager
def restyle_process(*args: object, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A running `restyle` that Ctrl-C (SIGINT) interrupts. It is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, *map(str, args)],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
