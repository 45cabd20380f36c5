"""Pictures between arrays of bytes and tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from realtime.frames import rgb_to_codes


def to_rgb(picture: Tensor) -> np.ndarray:
    """(1, 3, H, W) in 0..1 as (H, W, 3) uint8."""
    out: np.ndarray = (picture[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return out


def with_colors_of(source: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The brightness of one picture with the colours of another: the source's R'G'B' moved by the difference of luma
    (BT.601; Gatys et al. 2016, arXiv 1606.05897).

    Args:
        source, painted: (H, W, 3) uint8.
    """
    luma = rgb_to_codes("bt601", "full")[0][0] / 255
    change = painted.astype(np.float32) @ luma.astype(np.float32) - source.astype(np.float32) @ luma.astype(np.float32)
    out: np.ndarray = np.clip(np.rint(source + change[..., None]), 0, 255).astype(np.uint8)
    return out
