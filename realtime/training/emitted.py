"""What `learn` begins with: the network that is emitted for a painting."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from realtime.options import StyleOptions
from realtime.training.data import load_picture
from realtime.transnet.gallery import any_painting_files
from realtime.transnet.hypernetwork import PAINT, PICTURE_SIDE, STROKE, load_any_painting, load_encoder
from realtime.transnet.network import TransNet


def amounts(options: StyleOptions) -> tuple[float, float]:
    """How much paint and how large strokes, with the defaults where they are not given."""
    return (
        PAINT if options.paint is None else options.paint,
        STROKE if options.stroke is None else options.stroke,
    )


def emitted_network(painting: Path, options: StyleOptions) -> tuple[TransNet, dict[str, Any]]:
    """The network for a painting, in eval mode, and how it was made, as its recipe says it.

    Raises:
        InputError: the file is no picture that can be used.
        StyleError: the network that takes any painting is missing or damaged.
    """
    rgb = load_picture(painting, PICTURE_SIDE)[None].float() / 255
    network_file, encoder_file = any_painting_files()
    network, card = load_any_painting(network_file)
    with torch.no_grad():
        statistics = network.statistics(load_encoder(encoder_file)(rgb))[0]
    paint, stroke = amounts(options)
    made = {"any_painting": card.version, "paint": paint, "stroke": stroke}
    pictures = [{"name": painting.name, "sha256": file_digest(painting)}]
    return network.emit(statistics, paint, stroke), {**made, "pictures": pictures}


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
