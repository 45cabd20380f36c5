"""`restyle paint`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from realtime.cli.common import (
    Debug,
    Device,
    End,
    Json,
    KeepColor,
    LossNetworkOption,
    Overwrite,
    Quiet,
    Start,
    Threads,
    clock,
    print_json,
    refuse_existing,
    say,
    warn,
)
from realtime.errors import one_line

if TYPE_CHECKING:
    from realtime.painting.recipes import Recipe
    from realtime.painting.studio import PaintProgress

# The same as in realtime.painting, which cannot be imported here: it needs torch, and help must not wait for it.
PresetName = Literal["gatys", "guide", "keras", "five-layer"]
GramName = Literal["gatys", "chw", "pixels", "relative"]
ContentErrorName = Literal["gatys", "mean", "variance"]

EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


def _paths(paths: list[Path]) -> list[Path]:
    if len(paths) < 3:
        raise typer.BadParameter("give CONTENT, at least one STYLE_IMAGE, and the OUTPUT to write.")
    return paths


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        raise typer.BadParameter(f"{text!r}: numbers with commas between are wanted.") from None


def _scales(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    if text == "none":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"--scales {text!r}: whole numbers with commas between, or none, are wanted."
        ) from None


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
    preset: Annotated[PresetName, typer.Option("--preset", help="The recipe; see docs/painting.md.")] = "gatys",
    steps: Annotated[int | None, typer.Option("--steps", min=1, metavar="N", help="At each scale.")] = None,
    size: Annotated[int | None, typer.Option("--size", metavar="SHORT", help="Output's short side in pixels.")] = None,
    scales: Annotated[
        str | None, typer.Option("--scales", metavar="A,B,...|none", help="Short sides, painted one after the other.")
    ] = None,
    optimizer: Annotated[
        Literal["adam", "lbfgs"] | None, typer.Option("--optimizer", help="What takes the steps.", show_default=False)
    ] = None,
    init: Annotated[
        Literal["content", "noise"] | None, typer.Option("--init", help="Where it starts.", show_default=False)
    ] = None,
    content_weight: Annotated[
        float | None, typer.Option("--content-weight", min=0, metavar="W", help="Weight of the content.")
    ] = None,
    style_weight: Annotated[
        float | None, typer.Option("--style-weight", min=0, metavar="W", help="Weight of the style.")
    ] = None,
    tv: Annotated[float | None, typer.Option("--tv", min=0, metavar="W", help="Weight of total variation.")] = None,
    content_layers: Annotated[
        str | None,
        typer.Option("--content-layers", metavar="NAME[:W],...", help="relu3_1:0.5; or torchvision's index, 10:0.5."),
    ] = None,
    style_layers: Annotated[
        str | None, typer.Option("--style-layers", metavar="NAME[:W],...", help="The same for the style.")
    ] = None,
    gram: Annotated[
        GramName | None, typer.Option("--gram", help="How Gram matrices are normalised.", show_default=False)
    ] = None,
    content_error: Annotated[
        ContentErrorName | None,
        typer.Option("--content-error", help="How content errors are normalised.", show_default=False),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="LR", help="Of a range of 0 to 1.")
    ] = None,
    beta1: Annotated[float | None, typer.Option("--beta1", metavar="B", help="Adam's first decay.")] = None,
    beta2: Annotated[float | None, typer.Option("--beta2", metavar="B", help="Adam's second decay.")] = None,
    epsilon: Annotated[float | None, typer.Option("--epsilon", metavar="E", help="Adam's epsilon.")] = None,
    clip: Annotated[
        float | None, typer.Option("--clip", min=0, metavar="N", help="Bound of the gradient's norm; 0: none.")
    ] = None,
    clamp: Annotated[
        bool | None, typer.Option("--clamp/--no-clamp", help="To the range after each step.", show_default=False)
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", metavar="SIGMA", help="Standard deviation of the noise to start from.")
    ] = None,
    blend: Annotated[
        str | None, typer.Option("--blend", metavar="A,B,...", help="Shares of the paintings. [default: equal]")
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option("--mask", metavar="IMG", help="Where the style goes, white; once, or once for each painting."),
    ] = None,
    style_scale: Annotated[
        float, typer.Option("--style-scale", metavar="X", help="Size of the paintings against the picture's.")
    ] = 1.0,
    keep_color: KeepColor = False,
    loss_network: LossNetworkOption = "vgg19",
    features: Annotated[
        Path | None, typer.Option("--features", metavar="FILE", help="Its weights. [default: torchvision's]")
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option("--tile", min=128, metavar="PX", help="Add gradients up over tiles: little memory, more time."),
    ] = None,
    grad_checkpoint: Annotated[bool, typer.Option("--grad-checkpoint", help="Less memory, a third slower.")] = False,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], typer.Option("--precision", help="Number format of the loss network.")
    ] = "auto",
    device: Device = "auto",
    threads: Threads = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the noise.")] = 0,
    preview: Annotated[
        Path | None, typer.Option("--preview", metavar="IMG", help="Write the painting there as it grows.")
    ] = None,
    preview_every: Annotated[int, typer.Option("--preview-every", min=1, metavar="N", help="In steps.")] = 50,
    frame_steps: Annotated[
        int | None,
        typer.Option("--frame-steps", min=1, metavar="N", help="Clips: steps of frames after a scene's first."),
    ] = None,
    temporal: Annotated[
        float, typer.Option("--temporal", min=0, metavar="W", help="Clips: weight of steadiness.")
    ] = 1.0,
    start: Start = None,
    end: End = None,
    encoder: Annotated[str, typer.Option("--encoder", metavar="auto|NAME", help="Clips: video encoder.")] = "auto",
    quality: Annotated[
        float | None, typer.Option("--quality", metavar="N", help="Clips: the encoder's CRF or CQ.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Paint a photograph or a clip by optimising the picture itself. No trained style is needed; it takes minutes.

    Options take the place of the preset's values; docs/painting.md has the presets and tells when to use which.
    A clip keeps its sound and times; each frame begins as the last one was painted.

    \b
    --gram           G, A: Gram matrices F F^T / pixels, of C channels
      gatys          sum (G-A)^2 / 4C^2       (Gatys: 4 (HW)^2 C^2)
      chw            mean (G/C - A/C)^2
      pixels         mean (G-A)^2
      relative       sum (G-A)^2 / sum A^2    (the same for any network)
    --content-error  gatys: sum / 2CHW; mean; variance: mean / variance
    """
    from realtime.painting.clip import is_clip, paint_clip
    from realtime.painting.config import PaintConfig
    from realtime.painting.still import paint_still

    content, *styles, output = paths
    recipe = _recipe(
        preset,
        content=content_layers,
        style=style_layers,
        scales=_scales(scales),
        clip=clip,
        steps=steps,
        optimizer=optimizer,
        start=init,
        content_weight=content_weight,
        style_weight=style_weight,
        tv=tv,
        gram=gram,
        content_error=content_error,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        clamp=clamp,
        noise=noise,
    )
    config = PaintConfig(
        content=content,
        styles=tuple(styles),
        output=output,
        recipe=recipe,
        size=size,
        shares=_numbers(blend),
        masks=tuple(mask or ()),
        style_scale=style_scale,
        keep_color=keep_color,
        loss_network=loss_network,
        features=features,
        tile=tile,
        grad_checkpoint=grad_checkpoint,
        precision=precision,
        device=device,
        threads=threads,
        seed=seed,
        preview=preview,
        preview_every=preview_every,
        overwrite=overwrite,
        frame_steps=frame_steps,
        temporal=temporal,
        start=start,
        end=end,
        encoder=encoder,
        quality=quality,
    )
    refuse_existing(output, overwrite)
    moving = is_clip(content)
    if not moving and (start is not None or end is not None):
        raise typer.BadParameter("--start and --end are for clips.")
    with _progress(show=not quiet) as report:
        summary = (paint_clip if moving else paint_still)(config, report)
    if not quiet:
        _summarise(summary)
    warn(summary)
    if json:
        print_json(summary)


