"""Networks for pictures, made by the network that takes any painting (`realtime.transnet.hypernetwork`)."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from realtime.options import StyleOptions
from realtime.style import cache
from realtime.style.painting import read_painting
from realtime.transnet.checkpoint import StyleCard, write_atomically
from realtime.transnet.gallery import any_painting_files
from realtime.transnet.hypernetwork import (
    PAINT,
    STROKE,
    AnyPaintingCard,
    Encoder,
    HyperNetwork,
    load_any_painting,
    load_encoder,
    statistics_count,
)
from realtime.transnet.network import TransNet

ORIGIN = "any_painting"
"""Key of a checkpoint's recipe: the version of the network that takes any painting that its weights come from. Only
networks of one origin can be blended."""

_STATISTICS = "statistics"


def any_painting() -> tuple[HyperNetwork, AnyPaintingCard]:
    """The network that takes any painting, loaded when it is first needed.

    Raises:
        StyleError: its file is missing or damaged.
    """
    path = any_painting_files()[0]
    return _any_painting(path, cache.file_digest(path))


@lru_cache(maxsize=1)
def _any_painting(path: Path, digest: str) -> tuple[HyperNetwork, AnyPaintingCard]:
    return load_any_painting(path)


@lru_cache(maxsize=1)
def _encoder(path: Path, digest: str) -> Encoder:
    return load_encoder(path)


def origin(card: StyleCard) -> str | None:
    """The version of the network that takes any painting that a checkpoint's weights come from; None: from none."""
    found = card.recipe.get(ORIGIN)
    return found if isinstance(found, str) else None


def picture_statistics(path: Path) -> Tensor:
    """The statistics of a picture, (n,) fp32: from the cache, or measured now.

    Raises:
        MediaError: it is no picture that can be used; see `read_painting`.
        StyleError: a file of the network that takes any painting is missing or damaged.
    """
    name = cache.statistics_file(path)
    found = cache.find(name, lambda file: _stored_statistics(file) is not None)
    stored = None if found is None else _stored_statistics(found)
    if stored is not None:
        return stored
    encoder_file = any_painting_files()[1]
    encoder = _encoder(encoder_file, cache.file_digest(encoder_file))
    measured = measure_statistics(any_painting()[0], encoder, path)
    cache.store(name, lambda target: write_atomically(target, save({_STATISTICS: measured})))
    return measured


def measure_statistics(network: HyperNetwork, encoder: Encoder, path: Path) -> Tensor:
    """The statistics of a picture, (n,) fp32, by a pass of the encoder.

    Args:
        network: the network that takes any painting.
        encoder: its encoder.
        path: of the picture.

    Raises:
        MediaError: it is no picture that can be used; see `read_painting`.
    """
    picture = torch.from_numpy(read_painting(path).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        return network.statistics(encoder(picture))[0]


def _stored_statistics(path: Path) -> Tensor | None:
    """The statistics in a file; None where it holds none."""
    with contextlib.suppress(OSError, SafetensorError, ValueError):
        with safe_open(path, framework="pt") as file:
            found: Tensor = file.get_tensor(_STATISTICS)
        if found.shape == (statistics_count(),) and bool(torch.isfinite(found).all()):
            return found
    return None


def gallery_statistics(name: str) -> Tensor | None:
    """The statistics of the painting of a gallery style, (n,) fp32; None where they are not known.

    Args:
        name: of the style; its variants have the same painting.
    """
    _, card = any_painting()
    paintings = sorted((n for n in card.gallery if name == n or name.startswith(f"{n}-")), key=len)
    return card.gallery[paintings[-1]] if paintings else None


def emit(statistics: Tensor, options: StyleOptions = StyleOptions()) -> TransNet:
    """The network for a painting, with the weights that a checkpoint stores, in eval mode.

    Args:
        statistics: (n,) of the painting.
        options: how much paint, and how large the strokes.
    """
    network, _ = any_painting()
    paint, stroke = amounts(options)
    return as_stored(network.emit(statistics, paint, stroke))


def amounts(options: StyleOptions) -> tuple[float, float]:
    """(paint, stroke), with the defaults where they are not given."""
    return (
        PAINT if options.paint is None else options.paint,
        STROKE if options.stroke is None else options.stroke,
    )


@torch.no_grad()
def as_stored(network: TransNet) -> TransNet:
    """The network, rounded in place as a checkpoint rounds it: so it paints the same before and after it is stored."""
    for value in network.state_dict().values():
        if value.ndim > 1:
            value.copy_(value.half())
    return network


def recipe(pictures: list[dict[str, Any]], options: StyleOptions) -> dict[str, Any]:
    """How an emitted network was made, for its checkpoint.

    Args:
        pictures: what is known of each of its terms.
        options: how it was made.
    """
    _, card = any_painting()
    paint, stroke = amounts(options)
    return {ORIGIN: card.version, "paint": paint, "stroke": stroke, "pictures": pictures, "licence": "unknown"}
