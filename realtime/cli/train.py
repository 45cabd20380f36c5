"""`restyle train`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from realtime.cli.common import (
    Debug,
    Device,
    Json,
    LossNetworkOption,
    Overwrite,
    Quiet,
    Threads,
    clock,
    print_json,
    say,
)

if TYPE_CHECKING:
    from realtime.training.trainer import StepReport
    from realtime.transnet.network import Architecture


TrainPrecision = Literal["auto", "fp32", "bf16", "fp16"]


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers with commas between; "none" is an empty list, and an option not given is None."""
    if text is None:
        return None
    try:
        return () if text == "none" else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{option} {text!r}: numbers with commas between are wanted.") from None


def _whole(option: str, text: str | None) -> tuple[int, ...] | None:
    numbers = _numbers(option, text)
    if numbers is None:
        return None
    if any(n != int(n) for n in numbers):
        raise typer.BadParameter(f"{option} {text!r}: whole numbers are wanted.")
    return tuple(int(n) for n in numbers)


def train(
    style_image: Annotated[Path, typer.Argument(metavar="STYLE_IMAGE", help="The painting.", show_default=False)],
    content: Annotated[
        Path, typer.Option("--content", metavar="DIR", help="Pictures to learn on, searched to the bottom.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The .safetensors file to write.")],
    loss_network: LossNetworkOption = "vgg19",
    features: Annotated[
        Path | None, typer.Option("--features", metavar="FILE", help="Its weights. [default: torchvision's]")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, metavar="N", help="Steps of the whole run.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="STYLE", help="A trained style to start from, as large or smaller.")
    ] = None,
    until: Annotated[
        int | None, typer.Option("--until", min=1, metavar="STEP", help="Stop after this step, to be resumed.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0, metavar="N", help="Stop after so long, to be resumed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is writing OUTPUT.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of everything random.")] = None,
    log_dir: Annotated[
        Path | None, typer.Option("--log-dir", metavar="DIR", help="Write logs for TensorBoard there.")
    ] = None,
    style_weight: Annotated[
        float | None,
        typer.Option("--style-weight", min=0, metavar="W", help="Weight of the style."),
    ] = None,
    style_ramp: Annotated[
        float | None,
        typer.Option("--style-ramp", metavar="SHARE", help="Part of the run in which that weight grows."),
    ] = None,
    content_weight: Annotated[
        float | None,
        typer.Option("--content-weight", min=0, metavar="W", help="Weight of the content."),
    ] = None,
    style_size: Annotated[
        int | None,
        typer.Option("--style-size", min=64, metavar="PX", help="Short side of the painting."),
    ] = None,
    temporal: Annotated[
        float | None,
        typer.Option("--temporal", min=0, metavar="W", help="Weight of steadiness under motion."),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option("--noise", min=0, metavar="SIGMA", help="Sensor noise between the views, 0 to 1."),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(
            "--clips",
            metavar="DIR",
            help="Real clips: every second step takes its motion from them.",
        ),
    ] = None,
    flow: Annotated[
        str | None,
        typer.Option("--flow", metavar="dis|raft", help="How the motion in them is estimated."),
    ] = None,
    grid: Annotated[
        float | None,
        typer.Option("--grid", min=0, metavar="W", help="Weight of patterns at the network's cells."),
    ] = None,
    local_style: Annotated[
        float | None,
        typer.Option("--local-style", min=0, metavar="W", help="Weight of the style in each tile of 128 px."),
    ] = None,
    gamut: Annotated[
        float | None,
        typer.Option("--gamut", min=0, metavar="W", help="Weight of values that no screen can show."),
    ] = None,
    tv: Annotated[
        float | None,
        typer.Option("--tv", min=0, metavar="W", help="Weight of total variation."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", metavar="STYLE", help="A larger trained style to learn from."),
    ] = None,
    teacher_weight: Annotated[
        float | None,
        typer.Option("--teacher-weight", min=0, metavar="W", help="Weight of what it shows."),
    ] = None,
    adversarial: Annotated[
        float | None,
        typer.Option(
            "--adversarial",
            min=0,
            metavar="W",
            help="Weight of a discriminator of painted patches.",
        ),
    ] = None,
    layer_weights: Annotated[
        str | None,
        typer.Option(
            "--layer-weights",
            metavar="A,B,C,D",
            help="Style at relu1_1, relu2_1, relu3_1, relu4_1; 0 leaves one out.",
        ),
    ] = None,
    content_layers: Annotated[
        str | None,
        typer.Option("--content-layers", metavar="A,B,C,D", help="The same for the content."),
    ] = None,
    style_pool: Annotated[
        int | None,
        typer.Option("--style-pool", min=1, metavar="N", help="Crops that share one Gram matrix."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", min=64, metavar="PX", help="Side of the crops, a multiple of 8."),
    ] = None,
    margin: Annotated[
        int | None,
        typer.Option("--margin", min=0, metavar="PX", help="Around the crops; seen, not scored."),
    ] = None,
    smallest_crop: Annotated[
        float | None,
        typer.Option("--smallest-crop", metavar="SHARE", help="Least share of a picture in a crop."),
    ] = None,
    variants: Annotated[
        int | None,
        typer.Option("--variants", min=1, metavar="N", help="Crops of each picture, used in turn."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option("--batch", min=1, metavar="N", help="Pictures at once, a device."),
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option("--accumulate", min=1, metavar="N", help="Batches that make a step."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", metavar="LR", help="Peak learning rate."),
    ] = None,
    freeze_norm: Annotated[
        float | None,
        typer.Option(
            "--freeze-norm",
            metavar="SHARE",
            help="Part of the run after which batch norms are constants.",
        ),
    ] = None,
    width: Annotated[int | None, typer.Option("--width", min=1, metavar="N", help="Channels at 1/4 size.")] = None,
    body: Annotated[int | None, typer.Option("--body", min=1, metavar="N", help="Channels of the body.")] = None,
    dilations: Annotated[
        str | None,
        typer.Option("--dilations", metavar="A,B,...", help="One residual block for each."),
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(
            "--norm",
            metavar="instance|batch|layer|none",
            help="Instance norm looks at the whole picture; batch norm becomes constants.",
        ),
    ] = None,
    contours: Annotated[
        str | None,
        typer.Option("--contours", metavar="A,B,...|none", help="Periods of the contour planes."),
    ] = None,
    convolution: Annotated[
        str | None,
        typer.Option("--convolution", metavar="plain|depthwise", help="Of the blocks."),
    ] = None,
    cell: Annotated[
        int | None,
        typer.Option("--cell", metavar="8|4", help="The body works at 1/8 or 1/4 size."),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Title.")] = None,
    artist: Annotated[str | None, typer.Option("--artist", metavar="TEXT", help="Who painted it.")] = None,
    year: Annotated[int | None, typer.Option("--year", metavar="N", help="When.")] = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    precision: Annotated[TrainPrecision, typer.Option("--precision", help="Number format of the training.")] = "auto",
    grad_checkpoint: Annotated[bool, typer.Option("--grad-checkpoint", help="Less memory, a third slower.")] = False,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a style from a painting and photographs. Ctrl-C stops it; --resume goes on.

    On several GPUs or machines: torchrun --nproc-per-node 4 -m realtime.cli train ...
    """
    from realtime.training.config import TrainConfig
    from realtime.training.trainer import is_main_process
    from realtime.training.trainer import train as run

    chosen: dict[str, Any] = {
        "features": features,
        "steps": steps,
        "start": start,
        "until": until,
        "minutes": minutes,
        "seed": seed,
        "log_dir": log_dir,
        "style_weight": style_weight,
        "style_ramp": style_ramp,
        "content_weight": content_weight,
        "style_size": style_size,
        "temporal": temporal,
        "noise": noise,
        "clips": clips,
        "flow": flow,
        "grid": grid,
        "local_style": local_style,
        "gamut": gamut,
        "tv": tv,
        "teacher": teacher,
        "teacher_weight": teacher_weight,
        "adversarial": adversarial,
        "layer_weights": _numbers("--layer-weights", layer_weights),
        "content_layers": _numbers("--content-layers", content_layers),
        "style_pool": style_pool,
        "size": size,
        "margin": margin,
        "smallest_crop": smallest_crop,
        "variants": variants,
        "batch": batch,
        "accumulate": accumulate,
        "learning_rate": learning_rate,
        "freeze_norm": freeze_norm,
        "title": title,
        "artist": artist,
        "year": year,
    }
    network: dict[str, Any] = {
        "width": width,
        "body": body,
        "dilations": _whole("--dilations", dilations),
        "norm": norm,
        "contours": _whole("--contours", contours),
        "convolution": convolution,
        "cell": cell,
    }
    config = TrainConfig(
        style_image=style_image,
        content=content,
        output=output,
        architecture=_architecture(start, {k: v for k, v in network.items() if v is not None}),
        resume=resume,
        overwrite=overwrite,
        loss_network=loss_network,
        device=device,
        precision=precision,
        threads=threads,
        grad_checkpoint=grad_checkpoint,
        # What was not asked for is left to the configuration, whose defaults are the recipe.
        **{name: value for name, value in chosen.items() if value is not None},
    )
    summary = run(config, None if quiet else _reporter())
    if not is_main_process():
        return  # the first process speaks for all
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


def _architecture(start: str | None, chosen: dict[str, Any]) -> Architecture:
    """What the options say; what they leave open is that of the style to start from, or the default."""
    from dataclasses import replace

    from realtime.training.config import NETWORK
    from realtime.transnet.checkpoint import read_card
    from realtime.transnet.gallery import find_style

    known = NETWORK if start is None else read_card(find_style(start)).architecture
    try:
        return replace(known, **chosen)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
