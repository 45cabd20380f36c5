"""What the commands share: the style's option, messages, the progress bar and the JSON line."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.errors import one_line

if TYPE_CHECKING:
    from realtime.options import StyleOptions
    from realtime.results import BatchSummary, PicturesSummary, Progress, VideoSummary
    from realtime.style.reference import StyleReference

DEFAULT_STYLE = "starry-night"

STYLE_HELP = (
    "A name from `restyle styles`, a picture, a checkpoint (.safetensors), an exported network (.onnx), or a blend:"
    " great-wave:0.6+my.jpg:0.4."
)
"""What STYLE may be, as the help of every command says it."""


@dataclass(slots=True)
class State:
    """What the options say about the whole command line.

    Attributes:
        debug: tracebacks are shown.
    """

    debug: bool = False


_STYLE = typer.Option("--style", "-s", metavar="STYLE", help=STYLE_HELP, rich_help_panel="Picture")

Style = Annotated[str, _STYLE]

StyleUnlessTimeline = Annotated[str | None, _STYLE]
"""The style of a command that also takes a timeline."""

StyleArgument = Annotated[str, typer.Argument(metavar="STYLE", help=STYLE_HELP)]


def check_style(style: str, options: StyleOptions) -> StyleReference:
    """Refuses a wrong style before anything heavy is imported.

    Returns:
        what it names.

    Raises:
        InputError: see `realtime.style.check.check_style`.
    """
    from realtime.style import check

    return check.check_style(style, options)


def say(text: str) -> None:
    """Writes a line to stderr."""
    print(text, file=sys.stderr, flush=True)


class _Saying(logging.Handler):
    """Says what is logged, each message in one line of stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Says a message."""
        say(one_line(record.getMessage()))


@contextmanager
def style_messages(*, show: bool) -> Iterator[None]:
    """Says what `realtime.style` tells of work that takes a while."""
    logger, handler = logging.getLogger("realtime.style"), _Saying()
    before = logger.level
    if show:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def print_json(result: Mapping[str, Any]) -> None:
    """Writes an object as one line to stdout. Paths become text."""
    sys.stderr.flush()
    print(json.dumps(result, default=str, ensure_ascii=False), flush=True)


def say_notes(notes: Iterable[str], title: str = "note") -> None:
    """Says each note in a line of its own."""
    for note in notes:
        say(f"{title}: {one_line(note)}")


def say_summary(summary: VideoSummary) -> None:
    """Says what a run on a video has done, where the time went, and what is worth knowing about the output."""
    stages = ", ".join(f"{name} {stage.busy_seconds:.1f} s" for name, stage in summary.stages.items())
    say(
        f"{summary.output}: {summary.frames} frames in {summary.seconds:.1f} s, {summary.fps:.1f} fps"
        f" (busy: {stages}; encoder {summary.encoder})"
    )
    say_notes(summary.notes)
    say_notes(summary.converted, "converted")
    say_notes(summary.dropped, "left out")


def warn(result: Any) -> None:
    """Says the warnings of a result."""
    say_notes(result.warnings, "warning")


def finish(result: BatchSummary | PicturesSummary, *, json: bool) -> None:
    """Prints the JSON where it is wanted, and ends with exit code 1 where a file has failed."""
    if json:
        print_json(result.to_json())
    if result.failed:
        raise typer.Exit(1)


def refuse_existing(output: Path, overwrite: bool) -> None:
    """Refuses an output that exists, before any work is done for it.

    Raises:
        MediaError: it exists, and may not be overwritten.
    """
    from realtime.errors import MediaError

    if output.exists() and not overwrite:
        raise MediaError(f"{output} exists; choose another output, or add --overwrite")


def every(seconds: float) -> Callable[[], bool]:
    """A function that is true at its first call, and then whenever this time has passed since it was true."""
    last = float("-inf")

    def due() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < seconds:
            return False
        last = now
        return True

    return due


@contextmanager
def bar(*, show: bool) -> Iterator[Callable[[float, float | None, str], None] | None]:
    """A bar with a text on stderr.

    Yields:
        a function that draws it (done, of all, text); None where there is no terminal, or no bar is wanted.
    """
    if not (show and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    # Drawn when it is called, without a thread of its own.
    columns = (BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as drawn:
        task = drawn.add_task("", total=None, text="")
        yield lambda done, of, text: drawn.update(task, completed=done, total=of, text=text, refresh=True)


@contextmanager
def progress_bar(*, show: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on stderr with frames, fps, and the time left (or the time so far, where the length is unknown).

    Yields:
        what to call with each state of the run; None where there is no bar.
    """
    with bar(show=show) as draw:
        yield draw and (lambda now: draw(now.frames, now.total, progress_text(now)))


def progress_text(now: Progress) -> str:
    """Frames, fps and the time left, or the time so far where the total is unknown."""
    if now.total is None:
        return f"{now.frames} frames  {now.fps:.1f} fps  {clock(now.seconds)} gone"
    left = clock(max(0, now.total - now.frames) / now.fps) if now.fps > 0 else "-:--"
    return f"{now.frames}/{now.total} frames  {now.fps:.1f} fps  {left} left"


def clock(seconds: float) -> str:
    """A duration as M:SS or H:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
