"""Image files: reading and writing stills, with transparency, EXIF and colour profile."""

from __future__ import annotations

import io
import os
import secrets
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import InputError, MediaError, RestyleError
from realtime.frames import MAX_SIDE
from realtime.media.convert.rgb import resize_image
from realtime.media.files.inputs import Paths, find_files

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Files in a folder with these extensions are images."""

_FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
    ".png": ("PNG", {"compress_level": 3}),
    ".webp": ("WEBP", {"lossless": True, "quality": 50}),  # for lossless files, quality is the effort
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
    ".bmp": ("BMP", {}),
    ".ppm": ("PPM", {}),
}
_WITH_ALPHA = frozenset({"PNG", "WEBP", "TIFF"})
_WITH_TAGS = frozenset({"JPEG", "PNG", "WEBP", "TIFF"})
_LAYOUT_TAGS = frozenset(
    (*range(254, 260), 262, 266, 273, 274, *range(277, 282), 284, 317, 320, *range(322, 326), 330, 338, 339, 347)
) | {513, 514, 529, 530, 531, 532, 34675}
"""TIFF tags that are the writer's own: layout of the pixels, orientation, colour profile."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Content of an image file."""

    rgb: np.ndarray  # (H, W, 3) uint8, upright
    alpha: np.ndarray | None = None  # (H, W) uint8
    exif: bytes | None = None  # without orientation and layout, as Pillow writes it
    icc: bytes | None = None  # colour profile, where it is one for RGB
    notes: tuple[str, ...] = ()  # what was changed in reading, in words


