"""A contact sheet: one picture in every style, to choose by looking."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.engines.painter import FramePainter
from realtime.errors import InputError
from realtime.jobs.pictures import paint_pictures
from realtime.media.convert.rgb import resize_image

LINE = 30
"""Pixels below each picture for its name."""

GAP = 8


def contact_sheet(
    picture: np.ndarray,
    names: Sequence[str],
    *,
    width: int = 480,
    columns: int | None = None,
    open_style: Callable[[str], FramePainter] = FramePainter,
    progress: Callable[[str], None] | None = None,
) -> np.ndarray:
    """A picture as it is and in every style, each with its name below.

    Args:
        picture: (H, W, 3) uint8 RGB.
        names: styles, in the order of the sheet.
        width: of one picture in the sheet, in pixels; the styles work at this size.
        columns: of the sheet; None makes it about as wide as high.
        open_style: opens the style of a name.
        progress: called with each name before its style works.

    Returns:
        (H', W', 3) uint8 RGB.

    Raises:
        InputError: there is no style to show, or a number is out of range.
        StyleError: a style cannot be loaded.
    """
    if not names:
        raise InputError("a contact sheet needs at least one style")
    if width < 64 or (columns is not None and columns < 1):
        raise InputError(f"width {width}, columns {columns}: at least 64 pixels and one column are needed")
    height = max(16, round(picture.shape[0] * width / picture.shape[1]))
    small = resize_image(picture, (width, height))
    cells = [("source", small)]
    for name in names:
        if progress:
            progress(name)
        with open_style(name) as painter:
            cells.append((name, next(paint_pictures(painter, [small]))))
    if columns is None:
        shapes = {n: n * width / (-(-len(cells) // n) * (height + LINE)) for n in range(1, len(cells) + 1)}
        columns = min(shapes, key=lambda n: abs(math.log(shapes[n])))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + LINE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=18)
    for n, (name, cell) in enumerate(cells):
        x, y = GAP + n % columns * (width + GAP), GAP + n // columns * (height + LINE + GAP)
        sheet.paste(Image.fromarray(cell), (x, y))
        draw.text((x + width / 2, y + height + LINE / 2), name, fill="black", font=font, anchor="mm")
    return np.asarray(sheet)
