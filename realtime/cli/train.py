"""`restyle train`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.cli.common import Debug, Device, Json, Overwrite, PrecisionName, Quiet, Threads, clock, print_json, say

if TYPE_CHECKING:
    from realtime.training.trainer import StepReport


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--layer-weights {text!r}: four numbers with commas between are wanted.") from None


def train(
    style_image: Annotated[Path, typer.Argument(metavar="STYLE_IMAGE", help="The painting.", show_default=False)],
    content: Annotated[
        Path, typer.Option("--content", metavar="DIR", help="Pictures to learn on, searched to the bottom.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The .safetensors file to write.")],
    features: Annotated[
        Path | None, typer.Option("--features", metavar="FILE", help="VGG-19 weights. [default: torchvision's]")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, metavar="N", help="Steps of the whole run.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=1, metavar="N", help="Pictures a step.")] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=64, metavar="PX", help="Side of the crops, a multiple of 8.")
    ] = None,
    margin: Annotated[
        int | None, typer.Option("--margin", min=0, metavar="PX", help="Around the crops; seen, not scored.")
    ] = None,
    smallest_crop: Annotated[
        float | None, typer.Option("--smallest-crop", metavar="SHARE", help="Least share of a picture in a crop.")
    ] = None,
    variants: Annotated[
        int | None, typer.Option("--variants", min=1, metavar="N", help="Crops of each picture, used in turn.")
    ] = None,
    layer_weights: Annotated[
        str | None, typer.Option("--layer-weights", metavar="A,B,C,D", help="Of relu1_1, relu2_1, relu3_1, relu4_1.")
    ] = None,
    temporal: Annotated[
        float | None, typer.Option("--temporal", min=0, metavar="W", help="Weight of steadiness under motion.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", min=0, metavar="SIGMA", help="Sensor noise between the views, 0 to 1.")
    ] = None,
    tv: Annotated[float | None, typer.Option("--tv", min=0, metavar="W", help="Weight of total variation.")] = None,
    content_weight: Annotated[
        float | None, typer.Option("--content-weight", min=0, metavar="W", help="Weight of the content.")
    ] = None,
    style_weight: Annotated[
        float | None, typer.Option("--style-weight", min=0, metavar="W", help="Weight of the style.")
    ] = None,
    style_size: Annotated[
        int | None, typer.Option("--style-size", min=64, metavar="PX", help="Short side of the painting.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", metavar="LR", help="Peak learning rate.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Title of the painting.")] = None,
    artist: Annotated[str | None, typer.Option("--artist", metavar="TEXT", help="Who painted it.")] = None,
    year: Annotated[int | None, typer.Option("--year", metavar="N", help="When.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="STYLE", help="A trained style to start from.")] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, metavar="N", help="Stop after so long, to be resumed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is writing OUTPUT.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of everything random.")] = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    precision: Annotated[PrecisionName, typer.Option("--precision", help="Number format of the training.")] = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a style from a painting and photographs. Ctrl-C stops it; --resume goes on."""
    from realtime.training.config import TrainConfig
    from realtime.training.trainer import train as run

    chosen: dict[str, Any] = {
        "features": features,
        "steps": steps,
        "batch": batch,
        "size": size,
        "temporal": temporal,
        "noise": noise,
        "tv": tv,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "margin": margin,
        "smallest_crop": smallest_crop,
        "variants": variants,
        "layer_weights": None if layer_weights is None else _numbers(layer_weights),
        "style_size": style_size,
        "learning_rate": learning_rate,
        "title": title,
        "artist": artist,
        "year": year,
        "start": start,
        "minutes": minutes,
        "seed": seed,
    }
    config = TrainConfig(
        style_image=style_image,
        content=content,
        output=output,
        resume=resume,
        overwrite=overwrite,
        device=device,
        precision=precision,
        threads=threads,
        # What was not asked for is left to the configuration, whose defaults are the recipe.
        **{name: value for name, value in chosen.items() if value is not None},
    )
    summary = run(config, None if quiet else _reporter())
    if not quiet:
        rest = "" if summary["finished"] else "; go on with --resume"
        say(
            f"{summary['output']}: step {summary['steps']} after {clock(summary['seconds'])}"
            f" on {summary['device']}, {summary['precision']}{rest}"
        )
    if json:
        print_json(summary)
    if summary["interrupted"]:
        raise typer.Exit(130)


def _reporter() -> Callable[[StepReport], None]:
    """What says every ten seconds how a run stands."""
    last = float("-inf")

    def report(now: StepReport) -> None:
        nonlocal last
        if time.monotonic() - last < 10 and now.step < now.steps:
            return
        last = time.monotonic()
        losses = "  ".join(f"{name} {value:.4g}" for name, value in now.losses.items())
        left = f"  {clock(now.seconds_left)} left" if now.seconds_left is not None else ""
        say(f"step {now.step}/{now.steps}  {losses}{left}")

    return report