def find_images(inputs: Paths) -> list[Path]:
    """List files as given, and the images of folders and patterns; see `find_files`."""
    return find_files(inputs, IMAGE_SUFFIXES, "images")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB, upright; see `read_picture`."""
    return read_picture(path).rgb


def read_picture(
    path: str | os.PathLike[str], *, longest_side: int = MAX_SIDE, least_short_side: int | None = None
) -> Picture:
    """Read an image file: gray, palette, RGB or CMYK, with 8 or 16 bits (16 become 8), upright by its EXIF orientation.

    Args:
        path: the file.
        longest_side: more than twice the pixels of a square of this side, and the file is refused.
        least_short_side: a JPEG file may be decoded at 1/2, 1/4 or 1/8 of its size, which is quicker and needs less
            memory, as long as its short side keeps this many pixels; None: at its full size.

    Raises:
        MediaError: the file is missing, a folder, unreadable, too large, or not an image in colours or gray.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = os.fspath(path)
    data = _read_file(Path(path))
    Image.MAX_IMAGE_PIXELS = longest_side**2  # Pillow refuses twice that; its default is below what we process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large pictures, which are fine, and about odd metadata
            with Image.open(io.BytesIO(data)) as opened:
                if least_short_side is not None:
                    opened.draft(None, (least_short_side, least_short_side))
                opened.load()
                icc = opened.info.get("icc_profile")
                image = ImageOps.exif_transpose(opened)
                exif = _exif(opened)
            rgb, alpha, notes = _as_rgb(image, icc, name)
    except (UnidentifiedImageError, SyntaxError):
        raise MediaError(f"{name}: not an image that can be read, or damaged") from None
    except Image.DecompressionBombError as error:
        raise MediaError(f"{name}: too large: {error}") from None
    except (OSError, ValueError, struct.error, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise MediaError(f"{name}: not an image that can be read, or damaged ({error})") from None
    return Picture(rgb, alpha, exif, icc if icc and icc[16:20] == b"RGB " else None, notes)


def _read_file(path: Path) -> bytes:
    """The bytes of a file. Pillow's own messages for files that cannot be read are less plain."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise MediaError(f"{path}: is a folder, not an image") from None
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from None
    if not data:
        raise MediaError(f"{path}: the file is empty")
    return data


def _exif(image: Any) -> bytes | None:
    exif = image.getexif()
    for tag in _LAYOUT_TAGS & set(exif):
        del exif[tag]
    return exif.tobytes() if len(exif) else None


def _as_rgb(image: Any, icc: bytes | None, name: str) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Pixels as RGB and alpha, and notes on what that changed."""
    mode, notes = image.mode, []
    if mode.startswith("I"):
        codes = np.asarray(image).astype(np.int32)
        if codes.min() < 0 or codes.max() > 65535:
            raise MediaError(f"{name}: its values do not fit into 16 bits")
        gray = ((codes + 128) // 257).astype(np.uint8)
        return np.repeat(gray[..., None], 3, 2), None, ("16 bits were rounded to 8",)
    if mode == "F":
        raise MediaError(f"{name}: holds floating-point numbers without a known white; save it with 8 or 16 bits")
    alpha = None
    if "A" in mode.upper().replace("LAB", "") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = np.array(image.getchannel("A"))
    elif mode == "CMYK":
        notes.append("CMYK was converted to RGB")
        if icc and (converted := _from_profile(image, icc)) is not None:
            image = converted
        elif icc:
            notes.append("its colour profile cannot be used: the colours are approximate")
    return np.array(image.convert("RGB")), alpha, tuple(notes)


def _from_profile(image: Any, icc: bytes) -> Any:
    """CMYK as sRGB by its own profile; None where the profile cannot be used."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def check_image_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Check that `write_image` can write there.

    Raises:
        InputError: there is no such folder, it is read-only, the extension is unknown, or the file exists already.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: the folder {target.parent} cannot be written to")
    if target.suffix.lower() not in _FORMATS:
        raise InputError(
            f"{target}: cannot write {target.suffix or 'a file without extension'}; use {', '.join(_FORMATS)}"
        )
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists; use --overwrite to replace it")


def write_image(path: str | os.PathLike[str], rgb: np.ndarray, *, overwrite: bool = False) -> None:
    """Write (H, W, 3) uint8 RGB as an image file; see `write_picture`."""
    write_picture(path, Picture(rgb), overwrite=overwrite)


def write_picture(path: str | os.PathLike[str], picture: Picture, *, overwrite: bool = False) -> list[str]:
    """Write an image file, whole or not at all; the extension names the format.

    Returns:
        what of the picture the format cannot hold, in words.

    Raises:
        InputError: see `check_image_target`.
        RestyleError: writing fails.
    """
    from PIL import Image

    check_image_target(path, overwrite=overwrite)
    target = Path(path)
    kind, options = _FORMATS[target.suffix.lower()]
    image, lost = Image.fromarray(np.ascontiguousarray(picture.rgb)), []
    if picture.alpha is not None:
        if kind in _WITH_ALPHA:
            image.putalpha(Image.fromarray(np.ascontiguousarray(picture.alpha)))
        else:
            lost.append(f"transparency was left out: {target.suffix} cannot hold it")
    given = {k: v for k, v in {"exif": picture.exif, "icc_profile": picture.icc}.items() if v is not None}
    if given and kind not in _WITH_TAGS:
        lost.append(f"metadata was left out: {target.suffix} cannot hold it")
        given = {}
    if kind == "TIFF" and picture.exif is not None:
        options = {}  # Pillow writes EXIF only into TIFF files without compression
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.part{target.suffix}")
    try:
        with temporary.open("wb") as file:
            image.save(file, kind, **options, **given)
        os.replace(temporary, target)
    except OSError as error:
        raise RestyleError(f"{target}: writing failed ({error.strerror or error})") from error
    except (ValueError, RuntimeError, struct.error) as error:
        raise RestyleError(f"{target}: cannot be encoded ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return lost


def resize_picture(picture: Picture, size: int | tuple[int, int]) -> Picture:
    """Resize a picture and its transparency; see `resize_image`."""
    rgb = resize_image(picture.rgb, size)
    if picture.alpha is None:
        return replace(picture, rgb=rgb)
    height, width = rgb.shape[:2]
    alpha = resize_image(np.repeat(picture.alpha[..., None], 3, 2), (width, height))
    return replace(picture, rgb=rgb, alpha=alpha[..., 0])
