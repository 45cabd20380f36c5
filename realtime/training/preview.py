"""Previews of a run: some content pictures above what the network makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from realtime.errors import InputError, RestyleError
from realtime.training.data import load_picture
from realtime.training.objective import stylise_rgb

HEIGHT, WIDTH = 360, 480
"""Pixels of one picture."""


@torch.no_grad()
def write_preview(network: nn.Module, pictures: Sequence[Path], target: Path, device: torch.device) -> Tensor | None:
    """Write a PNG of up to four of the pictures above their results.

    Args:
        network: on the device.
        pictures: those that cannot be read are left out.
        target: the file to write.
        device: where the network is.

    Returns:
        the sheet, (3, H, W) in 0..1; None where no picture can be read.

    Raises:
        RestyleError: it cannot be written.
    """
    pairs = []
    for path in pictures[:: max(1, len(pictures) // 4)][:4]:
        try:
            picture = load_picture(path, HEIGHT)[:, :, :WIDTH].float().to(device) / 255
        except InputError:
            continue  # reported when its crops are read
        h, w = (s // 8 * 8 for s in picture.shape[1:])
        picture = picture[None, :, :h, :w]
        result = stylise_rgb(network, picture).clamp(0, 1)
        pairs.append(nn.functional.pad(torch.cat([picture, result], 2), (0, WIDTH - w)))
    if not pairs:
        return None
    sheet = torch.cat(pairs, 3)[0]
    try:
        save_image(sheet, target)
    except OSError as error:
        raise RestyleError(f"{target}: cannot be written: {error}") from error
    return sheet
