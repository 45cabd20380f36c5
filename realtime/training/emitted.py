"""What `learn` begins with: the network that is emitted for a painting, and the painting as the losses see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from realtime.options import StyleOptions
from realtime.style.painting import read_painting
from realtime.style.resolve import style_network
from realtime.transnet.network import TransNet


def emitted_network(painting: Path, options: StyleOptions) -> tuple[TransNet, dict[str, Any]]:
    """The network for a painting, in eval mode, and how it was made: its recipe.

    Raises:
        InputError: the file is no picture that can be used.
        StyleError: the network that takes any painting is missing or damaged.
    """
    amounts = StyleOptions(paint=options.paint, stroke=options.stroke)
    network, card = style_network(painting.absolute(), amounts)  # absolute: a file, whatever the gallery's names are
    return network, card.recipe


def painting_tensor(painting: Path, side: int) -> Tensor:
    """The painting with this short side, (3, H, W) uint8 RGB; read as the emitting network sees it.

    Raises:
        MediaError: see `read_painting`.
    """
    return torch.from_numpy(read_painting(painting, side).copy()).permute(2, 0, 1)
