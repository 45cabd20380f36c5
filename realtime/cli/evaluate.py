"""`restyle evaluate`."""

from __future__ import annotations

from collections.abc import Callable

from realtime.cli.common import StyleArgument, check_style, every, print_json, say
from realtime.errors import InputError
from realtime.options import ConsoleOptions, EngineOptions, EvaluateOptions, StyleOptions


def evaluate(
    style: StyleArgument,
    *,
    options: EvaluateOptions,
    style_options: StyleOptions,
    engine: EngineOptions,
    console: ConsoleOptions,
) -> None:
    """Measure a style: content, style, grid, flicker and cost.

    Less is better. G are Gram matrices of VGG-19 features, O_t the frames of the stylised clip.

    \b
    content         mean square error at relu4_1 / variance of the source's relu4_1
    layers          |G_out - G_style|^2 / |G_style|^2 at relu1_1, 2_1, 3_1, 4_1
    style           mean of layers
    style_scale     short side of the painting (256, 384, 512 or 768 px) with the
                    lowest style; style, layers and local are measured there
    local           style over tiles of 128 px: low only if style is everywhere
    tv              mean square difference of neighbouring pixels, across + down
    grid            luma spectrum at periods of 2, 8/3, 4 and 8 px / that around
                    them (about 1: no grid); median over pictures
    e_warp          sqrt(mean |O_t - warp(O_t-1)|^2) over pixels visible in both
                    frames, by the optical flow (DIS) of the source; needs --video
    static          the same where nothing moves
    macs_per_pixel  multiply-accumulates for one pixel
    params          trained values
    images, pairs   pictures and pairs of frames measured
    untouched       the same of the sources themselves
    """
    o = options
    reference = check_style(style, style_options)
    if o.save and reference.is_emitted:
        raise InputError(f"--save: {reference.name} is made from a picture and has no file that could hold scores")
    from realtime.stylizer import Stylizer
    from realtime.training.evaluate import evaluate as run
    from realtime.training.evaluate import save_metrics

    with Stylizer(style, engine, style_options, allow_int8=False) as stylizer:
        if stylizer.painter.foreign:
            raise InputError(f"{style}: was not made by restyle; its cost and size are not known")
        if not console.quiet:
            say(f"{stylizer.style.label}: {stylizer.description}")
        path = stylizer.painter.path
        scores = run(
            stylizer,
            o.content,
            o.style_image,
            features=o.features,
            video=o.video,
            limit=o.limit,
            frames=o.frames,
            report=None if console.quiet else _reporter(),
        )
    if o.save:
        files = {"style_image": o.style_image.name, "features": o.features.name if o.features else None}
        saved = save_metrics(path, scores, **files, **({"video": o.video.name} if o.video else {}))
        if o.card is not None:
            from realtime.training.card import write_card

            write_card(saved, o.card, picture=o.picture)
    result = scores.to_json()
    if not console.quiet:
        for name, value in result.items():
            say(f"{name}: {value if value is not None else 'not measured'}")
        if o.save:
            say(f"saved in {path}")
    if console.json:
        print_json(result)


def _reporter() -> Callable[[str, int, int], None]:
    """Prints the progress of the measurement every ten seconds."""
    due = every(10)

    def report(what: str, done: int, total: int) -> None:
        if due():
            say(f"{what} {done}/{total}")

    return report
