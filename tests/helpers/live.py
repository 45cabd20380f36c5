"""Styles of the live filter for tests."""

from __future__ import annotations

from collections.abc import Set

from realtime.frames import Frame
from realtime.jobs.live.painter import KnobName
from realtime.options import StyleOptions


class PlainStyle:
    """A style that is open and can be adjusted in the ways that are named; keeps what was wished."""

    def __init__(self, name: str, knobs: Set[KnobName] = frozenset()) -> None:
        self.name, self.knobs = name, knobs
        self.ready, self.problem, self.notice = True, "", ""
        self.takes_texture = self.adjusting = False
        self.wishes: list[StyleOptions] = []

    def adjust(self, options: StyleOptions, sample: Frame) -> None:
        if not self.wishes or self.wishes[-1] != options:
            self.wishes.append(options)
