"""`restyle webcam`."""

from __future__ import annotations

from typing import Annotated

import typer

from realtime.cli.common import DEFAULT_STYLE, STYLE_HELP, check_style, print_json, say, say_notes, warn
from realtime.memory import keep_collections_short
from realtime.options import ConsoleOptions, EngineOptions, LiveOptions, StyleOptions


def webcam(
    options: LiveOptions,
    style_options: StyleOptions,
    engine: EngineOptions,
    console: ConsoleOptions,
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            "-s",
            metavar="STYLE",
            help=f"{STYLE_HELP} Several for the keys 1 to 9. [default: {DEFAULT_STYLE}]",
            rich_help_panel="Picture",
        ),
    ] = None,
) -> None:
    """Restyle a camera, a stream or a screen, live. The key h in the window lists the keys."""
    if engine.batch not in (None, 1):
        raise typer.BadParameter("--batch: live pictures go one at a time.")
    styles = style or [DEFAULT_STYLE]
    for one in styles:
        check_style(one, style_options)
    from realtime.jobs.live.webcam import run_live

    keep_collections_short()
    summary = run_live(styles, options, engine, style_options, announce=None if console.quiet else say)
    if not console.quiet:
        latency = summary.latency_ms
        say(
            f"{summary.frames_out} pictures shown, {summary.dropped} dropped, {summary.fps:.1f} fps,"
            f" latency {latency.p50:.0f} ms (95 %: {latency.p95:.0f} ms); {summary.end}"
        )
        for recording in summary.recordings:
            sound = f"sound in {recording.sound}" if recording.sound else "no sound"
            say(f"{recording.path}: {recording.frames} pictures, {recording.seconds:.1f} s, {sound}")
        say_notes(summary.notes)
    warn(summary)
    if console.json:
        print_json(summary.to_json())
    if summary.end == "interrupted":
        raise KeyboardInterrupt
