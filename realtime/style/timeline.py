"""Timelines: which style a film is painted in, and when it changes.

    0:00 great-wave, 0:12 my.jpg, morph 2

Entries stand between commas or on lines of their own: a time, a style, and perhaps `morph SECONDS`, the time that the
change takes. An entry `morph SECONDS` alone is the default for all changes. This module only reads the text; whether
the styles exist is found out when they are opened.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from realtime.errors import InputError
from realtime.option_fields import read_time

MOST_BYTES = 1 << 20
"""Largest file that is read as a timeline."""

MOST_CHANGES = 1000
"""Most entries of a timeline."""

_ROUNDING = 0.0005
"""Seconds by which a frame may come before an entry and still belong to it: containers round times to milliseconds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a timeline.

    Attributes:
        time: seconds from the film's first picture, at which the change begins.
        style: see `realtime.style`.
        morph: seconds that the change takes; 0 is a cut.
    """

    time: float
    style: str
    morph: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a frame is painted in.

    Attributes:
        before: number of the change whose style is left.
        after: number of the change whose style is entered; the same as `before` outside of a morph.
        share: of the style that is entered, 0 <= share < 1; 0 outside of a morph.
    """

    before: int
    after: int
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The styles of a film, in the order of time.

    Attributes:
        changes: at least one. The first has time 0 and no morph.
    """

    changes: tuple[Change, ...]

    @property
    def styles(self) -> tuple[str, ...]:
        """Each style once, in the order in which they first appear."""
        return tuple(dict.fromkeys(change.style for change in self.changes))

    @property
    def label(self) -> str:
        """One line for people: "great-wave, my.jpg"."""
        return ", ".join(self.styles)

    def at(self, time: float) -> Moment:
        """What is painted at a time, in seconds from the film's first picture."""
        number = max((n for n, change in enumerate(self.changes) if change.time <= time + _ROUNDING), default=0)
        change = self.changes[number]
        share = max(0.0, time - change.time) / change.morph if change.morph else 1.0
        if number == 0 or share >= 1:
            return Moment(number, number)
        return Moment(number - 1, number, share)

    def check_length(self, seconds: float, film: str | Path) -> None:
        """Refuses a timeline that goes on after the end of a film.

        Args:
            seconds: length of the film.
            film: its name, for the message.

        Raises:
            InputError: an entry begins at the end or after it.
        """
        last = self.changes[-1]
        if len(self.changes) > 1 and last.time >= seconds:
            raise InputError(
                f"the timeline changes to {last.style} at {_clock(last.time)}, but {film} ends at {_clock(seconds)}"
            )


