"""Pictures as Python programs hold them: paths, PIL images, arrays and tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from realtime.errors import InputError

if TYPE_CHECKING:
    import torch

Picture = Any
"""A path, a `PIL.Image.Image`, a uint8 array (H, W, 3), or a tensor (3, H, W): uint8, or floating point in 0..1."""


def as_rgb(picture: Picture) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """A picture as an RGB array, and what turns an array of the same size into the picture's own type.

    Args:
        picture: see `Picture`. A path gives back an array; a PIL image keeps its alpha channel; a tensor keeps its type
            and device.

    Returns:
        (H, W, 3) uint8 RGB, and a function from such an array to the type of `picture`.

    Raises:
        InputError: it is no picture, or a file cannot be read.
    """
    if isinstance(picture, str | Path):
        from realtime.media.files.stills import read_image

        return read_image(Path(picture)), lambda rgb: rgb
    if isinstance(picture, Image.Image):
        return _from_pil(picture)
    if isinstance(picture, np.ndarray):
        return picture, lambda rgb: rgb
    import torch

    if isinstance(picture, torch.Tensor):
        return _from_tensor(picture)
    raise InputError(f"a picture must be a path, a PIL image, an array or a tensor, not {type(picture).__name__}")


def _from_pil(picture: Image.Image) -> tuple[np.ndarray, Callable[[np.ndarray], Image.Image]]:
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None

    def back(rgb: np.ndarray) -> Image.Image:
        styled = Image.fromarray(rgb)
        if alpha is not None:
            styled.putalpha(alpha)
        return styled

    return np.asarray(picture.convert("RGB")), back


def _from_tensor(picture: torch.Tensor) -> tuple[np.ndarray, Callable[[np.ndarray], torch.Tensor]]:
    import torch

    floating = picture.is_floating_point()
    if picture.ndim != 3 or picture.shape[0] != 3 or not (floating or picture.dtype == torch.uint8):
        raise InputError(
            f"a tensor must be (3, height, width), uint8 or floating point in 0..1, not {tuple(picture.shape)} "
            f"{picture.dtype}"
        )
    codes = (picture.detach().float() * 255).round().clamp(0, 255).to(torch.uint8) if floating else picture

    def back(rgb: np.ndarray) -> torch.Tensor:
        styled = torch.from_numpy(rgb).permute(2, 0, 1).contiguous()
        return (styled.to(picture.dtype) / 255 if floating else styled).to(picture.device)

    return codes.permute(1, 2, 0).contiguous().cpu().numpy(), back
