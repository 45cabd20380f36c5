"""`restyle paint`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import bar, clock, every, print_json, say, say_notes, warn
from realtime.options import ConsoleOptions, PaintingOptions
from realtime.results import PaintedClipSummary, PaintingProgress, PaintingSummary


def _paths(paths: list[Path]) -> list[Path]:
    if len(paths) < 3:
        raise typer.BadParameter("give CONTENT, at least one STYLE_IMAGE, and the OUTPUT to write.")
    return paths


def paint(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="CONTENT STYLE_IMAGE... OUTPUT",
            help="A photograph or a clip, one or more paintings, and the file to write.",
            show_default=False,
            callback=_paths,
        ),
    ],
    *,
    options: PaintingOptions,
    console: ConsoleOptions,
) -> None:
    """Paint a photograph or a clip by optimising the picture itself. This needs no trained style, and takes minutes.

    Options replace the values of the preset; docs/painting.md describes the presets and when to use which.
    A clip keeps its sound and times; each frame begins as the previous one was painted.

    \b
    --gram           G, A: Gram matrices F F^T / pixels, of C channels
      gatys          sum (G-A)^2 / 4C^2       (Gatys: 4 (HW)^2 C^2)
      chw            mean (G/C - A/C)^2
      pixels         mean (G-A)^2
      relative       sum (G-A)^2 / sum A^2    (the same for any network)
    --content-error  gatys: sum / 2CHW; mean; variance: mean / variance
    """
    from realtime.painting.paint import paint as run

    content, *styles, output = paths
    with _progress(show=not console.quiet) as report:
        summary = run(content, styles, output, options, report=report)
    if not console.quiet:
        _summarise(summary)
    warn(summary)
    if console.json:
        print_json(summary.to_json())


def _summarise(summary: PaintingSummary) -> None:
    width, height = summary.size
    first, last = (summary.losses[when]["total"] for when in ("first", "last"))
    what = f"{summary.frames} frames, " if isinstance(summary, PaintedClipSummary) else ""
    say(
        f"{summary.output}: {what}{width}x{height}, {summary.steps} steps in {clock(summary.seconds)} on"
        f" {summary.device}, {summary.precision}; loss {first:.4g} to {last:.4g}"
    )
    if scores := summary.scores:
        say(f"scores: content {scores.content:.3f}  style {scores.style:.3f}  local {scores.local:.3f}")
    say_notes(summary.notes)
    if isinstance(summary, PaintedClipSummary):
        say_notes(summary.converted, "converted")
        say_notes(summary.dropped, "left out")


def _text(now: PaintingProgress) -> str:
    """The progress in a line."""
    width, height = now.size
    frame = f"frame {now.frame}/{now.frames or '?'}  " if now.frames != 1 else ""
    losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
    done = now.share if now.frames == 1 else (now.frame - 1 + now.share) / now.frames if now.frames else 0.0
    left = f"  {clock(now.seconds * (1 - done) / done)} left" if done > 0.01 else ""
    return f"{frame}{width}x{height}  step {now.step}/{now.steps}  {losses}{left}"


@contextmanager
def _progress(*, show: bool) -> Iterator[Callable[[PaintingProgress], None] | None]:
    """A function to call after each step: draws a bar on a terminal, and elsewhere prints a line every ten seconds."""
    with bar(show=show) as draw:
        due = every(0.1 if draw else 10)

        def tell(now: PaintingProgress) -> None:
            if not due():
                return
            if draw:
                draw(now.share, 1.0, _text(now))
            else:
                say(_text(now))

        yield tell if show else None
