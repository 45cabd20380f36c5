"""Still images: files to RGB and back, and RGB to frames and back."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, MediaError, RestyleError
from ..frames import ColorTags, Frame, Matrix, Range, rgb_to_codes
from . import opencv

_SPACE_CODES: Mapping[str, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
_JPEG_QUALITY = 95
MAX_SIDE = 16384


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
    even = rgb
    if height % 2 or width % 2:
        even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    # The mean is linear: averaging RGB first takes a quarter of the arithmetic.
    size = (even.shape[1] // 2, even.shape[0] // 2)
    small = cv2.resize(even.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    chroma = np.clip(np.rint(cv2.transform(small, forward[1:])), 0, 255).astype(np.uint8)
    chroma = chroma.reshape(size[1], size[0], 2)
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
    planes = np.empty((height, width, 3), np.float32)
    planes[..., 0] = frame.y
    for index, plane in ((1, frame.u), (2, frame.v)):
        small = np.ascontiguousarray(plane).astype(np.float32)
        full = cv2.resize(small, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
        planes[..., index] = full[:height, :width]
    rgb = cv2.transform(planes, backward)
    out: np.ndarray = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return out


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """An image file as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Raises:
        MediaError: the file is missing, a folder, unreadable, or not an image.
    """
    cv2 = opencv.load()

    name = os.fspath(path)
    try:
        # Read here, not in OpenCV, which cannot open every file name on every system and does not say why it failed.
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise MediaError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise MediaError(f"{name}: is a folder, not an image") from None
    except OSError as error:
        raise MediaError(f"{name}: cannot be read ({error.strerror})") from None
    if not data:
        raise MediaError(f"{name}: the file is empty")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise MediaError(f"{name}: not an image that can be read, or damaged")
    return np.ascontiguousarray(bgr[..., ::-1])


def check_image_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Say early whether `write_image` could write there.

    Raises:
        InputError: no folder, no such format, or the file exists and must not be replaced.
    """
    cv2 = opencv.load()

    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: the folder {target.parent} cannot be written to")
    if not target.suffix or not cv2.haveImageWriter("x" + target.suffix):
        raise InputError(f"{target}: cannot write {target.suffix or 'a file without extension'}; use .png or .jpg")
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists; use --overwrite to replace it")


def write_image(path: str | os.PathLike[str], rgb: np.ndarray, *, overwrite: bool = False) -> None:
    """Write (H, W, 3) uint8 RGB as an image; the extension names the format. The file appears whole or not at all.

    Raises:
        InputError: see `check_image_target`.
        RestyleError: writing fails.
    """
    cv2 = opencv.load()

    check_image_target(path, overwrite=overwrite)
    target = Path(path)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if target.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        done, data = cv2.imencode(target.suffix, np.ascontiguousarray(rgb[..., ::-1]), options)
    except cv2.error as error:
        raise RestyleError(f"{target}: cannot be encoded ({error.err})") from None
    if not done:
        raise RestyleError(f"{target}: cannot be encoded")
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.part{target.suffix}")
    try:
        temporary.write_bytes(data.tobytes())
        os.replace(temporary, target)
    except OSError as error:
        raise RestyleError(f"{target}: writing failed ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


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
