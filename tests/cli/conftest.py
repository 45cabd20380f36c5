from __future__ import annotations

import pytest
import typer

from realtime.cli.app import app, run
from tests.helpers.commands import Restyle, Result


@pytest.fixture
def restyle(capsys: pytest.CaptureFixture[str]) -> Restyle:
    """Runs a command line in this process."""

    def invoke(*args: object, application: typer.Typer = app) -> Result:
        capsys.readouterr()
        code = run([str(arg) for arg in args], application)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return invoke
