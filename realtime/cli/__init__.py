"""The command `restyle`. Importing this is quick: each command imports what it works with when it runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Runs `restyle` with the given arguments, or with the process's own.

    Returns:
        The exit code: 0 done, 1 failed while working, 2 bad usage or bad input, 130 interrupted.
    """
    from realtime.cli.app import run

    return run(args)