def _recipe(
    preset: PresetName,
    *,
    content: str | None,
    style: str | None,
    scales: tuple[int, ...] | None,
    clip: float | None,
    **values: Any,
) -> Recipe:
    """A preset with the options' values in the place of its own."""
    from dataclasses import replace

    from realtime.painting.recipes import find_preset, parse_layers

    recipe = find_preset(preset).changed(
        content=parse_layers(content) if content is not None else None,
        style=parse_layers(style) if style is not None else None,
        scales=scales,
        clip=clip or None,
        **values,
    )
    return replace(recipe, clip=None) if clip == 0 else recipe


def _summarise(summary: dict[str, Any]) -> None:
    width, height = summary["size"]
    first, last = summary["losses"]["first"]["total"], summary["losses"]["last"]["total"]
    what = f"{summary['frames']} frames, " if "frames" in summary else ""
    say(
        f"{summary['output']}: {what}{width}x{height}, {summary['steps']} steps in {clock(summary['seconds'])} on"
        f" {summary['device']}, {summary['precision']}; loss {first:.4g} to {last:.4g}"
    )
    if scores := summary["scores"]:
        say(f"scores: content {scores['content']:.3f}  style {scores['style']:.3f}  local {scores['local']:.3f}")
    for kind, title in (("notes", "note"), ("converted", "converted"), ("dropped", "left out")):
        for text in summary.get(kind, ()):
            say(f"{title}: {one_line(text)}")


def _text(now: PaintProgress) -> str:
    """Where a painting is, in a line."""
    width, height = now.size
    frame = f"frame {now.frame}/{now.frames or '?'}  " if now.frames != 1 else ""
    losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
    done = now.share if now.frames == 1 else (now.frame - 1 + now.share) / now.frames if now.frames else 0.0
    left = f"  {clock(now.seconds * (1 - done) / done)} left" if done > 0.01 else ""
    return f"{frame}{width}x{height}  step {now.step}/{now.steps}  {losses}{left}"


@contextmanager
def _progress(*, show: bool) -> Iterator[Callable[[PaintProgress], None] | None]:
    """What to call with each step: draws a bar on a terminal, and elsewhere says a line every ten seconds."""
    if not show:
        yield None
        return
    last = float("-inf")
    if not sys.stderr.isatty():

        def tell(now: PaintProgress) -> None:
            nonlocal last
            if time.monotonic() - last >= EVERY:
                last = time.monotonic()
                say(_text(now))

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(
        BarColumn(), TextColumn("{task.fields[text]}"), console=Console(stderr=True), auto_refresh=False, transient=True
    ) as bar:
        task = bar.add_task("", total=1.0, text="")

        def draw(now: PaintProgress) -> None:
            nonlocal last
            if time.monotonic() - last >= 0.1:
                last = time.monotonic()
                bar.update(task, completed=now.share, text=_text(now), refresh=True)

        yield draw
