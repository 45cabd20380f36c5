"""Reads a picture whose style is to be taken, and prepares it: upright, in sRGB, on white, at a small size."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from realtime.errors import MediaError
from realtime.media.convert.rgb import resize_image
from realtime.media.files.stills import Picture, read_picture

SIDE = 256
"""Short side in pixels of a prepared picture."""

LONGEST = 2
"""Long side of a prepared picture, relative to the short one. What is beyond, at both ends, is left out."""

SMALLEST_SIDE = 16
"""Pixels that a picture must have on each side."""

MOST_PIXELS_SIDE = 8192
"""Pictures of more than twice the pixels of a square of this side are refused: they would need gigabytes of memory."""

MOST_BYTES = 512 * 2**20
"""Largest file of a picture."""

PREPARATION = 1
"""Number of the way in which pictures are prepared; goes into the cache's keys."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")
"""Pillow's names of the formats that are taken: those that other programs need not be started for."""

_BAND = 512
"""Rows that are laid on white at once."""


def is_picture(path: Path) -> bool:
    """Whether the content of a file begins as a picture does, whatever its name. It may be damaged further on."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS):
                return True
    except Image.DecompressionBombError:
        return True  # and `read_painting` says that it is too large
    except Exception:  # damaged headers make Pillow raise many kinds of errors
        return False


def read_painting(path: Path, side: int = SIDE) -> np.ndarray:
    """The picture of a file as the network that takes any painting wants it.

    Upright by its EXIF orientation; CMYK, gray, palettes and 16 bits become RGB with 8 bits; a colour profile is
    converted to sRGB; transparent parts become white; of an animation the first frame is taken. The middle of a long
    picture is taken (see `LONGEST`).

    Args:
        path: the file.
        side: wanted short side in pixels; `SIDE` for the network.

    Returns:
        (H, W, 3) uint8 RGB of this short side. Not to be written to.

    Raises:
        MediaError: the file is missing, no picture, damaged, too large, too small, or wholly transparent.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from None
    if status.st_size > MOST_BYTES:
        raise MediaError(f"{path}: {status.st_size / 2**20:.0f} MiB is too large for a picture")
    return _read(path, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns), side)


@lru_cache(maxsize=4)
def _read(path: Path, state: tuple[int, ...], side: int) -> np.ndarray:
    """Remembered, since a picture is looked at before torch is imported, and used after. `state` is the file's."""
    picture = read_picture(path, longest_side=MOST_PIXELS_SIDE, least_short_side=2 * side)
    height, width = picture.rgb.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise MediaError(
            f"{path}: {width}x{height} pixels are too few to take a style from; {SMALLEST_SIDE} or more are needed on"
            " each side"
        )
    if picture.alpha is not None and not picture.alpha.any():
        raise MediaError(f"{path}: is wholly transparent: there is nothing to take a style from")
    rows, columns = (_middle(n, LONGEST * min(height, width)) for n in (height, width))
    rgb = picture.rgb[rows, columns]
    if picture.alpha is not None:
        rgb = _on_white(rgb, picture.alpha[rows, columns])
    rgb = _in_srgb(resize_image(rgb, side), picture)
    rgb.setflags(write=False)
    return rgb


def _middle(length: int, most: int) -> slice:
    """The middle of a side, at most `most` pixels of it."""
    begin = max(0, length - most) // 2
    return slice(begin, begin + min(length, most))


def _on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    laid = np.empty(rgb.shape, np.uint8)
    for top in range(0, len(rgb), _BAND):  # whole pictures would need much memory
        band = slice(top, top + _BAND)
        a = alpha[band, :, None].astype(np.uint16)
        laid[band] = (rgb[band] * a + 255 * (255 - a) + 127) // 255
    return laid


def _in_srgb(rgb: np.ndarray, picture: Picture) -> np.ndarray:
    """The colours by the picture's profile; as they are where it has none that can be used."""
    if picture.icc is None:
        return rgb
    from PIL import Image, ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.icc))
        image = ImageCms.profileToProfile(Image.fromarray(rgb), profile, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return rgb
    return np.array(image)
