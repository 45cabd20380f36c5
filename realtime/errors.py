"""The errors restyle raises on purpose. Each message is one line: what is wrong, with which file, and what to do."""

from __future__ import annotations


class RestyleError(Exception):
    """Work that was begun could not be finished (a full disk, an encoder that fails). Exit code 1."""

    exit_code = 1


class DiskFull(RestyleError):
    """There is no room for the output. What follows would fail in the same way."""


class DeviceLost(RestyleError):
    """A GPU has failed in a way after which this process cannot use it. What follows would fail in the same way."""


class InputError(RestyleError):
    """Something the user gave is wrong: a file, an option, a style. Found before any work is lost. Exit code 2."""

    exit_code = 2


class StyleError(InputError):
    """A style is unknown, or its checkpoint cannot be read."""


class MediaError(InputError):
    """A media file is missing, unreadable, of the wrong kind, or cannot be written."""


class StageError(RestyleError):
    """A stage of the pipeline failed.

    Attributes:
        stage: the stage's name ("decode", "infer" or "encode").
    """

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage = stage


def one_line(error: object) -> str:
    """A message without line breaks."""
    return " ".join(str(error).split())
