"""Still images: files to RGB and back, and RGB to frames and back."""

from __future__ import annotations

import io
import os
import secrets
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import InputError, MediaError, RestyleError
from realtime.frames import ColorTags, Frame, Matrix, Range, chroma_shape, rgb_to_codes
from realtime.media import opencv

_SPACE_CODES: Mapping[str, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
_JPEG_QUALITY = 95
MAX_SIDE = 16384
_BAND = 512
"""Rows converted at once, an even number: all of a large picture as floating-point numbers would fill the memory."""


def rgb_to_ycbcr_matrix(matrix: Matrix, value_range: Range) -> np.ndarray:
    """(3, 4) float64: rows Y, Cb, Cr; columns R, G, B (0..255) and a constant; the result is in 8-bit code values."""
    m, t = rgb_to_codes(matrix, value_range)
    return np.hstack([m / 255, t[:, None]])


def frame_from_rgb(rgb: np.ndarray, *, matrix: Matrix = "bt709", value_range: Range = "full") -> Frame:
    """A picture as 4:2:0 planes; chroma is the mean of each 2 x 2 block.

    Args:
        rgb: (H, W, 3) uint8.
        matrix, value_range: what the planes are to mean. Full range keeps all 256 steps.

    Raises:
        ValueError: wrong shape or dtype.
    """
    cv2 = opencv.load()

    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        raise ValueError(f"(H, W, 3) uint8 is needed, not {rgb.shape} {rgb.dtype}")
    height, width = rgb.shape[:2]
    forward = rgb_to_ycbcr_matrix(matrix, value_range).astype(np.float32)
    y = cv2.transform(rgb, forward[:1])
    chroma = np.empty((*chroma_shape(height, width), 2), np.uint8)
    for top in range(0, height, _BAND):
        band = rgb[top : top + _BAND]
        if band.shape[0] % 2 or width % 2:
            band = np.pad(band, ((0, band.shape[0] % 2), (0, width % 2), (0, 0)), mode="edge")
        # The mean is linear: averaging RGB first takes a quarter of the arithmetic.
        size = (band.shape[1] // 2, band.shape[0] // 2)
        small = cv2.resize(band.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        codes = np.clip(np.rint(cv2.transform(small, forward[1:])), 0, 255)
        chroma[top // 2 : top // 2 + size[1]] = codes.reshape(size[1], size[0], 2)
    color = ColorTags(matrix, value_range, _SPACE_CODES[matrix], _SPACE_CODES[matrix], _SPACE_CODES[matrix])
    return Frame(
        y.reshape(height, width),
        np.ascontiguousarray(chroma[..., 0]),
        np.ascontiguousarray(chroma[..., 1]),
        color=color,
    )


def rgb_from_frame(frame: Frame) -> np.ndarray:
    """A frame as (H, W, 3) uint8 RGB, by its own matrix and range; chroma is interpolated linearly."""
    cv2 = opencv.load()

    height, width = frame.y.shape
    rows, columns = frame.u.shape
    forward = rgb_to_ycbcr_matrix(frame.color.matrix, frame.color.range)
    inverse = np.linalg.inv(forward[:, :3])
    backward = np.hstack([inverse, -inverse @ forward[:, 3:]]).astype(np.float32)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _BAND):
        bottom = min(height, top + _BAND)
        planes = np.empty((bottom - top, width, 3), np.float32)
        planes[..., 0] = frame.y[top:bottom]
        # One more row of chroma above and below: what interpolation looks at.
        first, last = max(0, top // 2 - 1), min(rows, -(-bottom // 2) + 1)
        for index, plane in ((1, frame.u), (2, frame.v)):
            small = np.ascontiguousarray(plane[first:last]).astype(np.float32)
            full = cv2.resize(small, (2 * columns, 2 * (last - first)), interpolation=cv2.INTER_LINEAR)
            planes[..., index] = full[top - 2 * first : bottom - 2 * first, :width]
        out[top:bottom] = np.clip(np.rint(cv2.transform(planes, backward)), 0, 255)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image file's content.

    Attributes:
        rgb: (H, W, 3) uint8, upright.
        alpha: (H, W) uint8; None where the file has no transparency.
        exif: the file's EXIF block without orientation and layout, as Pillow writes it; None without one.
        icc: the colour profile that `rgb` is meant in; None where the file has none, or one of another kind of colour.
        notes: what was changed in reading, in words.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """An image file as (H, W, 3) uint8 RGB, turned as its EXIF orientation says; see `read_picture`.

    Raises:
        MediaError: the file is missing, a folder, unreadable, or not an image.
    """
    return read_picture(path).rgb


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """An image file: 8 or 16 bits (16 become 8), gray, palette, RGB or CMYK, with what else it holds.

    Raises:
        MediaError: the file is missing, a folder, unreadable, not an image, or of a kind that has no colours.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = os.fspath(path)
    try:
        # Read here, not in Pillow, which does not say why it failed as plainly.
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise MediaError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise MediaError(f"{name}: is a folder, not an image") from None
    except OSError as error:
        raise MediaError(f"{name}: cannot be read ({error.strerror})") from None
    if not data:
        raise MediaError(f"{name}: the file is empty")
    Image.MAX_IMAGE_PIXELS = MAX_SIDE**2  # Pillow refuses twice that; its own limit is below what we paint
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which are welcome, and of odd metadata
            with Image.open(io.BytesIO(data)) as opened:
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
    kept = icc if icc and icc[16:20] == b"RGB " else None
    return Picture(rgb, alpha, exif, kept, notes)


_LAYOUT_TAGS = frozenset(
    (*range(254, 260), 262, 266, 273, 274, *range(277, 282), 284, 317, 320, *range(322, 326), 330, 338, 339, 347)
) | {513, 514, 529, 530, 531, 532, 34675}
"""TIFF's tags of how the pixels lie in the file, with the orientation and the colour profile: the writer's own."""


def _exif(image: Any) -> bytes | None:
    exif = image.getexif()
    for tag in _LAYOUT_TAGS & set(exif):
        del exif[tag]
    return exif.tobytes() if len(exif) else None


def _as_rgb(image: Any, icc: bytes | None, name: str) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Pixels as RGB and alpha, and what that changed."""
    mode, notes = image.mode, []
    if mode.startswith("I"):
        codes = np.asarray(image).astype(np.int32)
        if codes.min() < 0 or codes.max() > 65535:
            raise MediaError(f"{name}: its values do not fit into 16 bits")
        gray = ((codes + 128) // 257).astype(np.uint8)
        return np.repeat(gray[..., None], 3, 2), None, ("16 bits were rounded to 8",)
    if mode == "F":
        raise MediaError(f"{name}: holds floating-point numbers, of which no file says what is white")
    alpha = None
    if "A" in mode.upper().replace("LAB", "") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = np.array(image.getchannel("A"))
    elif mode == "CMYK":
        notes.append("CMYK was converted to RGB")
        if icc and (converted := _from_profile(image, icc)) is not None:
            image = converted
        elif icc:
            notes.append("its colour profile is not of use: the colours are approximate")
    return np.array(image.convert("RGB")), alpha, tuple(notes)


def _from_profile(image: Any, icc: bytes) -> Any:
    """CMYK as sRGB by its own profile; None where the profile is not of use."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


_FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": _JPEG_QUALITY}),
    ".jpeg": ("JPEG", {"quality": _JPEG_QUALITY}),
    ".png": ("PNG", {"compress_level": 3}),
    ".webp": ("WEBP", {"lossless": True, "quality": 50}),  # of effort here, not of the picture
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
    ".bmp": ("BMP", {}),
    ".ppm": ("PPM", {}),
}
_WITH_ALPHA = frozenset({"PNG", "WEBP", "TIFF"})
_WITH_TAGS = frozenset({"JPEG", "PNG", "WEBP", "TIFF"})


def check_image_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Say early whether `write_image` could write there.

    Raises:
        InputError: no folder, no such format, or the file exists and must not be replaced.
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
    """Write (H, W, 3) uint8 RGB as an image; see `write_picture`.

    Raises:
        InputError: see `check_image_target`.
        RestyleError: writing fails.
    """
    write_picture(path, Picture(rgb), overwrite=overwrite)


def write_picture(path: str | os.PathLike[str], picture: Picture, *, overwrite: bool = False) -> list[str]:
    """Write an image; the extension names the format. The file appears whole or not at all.

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
    tags = {"exif": picture.exif, "icc_profile": picture.icc}
    given = {name: value for name, value in tags.items() if value is not None}
    if given and kind not in _WITH_TAGS:
        lost.append(f"metadata was left out: {target.suffix} cannot hold it")
        given = {}
    if kind == "TIFF" and picture.exif is not None:
        options = {}  # Pillow writes EXIF into TIFF files without compression only
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


IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""What is taken for an image in a folder."""


def find_images(inputs: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Files as they are given, and of each folder the images in it, sorted by name.

    Raises:
        MediaError: a folder has no images.
    """
    found: list[Path] = []
    for given in map(Path, inputs):
        if not given.is_dir():
            found.append(given)
            continue
        inside = sorted(p for p in given.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        if not inside:
            raise MediaError(f"{given}: no images in this folder ({', '.join(sorted(IMAGE_SUFFIXES))})")
        found += inside
    return found


def resize_image(rgb: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 RGB with a new short side in pixels, or of a new (width, height).

    Raises:
        InputError: the size is not positive, or too large.
    """
    cv2 = opencv.load()

    height, width = rgb.shape[:2]
    if isinstance(size, int):
        scale = size / min(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if min(size) < 1 or max(size) > MAX_SIDE:
        raise InputError(f"--size {size[0]}x{size[1]}: sides from 1 to {MAX_SIDE} pixels are possible")
    shrinks = size[0] * size[1] < width * height
    resized: np.ndarray = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized


def resize_picture(picture: Picture, size: int | tuple[int, int]) -> Picture:
    """A picture and its transparency at another size; see `resize_image`.

    Raises:
        InputError: the size is not positive, or too large.
    """
    rgb = resize_image(picture.rgb, size)
    if picture.alpha is None:
        return replace(picture, rgb=rgb)
    height, width = rgb.shape[:2]
    alpha = resize_image(np.repeat(picture.alpha[..., None], 3, 2), (width, height))
    return replace(picture, rgb=rgb, alpha=alpha[..., 0])
