"""Checks a style before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from realtime.options import StyleOptions
from realtime.style import cache
from realtime.style.painting import read_painting
from realtime.style.reference import StyleReference, parse_style
from realtime.style.timeline import Timeline


def check_style(style: str | Path, options: StyleOptions = StyleOptions()) -> StyleReference:
    """What a style names, after every check that needs no network.

    A picture that has not been seen before is read, so that a damaged one is refused here.

    Args:
        style, options: see `realtime.style.resolve.resolve_style`.

    Raises:
        StyleError: there is no such style, a file is neither a network nor a picture, or a blend is malformed.
        MediaError: a picture cannot be read.
        InputError: options are given and the style's network has no such inputs.
    """
    reference = parse_style(style)
    reference.check(options)
    for term in reference.terms:
        if term.kind == "picture" and not cache.is_stored(cache.statistics_file(term.path)):
            read_painting(term.path)
    return reference


def check_timeline(timeline: Timeline, options: StyleOptions = StyleOptions()) -> dict[str, StyleOptions]:
    """The options of each style of a timeline, after the checks of `check_style`.

    Args:
        timeline: names the styles.
        options: for the styles that have inputs for them.

    Raises:
        InputError: see `check_style`; options are given, and no style has inputs for them.
    """
    adjustable = {style: parse_style(style).is_adjustable for style in timeline.styles}
    own = {
        style: options if takes or not any(adjustable.values()) else StyleOptions()
        for style, takes in adjustable.items()
    }
    for style, its in own.items():
        check_style(style, its)
    return own
