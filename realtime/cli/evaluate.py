"""`restyle evaluate`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from realtime.cli.common import (
    Backend,
    Batch,
    Debug,
    Device,
    Json,
    Precision,
    Quiet,
    Threads,
    announce,
    make_stylizer,
    print_json,
    say,
)


def evaluate(
    style: Annotated[
        str, typer.Argument(metavar="STYLE", help="A name from `restyle styles`, or a .safetensors file.")
    ],
    content: Annotated[
        Path, typer.Option("--content", metavar="DIR", help="Pictures to measure on, searched to the bottom.")
    ],
    style_image: Annotated[Path, typer.Option("--style-image", metavar="IMG", help="The painting.")],
    features: Annotated[
        Path | None, typer.Option("--features", metavar="FILE", help="VGG-19 weights. [default: torchvision's]")
    ] = None,
    video: Annotated[Path | None, typer.Option("--video", metavar="FILE", help="A clip to measure flicker on.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Pictures at most, by name.")] = 64,
    frames: Annotated[int, typer.Option("--frames", min=2, metavar="N", help="Frames of the clip at most.")] = 40,
    save: Annotated[bool, typer.Option("--save", help="Write the scores into the style's file.")] = False,
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE.md", help="Write the style's card; needs --save.")
    ] = None,
    picture: Annotated[
        str | None, typer.Option("--picture", metavar="PATH", help="The picture to show in it, as seen from there.")
    ] = None,
    backend: Backend = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    batch: Batch = None,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure a style: content, style, grid, flicker and cost.

    Less is better. G are Gram matrices of VGG-19 features, O_t the frames of the stylised clip.

    \b
    content         mean square error at relu4_1 / variance of the source's relu4_1
    layers          |G_out - G_style|^2 / |G_style|^2 at relu1_1, 2_1, 3_1, 4_1
    style           mean of layers
    style_scale     short side of the painting (256, 384, 512 or 768 px) that suits
                    the outputs best; style, layers and local are measured there
    local           style over tiles of 128 px: low only if style is everywhere
    tv              mean square difference of neighbouring pixels, across + down
    grid            luma spectrum at periods of 2, 8/3, 4 and 8 px / that around
                    them (about 1: no grid); median over pictures
    e_warp          sqrt(mean |O_t - warp(O_t-1)|^2) where both are in sight, by
                    the optical flow (DIS) of the source; needs --video
    static          the same where nothing moves
    macs_per_pixel  multiply-accumulates for one pixel
    params          trained values
    images, pairs   pictures and pairs of frames measured
    untouched       the same of the sources themselves
    """
    from realtime.errors import InputError
    from realtime.training.evaluate import evaluate as run
    from realtime.training.evaluate import save_metrics
    from realtime.transnet.gallery import find_style

    if card is not None and not save:
        raise typer.BadParameter("--card needs --save: a card says what the style's file says.")
    stylizer = make_stylizer(
        style, backend=backend, device=device, precision=precision, batch=batch, threads=threads, faithful=True
    )
    if stylizer.foreign:
        raise InputError(f"{style}: was not made by restyle; its cost and size are not known here")
    if not quiet:
        announce(stylizer)
    scores = run(
        stylizer,
        content,
        style_image,
        features=features,
        video=video,
        limit=limit,
        frames=frames,
        progress=None if quiet else _reporter(),
    )
    result = scores.to_dict()
    if save:
        path = find_style(style)
        clip = {"video": video.name} if video else {}
        saved = save_metrics(
            path, scores, style_image=style_image.name, features=features.name if features else None, **clip
        )
        if card is not None:
            from realtime.training.card import write_card

            write_card(saved, card, picture=picture)
    if not quiet:
        for name, value in result.items():
            say(f"{name}: {value if value is not None else 'not measured'}")
        if save:
            say(f"saved in {path}")
    if json:
        print_json(result)


def _reporter() -> Callable[[str, int, int], None]:
    """What says every ten seconds how far the measuring is."""
    last = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            say(f"{what} {done}/{total}")

    return report