def read_timeline(given: str | os.PathLike[str] | Timeline) -> Timeline:
    """A timeline from its text, or from a file that holds it.

    Args:
        given: a path, or text. Text that is the name of a file means that file. A timeline is returned as it is.

    Raises:
        InputError: the file cannot be read, or the text is no timeline; the message says where.
    """
    if isinstance(given, Timeline):
        return given
    text, name = os.fspath(given), "timeline"
    if isinstance(given, os.PathLike) or _is_file(text) or (text.strip() and len(text.split()) == 1):
        text, name = _file_text(Path(text)), text
    try:
        return parse_timeline(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or a zero byte
        return False


def _file_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not a timeline")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such timeline file, and no timeline ('0:00 STYLE, 0:12 STYLE, morph 2')"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_BYTES:
        raise InputError(f"{path}: larger than {MOST_BYTES >> 20} MiB, so it is no timeline")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8, so it is no timeline") from None


def parse_timeline(text: str) -> Timeline:
    """A timeline from its text.

    Raises:
        InputError: the text is no timeline.
    """
    changes: list[tuple[Change, bool]] = []
    default: float | None = None
    for words in _entries(text):
        if words[0] == "morph":
            if default is not None:
                raise InputError("'morph' alone is the default for all changes and can be given once")
            default = _morph(words)
        else:
            changes.append(_change(words))
            if len(changes) > MOST_CHANGES:
                raise InputError(f"more than {MOST_CHANGES} entries")
    if not changes:
        raise InputError("holds no style; it looks like '0:00 great-wave, 0:12 my.jpg, morph 2'")
    (first, own), *rest = changes
    if own:
        raise InputError(f"{first.style} is the first style, so there is nothing to morph from")
    found = [Change(0.0, first.style)]
    _check_order([change for change, _ in changes])
    found += [Change(c.time, c.style, c.morph if own else default or 0.0) for c, own in rest]
    _check_gaps(found)
    return Timeline(tuple(found))


def _change(words: list[str]) -> tuple[Change, bool]:
    """An entry, and whether it says itself how long its change takes."""
    said = " ".join(words)
    if len(words) < 2:
        raise InputError(f"{said!r} is not TIME STYLE, such as '0:12 my.jpg'")
    if words[0].startswith("-"):
        raise InputError(f"{said!r}: the time is negative; the film begins at 0")
    time, own = _seconds(words[0], said), len(words) > 2
    if own and words[2] != "morph":
        raise InputError(f"{said!r} is not TIME STYLE [morph SECONDS]; put a name with spaces or commas into quotes")
    return Change(time, words[1], _morph(words[2:]) if own else 0.0), own


def _morph(words: list[str]) -> float:
    said = " ".join(words)
    if len(words) != 2:
        raise InputError(f"{said!r} is not 'morph SECONDS', such as 'morph 2'")
    return _seconds(words[1], said)


def _seconds(text: str, said: str) -> float:
    try:
        seconds = read_time(text)
    except OverflowError:
        seconds = math.inf
    except ValueError as error:
        raise InputError(f"{said!r}: {error}") from None
    if not math.isfinite(seconds):
        raise InputError(f"{said!r}: the time is too large")
    return seconds


def _check_order(changes: list[Change]) -> None:
    for before, after in pairwise(changes):
        if after.time == before.time:
            raise InputError(f"{before.style} and {after.style} both begin at {_clock(after.time)}")
        if after.time < before.time:
            raise InputError(
                f"{after.style} at {_clock(after.time)} comes after {before.style} at {_clock(before.time)}: "
                "times must grow"
            )


def _check_gaps(changes: list[Change]) -> None:
    for change, following in pairwise(changes):
        if change.time + change.morph > following.time + 1e-9:
            raise InputError(
                f"the morph to {change.style} at {_clock(change.time)} takes {change.morph:g} s, longer than the "
                f"{following.time - change.time:g} s until {following.style}"
            )


def _entries(text: str) -> Iterator[list[str]]:
    """The words of each entry that has any."""
    entry: list[str] = []
    for word in _words(text):
        if word is not None:
            entry.append(word)
        elif entry:
            yield entry
            entry = []
    if entry:
        yield entry


def _words(text: str) -> Iterator[str | None]:
    """The words of a text; None where an entry ends.

    Quotes hold spaces and commas together. They begin a word or a part of a blend, so that a name with an apostrophe in
    it needs none.
    """
    word: str | None = None
    quote, comment = "", False
    for character in text:
        if quote and character == "\n":
            raise InputError(f"a quote is not closed: {quote}{word}")
        if comment:
            comment = character != "\n"
        if comment:
            continue
        if quote:
            quote, word = ("", word) if character == quote else (quote, f"{word}{character}")
        elif character in "\"'" and (word is None or word.endswith("+")):
            quote, word = character, word or ""
        elif character == "#" and word is None:
            comment = True
        elif character == "," or character.isspace():
            if word is not None:
                yield word
                word = None
            if character in ",\n":
                yield None
        else:
            word = f"{word or ''}{character}"
    if quote:
        raise InputError(f"a quote is not closed: {quote}{word}")
    if word is not None:
        yield word


def _clock(seconds: float) -> str:
    """A time as it is written in a timeline."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:06.3f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"
