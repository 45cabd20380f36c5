"""Previews of a run: some content pictures above what the network makes of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.utils import save_image

from realtime.errors import InputError
from realtime.training.data import Picture, picture_tensor
from realtime.training.objective import Texture, stylise_rgb
from realtime.transnet.checkpoint import write_atomically
from realtime.transnet.network import TransNet

_FORMATS = {".png": "PNG", ".jpg": "JPEG"}

HEIGHT, WIDTH = 360, 480
"""Pixels of one picture."""


@torch.no_grad()
def write_preview(network: TransNet, pictures: Sequence[Picture], target: Path, device: torch.device) -> Tensor | None:
    """Write up to four of the pictures above their results, in the format that the file's name says.

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
    texture = Texture(network.architecture.texture, device)
    for item in pictures[:: max(1, len(pictures) // 4)][:4]:
        try:
            picture = picture_tensor(item, HEIGHT)[:, :, :WIDTH].float().to(device) / 255
        except InputError:
            continue  # reported when its crops are read
        h, w = (s // 8 * 8 for s in picture.shape[1:])
        picture = picture[None, :, :h, :w]
        result = stylise_rgb(network, picture, texture(torch.zeros(1, 2), picture)).clamp(0, 1)
        pairs.append(nn.functional.pad(torch.cat([picture, result], 2), (0, WIDTH - w)))
    if not pairs:
        return None
    sheet = torch.cat(pairs, 3)[0]
    file = io.BytesIO()
    save_image(sheet, file, format=_FORMATS[target.suffix])
    write_atomically(target, file.getvalue())
    return sheet
